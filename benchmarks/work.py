"""The work, the same for all. It is prepared beforehand: only getting it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path

from benchmarks.interfaces.bench import Bench, Item, Row

_HASHES = [sha256(bytes([number])).digest() for number in range(256)]


@cache
def rows(count: int) -> list[Row]:
    """The first `count` rows."""
    return [Row(n, f"row number {n}", n * 0.5, _HASHES[n & 255]) for n in range(count)]


@cache
def data(size: int) -> bytes:
    """So many bytes, 32 at a time different ones."""
    return (b"".join(_HASHES) * (size // 8192 + 1))[:size]


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


class NumberedItem(Item):
    """Knows its number."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def number(self) -> int:
        return self._number


class BenchWork(Bench):
    """The implementation behind every server."""

    def __init__(self) -> None:
        self._items: list[Item] = []

    def get_block_hash(self, height: int) -> bytes:
        return _HASHES[height & 255]

    def get_rows(self, count: int) -> list[Row]:
        return rows(count)

    def get_data(self, size: int) -> bytes:
        return data(size)

    def view_data(self, size: int) -> memoryview:
        return memoryview(data(size))

    def make_item(self, number: int) -> Item:
        return NumberedItem(number)

    def keep_item(self, item: Item) -> None:
        self._items.append(item)

    def drop_items(self) -> None:
        self._items.clear()

    def resident(self) -> int:
        return resident()

    def call_back(self, value: int, callback: Callable[[int], int]) -> int:
        return callback(value)


def increment(value: int) -> int:
    """What the clients pass as callback."""
    return value + 1
