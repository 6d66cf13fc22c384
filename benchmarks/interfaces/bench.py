"""What every contestant has to do: a small call, large results, a callback inside a call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec

import mpipc
from mpipc import Int32


class Row(msgspec.Struct, frozen=True):
    """One of many: a field of every basic type."""

    number: int
    text: str
    value: float
    data: bytes


@mpipc.interface
class Item(ABC):
    """One of many objects."""

    @abstractmethod
    def number(self) -> Int32: ...


@mpipc.interface(root=True)
class Bench(ABC):
    """The work of the benchmarks."""

    @abstractmethod
    def get_block_hash(self, height: Int32) -> bytes:
        """32 bytes."""

    @abstractmethod
    def get_rows(self, count: Int32) -> list[Row]:
        """The first `count` rows."""

    @abstractmethod
    def call_back(
        self,
        value: Int32,
        callback: Annotated[Callable[[Int32], Int32], mpipc.interface(name="BenchCallback")],
    ) -> Int32:
        """What the callback makes of a value."""

    @abstractmethod
    def get_data(self, size: Int32) -> bytes:
        """So many bytes."""

    @abstractmethod
    def view_data(self, size: Int32) -> memoryview:
        """As `get_data`."""

    @abstractmethod
    def make_item(self, number: Int32) -> Item: ...

    @abstractmethod
    def keep_item(self, item: Item) -> None: ...

    @abstractmethod
    def drop_items(self) -> None: ...

    @abstractmethod
    def resident(self) -> int:
        """Bytes of memory that the process has."""
