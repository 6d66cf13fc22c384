"""Implements what `declarations` declares."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

import mpipc
from tests.codecs.declarations.streams import Parts, Refused, Row, Streams


class RealStreams(Streams):
    """Gives back what it is given, and counts what its own iterators do."""

    def __init__(self) -> None:
        self.made = 0
        self.ended_early = 0
        self._kept: Iterator[int] = iter(())

    def _same(self, given: Iterable[Any]) -> Generator[Any, None, None]:
        yield from given

    rows = numbers = ratios = bits = texts = blobs = colors = delays = _same
    lists = tables = pairs = trees = maybe = items = _same

    def count(self, start: int) -> Generator[int, None, None]:
        self.made = 0
        try:
            for number in itertools.count(start):
                self.made += 1
                yield number
        except GeneratorExit:
            self.ended_early += 1
            raise

    def _fail_after(self, good: int, error: Exception) -> Iterator[int]:
        yield from range(good)
        raise error

    def fail_after(self, good: int) -> Iterator[int]:
        return self._fail_after(good, KeyError("gone"))

    def refuse_after(self, good: int) -> Iterator[int]:
        return self._fail_after(good, Refused(f"after {good}"))

    def exit_after(self, good: int) -> Iterator[int]:
        yield from range(good)
        os._exit(1)

    def misfit_after(self, good: int) -> Iterator[int]:
        yield from range(good)
        yield 2**40

    def sized(self, sizes: list[int]) -> Iterator[bytes]:
        self.made = 0
        for size in sizes:
            self.made += 1
            yield bytes(size)

    def produced(self) -> int:
        return self.made

    def closed(self) -> int:
        return self.ended_early

    def total(self, numbers: Iterable[int]) -> int:
        return sum(numbers)

    def first(self, numbers: Iterable[int], count: int) -> list[int]:
        return list(itertools.islice(numbers, count))

    def keep(self, numbers: Iterator[int]) -> None:
        self._kept = numbers

    def kept(self, count: int) -> list[int]:
        return list(itertools.islice(self._kept, count))

    def optional(self, given: Iterator[int] | None = None) -> Iterator[int] | None:
        return given

    def parts(self, count: int) -> Parts:
        return Parts(count, (Row(number, str(number)) for number in range(count)))

    def each(self, take: Callable[[Iterator[int]], int]) -> int:
        return take(iter(range(1000)))


if __name__ == "__main__":
    sys.exit(not mpipc.serve_spawned(RealStreams()))
