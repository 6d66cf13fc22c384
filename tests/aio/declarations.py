"""What the processes of these tests say to each other."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Int8, Int32

AsyncStep = Annotated[Callable[[int], Awaitable[int]], mpipc.interface(name="AsyncStep")]
Step = Annotated[Callable[[int], int], mpipc.interface(name="Step")]


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Point(msgspec.Struct, frozen=True):
    x: Int32
    y: Int32


class Split(mpipc.Results):
    quotient: Int32
    remainder: Int32


class OutOfStock(Exception):
    """An exception that a method declares."""


@mpipc.interface
class Thing(ABC):
    @abstractmethod
    async def get_name(self) -> str: ...


@mpipc.interface(root=True)
class Root(ABC):
    """Awaited on both sides, but for what says otherwise."""

    @abstractmethod
    async def add(self, first: int, second: int = 1) -> int:
        """The sum."""

    @abstractmethod
    async def values(
        self,
        number: Int8,
        text: str,
        data: bytes,
        color: Color,
        points: Sequence[Point],
        table: Mapping[str, Int32],
        maybe: str | None,
        pause: timedelta,
    ) -> list[str]:
        """What each of them is."""

    @abstractmethod
    async def echo_points(self, points: Sequence[Point]) -> list[Point]: ...

    @abstractmethod
    async def split(self, dividend: Int32, divisor: Int32) -> Split: ...

    @mpipc.method(raises=[OutOfStock])
    @abstractmethod
    async def order(self, text: str) -> None:
        """Raise OutOfStock of the text."""

    @abstractmethod
    async def fail(self, text: str) -> None:
        """Raise a KeyError of the text, which is not declared."""

    @abstractmethod
    async def wait(self, gate: str) -> str:
        """Wait until the gate is opened."""

    @abstractmethod
    async def waiting(self, gate: str) -> int:
        """How many wait there."""

    @abstractmethod
    async def open(self, gate: str) -> None: ...

    @abstractmethod
    async def canceled(self) -> int:
        """How many calls of `wait` were cancelled."""

    @abstractmethod
    async def make(self, name: str) -> Thing: ...

    @abstractmethod
    async def alive(self) -> list[str]:
        """The things of this process, once it has collected its garbage."""

    @abstractmethod
    async def ask(self, thing: Thing) -> str:
        """Its name."""

    @abstractmethod
    async def call(self, step: AsyncStep, value: int) -> int:
        """What the callback makes of a value."""

    @abstractmethod
    async def data(self, size: Int32) -> bytes:
        """So many bytes."""

    @abstractmethod
    async def kill(self) -> None:
        """End the process without a goodbye."""

    @abstractmethod
    def add_in_thread(self, first: int, second: int) -> int:
        """A plain method."""

    @abstractmethod
    def call_in_thread(self, step: Step, value: int) -> int:
        """A plain method that calls back."""

    @mpipc.method(context=False)
    @abstractmethod
    def thread(self) -> str:
        """The thread that methods without a context run on."""
