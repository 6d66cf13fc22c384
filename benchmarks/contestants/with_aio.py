"""mpipc in asyncio, at both ends: tasks for threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import mpipc.aio
from benchmarks.contestant import LIMITS, Contestant
from benchmarks.interfaces.bench import Row
from benchmarks.interfaces.bench_async import AsyncBench
from benchmarks.work import BenchWork, increment

T = TypeVar("T")


class _Work(AsyncBench):
    def __init__(self) -> None:
        self._work = BenchWork()

    async def get_block_hash(self, height: int) -> bytes:
        return self._work.get_block_hash(height)

    async def get_rows(self, count: int) -> list[Row]:
        return self._work.get_rows(count)

    async def call_back(self, value: int, callback: Callable[[int], Awaitable[int]]) -> int:
        return await callback(value)

    async def get_data(self, size: int) -> bytes:
        return self._work.get_data(size)


def serve(path: str) -> None:
    async def work() -> None:
        async with mpipc.aio.serve(f"unix:{path}", _Work()) as server:
            await server.serve_forever()

    asyncio.run(work())


async def _increment(value: int) -> int:
    return increment(value)


class Client(Contestant):
    name = "mpipc.aio"
    _bench: AsyncBench

    def connect(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._run(self._connect())

    async def _connect(self) -> None:
        async with AsyncExitStack() as stack:
            connecting = mpipc.aio.connect(f"unix:{self.path}", AsyncBench, limits=LIMITS)
            self._bench = await stack.enter_async_context(connecting)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._run(self._stack.aclose())
        self._loop.close()

    def time_calls(self, count: int) -> list[int]:
        async def work() -> list[int]:
            clock, call = time.perf_counter_ns, self._bench.get_block_hash
            times = []
            for height in range(count):
                start = clock()
                await call(height)
                times.append(clock() - start)
            return times

        return self._run(work())

    def time_rows(self, count: int) -> int:
        return self._timed(self._bench.get_rows(count))

    def get_rows(self, count: int) -> list[Row]:
        return self._run(self._bench.get_rows(count))

    def time_data(self, size: int) -> int:
        return self._timed(self._bench.get_data(size))

    def get_data(self, size: int) -> bytes:
        return self._run(self._bench.get_data(size))

    def time_callbacks(self, threads: int, count: int) -> int:
        async def one() -> None:
            for value in range(count):
                if await self._bench.call_back(value, _increment) != increment(value):
                    raise AssertionError("mpipc.aio returned a wrong value")

        return self._timed(_all(one() for _ in range(threads)))

    def time_threads(self, threads: int, count: int) -> int:
        async def one() -> None:
            for height in range(count):
                await self._bench.get_block_hash(height)

        return self._timed(_all(one() for _ in range(threads)))

    def time_many(self, count: int) -> int:
        return self._timed(_all(self._bench.get_block_hash(height) for height in range(count)))

    def _timed(self, work: Coroutine[Any, Any, object]) -> int:
        async def timed() -> int:
            start = time.perf_counter_ns()
            await work
            return time.perf_counter_ns() - start

        return self._run(timed())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


async def _all(work: Any) -> None:
    await asyncio.gather(*work)
