"""The interfaces that both ends speak."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Float32, Int8, Int32, UInt16, UInt32, UInt64

Step = Annotated[Callable[[Int32], Int32], mpipc.interface(name="Step")]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Point(msgspec.Struct, frozen=True):
    x: Int32
    y: Int32


class Values(msgspec.Struct, frozen=True):
    """A field of every type."""

    flag: bool
    small: Int8
    number: int
    unsigned: UInt64
    ratio: float
    single: Float32
    text: str
    data: bytes
    color: Color
    point: Point
    maybe: Int32 | None
    delay: timedelta
    flags: list[bool]
    numbers: list[UInt16]
    texts: list[str]
    points: list[Point]
    table: dict[str, Point]


@mpipc.interface
class Counter(ABC):
    """An object with a state and relations."""

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def add(self, amount: Int32) -> Int32:
        """Returns the new total."""

    @abstractmethod
    def child(self, label: str) -> Counter: ...

    @abstractmethod
    def parent(self) -> Counter | None: ...

    @abstractmethod
    def name_of(self, other: Counter) -> str: ...


@mpipc.interface(root=True)
class Root(ABC):
    @abstractmethod
    def echo(self, values: Values) -> Values: ...

    @abstractmethod
    def make_counter(self, label: str) -> Counter:
        """Raises LookupError for an empty label."""

    @abstractmethod
    def find_counter(self, label: str) -> Counter | None: ...

    @abstractmethod
    def live_counters(self) -> Int32: ...

    @abstractmethod
    def is_ours(self, counter: Counter | None) -> bool:
        """Whether it is an object of the server's, and that very object."""

    @abstractmethod
    def echo_counter(self, counter: Counter | None) -> Counter | None: ...

    @abstractmethod
    def keep(self, counter: Counter | None) -> None: ...

    @abstractmethod
    def kept(self) -> Counter | None: ...

    @abstractmethod
    def add_in_background(self, amount: Int32) -> Int32:
        """Have a thread that serves no call add to the counter that was kept."""

    @abstractmethod
    def names_of(self, counters: list[Counter]) -> list[str]: ...

    @abstractmethod
    def apply(self, step: Step, value: Int32, times: Int32) -> Int32: ...

    @abstractmethod
    def thread_name(self) -> str: ...

    @mpipc.method(context=False)
    @abstractmethod
    def io_thread_name(self) -> str: ...

    @abstractmethod
    def note(self, text: str) -> None: ...

    @abstractmethod
    def notes(self) -> list[str]: ...

    @abstractmethod
    def hold(self, key: str) -> str:
        """Return when somebody lets the key go, having noted it."""

    @abstractmethod
    def let_go(self, key: str) -> None: ...

    @abstractmethod
    def fail(self, text: str) -> None:
        """Raise an exception that is not declared."""

    @mpipc.method(raises=ValueError)
    @abstractmethod
    def refuse(self, text: str) -> str:
        """Raise an exception that is declared, unless the text is empty."""

    @abstractmethod
    def size(self, data: memoryview, texts: list[str]) -> UInt64: ...

    @abstractmethod
    def blob(self, size: UInt32) -> memoryview: ...
