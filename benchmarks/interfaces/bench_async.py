"""The same work for asyncio."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Annotated

import mpipc
from benchmarks.interfaces.bench import Row
from mpipc import Int32


@mpipc.interface(root=True)
class AsyncBench(ABC):
    """The work of the benchmarks, awaited."""

    @abstractmethod
    async def get_block_hash(self, height: Int32) -> bytes:
        """32 bytes."""

    @abstractmethod
    async def get_rows(self, count: Int32) -> list[Row]:
        """The first `count` rows."""

    @abstractmethod
    async def call_back(
        self,
        value: Int32,
        callback: Annotated[
            Callable[[Int32], Awaitable[Int32]], mpipc.interface(name="AsyncBenchCallback")
        ],
    ) -> Int32:
        """What the callback makes of a value."""

    @abstractmethod
    async def get_data(self, size: Int32) -> bytes:
        """So many bytes."""
