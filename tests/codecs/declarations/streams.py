"""An interface that gives and takes iterators of many types."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Int32, UInt32


class Row(msgspec.Struct, frozen=True):
    number: int
    text: str
    data: bytes = b""


class Leaf(msgspec.Struct, frozen=True):
    value: Int32


class Branch(msgspec.Struct, frozen=True):
    leaves: list[Leaf]


Tree = Leaf | Branch


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Refused(Exception):
    """What `checked` declares."""


@mpipc.interface
class Item(ABC):
    @abstractmethod
    def number(self) -> Int32: ...


class Parts(mpipc.Results):
    count: UInt32
    rows: Iterator[Row]


@mpipc.interface(root=True)
class Streams(ABC):
    # There and back again.
    @abstractmethod
    def rows(self, given: Iterable[Row]) -> Iterator[Row]: ...
    @abstractmethod
    def numbers(self, given: Iterator[Int32]) -> Iterator[Int32]: ...
    @abstractmethod
    def ratios(self, given: Iterator[float]) -> Iterator[float]: ...
    @abstractmethod
    def bits(self, given: Iterator[bool]) -> Iterator[bool]: ...
    @abstractmethod
    def texts(self, given: Iterator[str]) -> Iterator[str]: ...
    @abstractmethod
    def blobs(self, given: Iterator[bytes]) -> Generator[bytes, None, None]: ...
    @abstractmethod
    def colors(self, given: Iterator[Color]) -> Iterator[Color]: ...
    @abstractmethod
    def delays(self, given: Iterator[timedelta]) -> Iterator[timedelta]: ...
    @abstractmethod
    def lists(self, given: Iterator[list[str]]) -> Iterator[list[str]]: ...
    @abstractmethod
    def tables(self, given: Iterator[dict[str, Row]]) -> Iterator[dict[str, Row]]: ...
    @abstractmethod
    def pairs(self, given: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]: ...
    @abstractmethod
    def trees(self, given: Iterator[Tree]) -> Iterator[Tree]: ...
    @abstractmethod
    def maybe(self, given: Iterator[str | None]) -> Iterator[str | None]: ...
    @abstractmethod
    def items(self, given: Iterator[Item]) -> Iterator[Item]: ...

    # What happens on the way.
    @abstractmethod
    def count(self, start: int) -> Generator[int, None, None]:
        """Numbers without end."""

    @abstractmethod
    def fail_after(self, good: UInt32) -> Iterator[int]:
        """Raises KeyError behind `good` numbers."""

    @mpipc.method(raises=Refused)
    @abstractmethod
    def refuse_after(self, good: UInt32) -> Iterator[int]:
        """As `fail_after`, with an exception that is declared."""

    @abstractmethod
    def exit_after(self, good: UInt32) -> Iterator[int]:
        """Ends the process behind `good` numbers."""

    @abstractmethod
    def misfit_after(self, good: UInt32) -> Iterator[Int32]:
        """Gives something that is no Int32 behind `good` numbers."""

    @abstractmethod
    def sized(self, sizes: list[UInt32]) -> Iterator[bytes]: ...

    @abstractmethod
    def produced(self) -> UInt32:
        """How many items the last iterator has made."""

    @abstractmethod
    def closed(self) -> UInt32:
        """How many iterators were closed before their end."""

    @abstractmethod
    def total(self, numbers: Iterable[int]) -> int: ...

    @abstractmethod
    def first(self, numbers: Iterable[int], count: UInt32) -> list[int]:
        """The first few, and no more."""

    @abstractmethod
    def keep(self, numbers: Iterator[int]) -> None: ...

    @abstractmethod
    def kept(self, count: UInt32) -> list[int]: ...

    @abstractmethod
    def optional(self, given: Iterator[int] | None = None) -> Iterator[int] | None: ...

    @abstractmethod
    def parts(self, count: UInt32) -> Parts: ...

    @abstractmethod
    def each(
        self, take: Annotated[Callable[[Iterator[int]], int], mpipc.interface(name="Take")]
    ) -> int: ...
