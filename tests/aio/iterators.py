"""Async iterators that travel, and an object that gives and takes them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator

import msgspec

import mpipc
from mpipc import Int32


class Row(msgspec.Struct, frozen=True):
    number: int
    text: str


class Refused(Exception):
    """What `refuse_after` declares."""


class Both(mpipc.Results):
    count: Int32
    rows: AsyncIterator[Row]


@mpipc.interface(root=True)
class Feed(ABC):
    @abstractmethod
    def rows(self, given: AsyncIterable[Row]) -> AsyncIterator[Row]:
        """The same."""

    @abstractmethod
    def count(self, start: int) -> AsyncGenerator[int, None]:
        """Numbers without end."""

    @abstractmethod
    async def awaited(self, start: int) -> AsyncIterator[int]:
        """The same, by a coroutine function."""

    @abstractmethod
    def ticks(self) -> AsyncIterator[int]:
        """A number for each `tick`."""

    @abstractmethod
    async def tick(self) -> None: ...

    @mpipc.method(raises=Refused)
    @abstractmethod
    def refuse_after(self, good: Int32) -> AsyncIterator[int]: ...

    @abstractmethod
    async def total(self, numbers: AsyncIterable[int]) -> int: ...

    @abstractmethod
    async def first(self, numbers: AsyncIterable[int], count: Int32) -> list[int]: ...

    @abstractmethod
    async def both(self, count: Int32) -> Both: ...

    @abstractmethod
    def plain(self, given: Iterable[int]) -> Iterator[int]:
        """The same, without awaiting anything."""

    @abstractmethod
    async def ended(self) -> int:
        """How many iterators were left before their end."""


class RealFeed(Feed):
    def __init__(self) -> None:
        self.made = 0
        self._ended = 0
        self._ticks: asyncio.Queue[int] | None = None

    def _queue(self) -> asyncio.Queue[int]:
        if self._ticks is None:
            self._ticks = asyncio.Queue()
        return self._ticks

    async def rows(self, given: AsyncIterable[Row]) -> AsyncGenerator[Row, None]:
        async for row in given:
            yield row

    async def count(self, start: int) -> AsyncGenerator[int, None]:
        try:
            while True:
                self.made += 1
                yield start
                start += 1
        finally:
            self._ended += 1

    async def awaited(self, start: int) -> AsyncIterator[int]:
        await asyncio.sleep(0)
        return self.count(start)

    async def ticks(self) -> AsyncGenerator[int, None]:
        try:
            while True:
                yield await self._queue().get()
        finally:
            self._ended += 1

    async def tick(self) -> None:
        self._queue().put_nowait(1)

    async def refuse_after(self, good: int) -> AsyncGenerator[int, None]:
        for number in range(good):
            yield number
        raise Refused(f"after {good}")

    async def total(self, numbers: AsyncIterable[int]) -> int:
        return sum([number async for number in numbers])

    async def first(self, numbers: AsyncIterable[int], count: int) -> list[int]:
        found: list[int] = []
        async for number in numbers:
            found.append(number)
            if len(found) == count:
                break
        return found

    async def both(self, count: int) -> Both:
        async def rows() -> AsyncGenerator[Row, None]:
            for number in range(count):
                yield Row(number, str(number))

        return Both(count, rows())

    def plain(self, given: Iterable[int]) -> Iterator[int]:
        yield from given

    async def ended(self) -> int:
        return self._ended
