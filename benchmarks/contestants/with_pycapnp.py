"""pycapnp by hand at both ends: asyncio, the schema that mpipc derives, tasks for threads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import capnp

from benchmarks.contestant import Contestant
from benchmarks.interfaces.bench import Row
from benchmarks.work import BenchWork, increment
from mpipc.schema import INCLUDE

T = TypeVar("T")
_WORDS = 1 << 24  # of a message; by default it has at most 64 MiB

_SCHEMA = Path(__file__).resolve().parents[1] / "interfaces/generated/bench.capnp"
_schema: Any = capnp.load(str(_SCHEMA), imports=[str(INCLUDE)])


class _Server(_schema.Bench.Server):  # type: ignore[misc]  # made from the schema when it is loaded
    def __init__(self) -> None:
        self._work = BenchWork()

    async def getBlockHash(self, height: int, **_: object) -> bytes:
        return self._work.get_block_hash(height)

    async def getRows(self, count: int, _context: Any, **_: object) -> None:
        results = _context.results.init("result", count)
        for result, row in zip(results, self._work.get_rows(count), strict=True):
            result.number = row.number
            result.text = row.text
            result.value = row.value
            result.data = row.data

    async def getData(self, size: int, **_: object) -> bytes:
        return self._work.get_data(size)

    async def callBack(self, value: int, callback: Any, **_: object) -> int:
        answer = await callback.call(arg0=value)
        result: int = answer.result
        return result


class _Callback(_schema.BenchCallback.Server):  # type: ignore[misc]
    async def call(self, arg0: int, **_: object) -> int:
        return increment(arg0)


def serve(path: str) -> None:
    asyncio.run(capnp.run(_serve(path)))


async def _serve(path: str) -> None:
    async def answer(stream: Any) -> None:
        server = capnp.TwoPartyServer(stream, bootstrap=_Server(), traversal_limit_in_words=_WORDS)
        await server.on_disconnect()

    async with await capnp.AsyncIoStream.create_unix_server(answer, path) as server:
        await server.serve_forever()


class Client(Contestant):
    name = "pycapnp"

    def connect(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._run(self._connect())

    async def _connect(self) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(capnp.kj_loop())
            stream = await capnp.AsyncIoStream.create_unix_connection(self.path)
            self._client = capnp.TwoPartyClient(stream, traversal_limit_in_words=_WORDS)
            self._bench = self._client.bootstrap().cast_as(_schema.Bench)
            self._stack = stack.pop_all()

    def close(self) -> None:
        self._client.close()
        self._run(self._stack.aclose())
        self._loop.close()

    def time_calls(self, count: int) -> list[int]:
        async def work() -> list[int]:
            clock, call = time.perf_counter_ns, self._bench.getBlockHash
            times = []
            for height in range(count):
                start = clock()
                _ = (await call(height=height)).result
                times.append(clock() - start)
            return times

        return self._run(work())

    def time_rows(self, count: int) -> int:
        start = time.perf_counter_ns()
        self.get_rows(count)
        return time.perf_counter_ns() - start

    def get_rows(self, count: int) -> list[Row]:
        async def work() -> list[Row]:
            answer = await self._bench.getRows(count=count)
            return [Row(row.number, row.text, row.value, row.data) for row in answer.result]

        return self._run(work())

    def time_data(self, size: int) -> int:
        start = time.perf_counter_ns()
        self.get_data(size)
        return time.perf_counter_ns() - start

    def get_data(self, size: int) -> bytes:
        async def work() -> bytes:
            answer = await self._bench.getData(size=size)
            data: bytes = answer.result
            return data

        return self._run(work())

    def time_callbacks(self, threads: int, count: int) -> int:
        async def one() -> None:
            for value in range(count):
                answer = await self._bench.callBack(value=value, callback=_Callback())
                if answer.result != increment(value):
                    raise AssertionError("pycapnp returned a wrong value")

        async def work() -> int:
            start = time.perf_counter_ns()
            await asyncio.gather(*(one() for _ in range(threads)))
            return time.perf_counter_ns() - start

        return self._run(work())

    def time_threads(self, threads: int, count: int) -> int:
        async def one() -> None:
            for height in range(count):
                _ = (await self._bench.getBlockHash(height=height)).result

        async def work() -> int:
            start = time.perf_counter_ns()
            await asyncio.gather(*(one() for _ in range(threads)))
            return time.perf_counter_ns() - start

        return self._run(work())

    def time_many(self, count: int) -> int:
        async def work() -> int:
            start = time.perf_counter_ns()
            answers = [self._bench.getBlockHash(height=height) for height in range(count)]
            for answer in answers:
                _ = (await answer).result
            return time.perf_counter_ns() - start

        return self._run(work())

    def _run(self, work: Coroutine[None, None, T]) -> T:
        return self._loop.run_until_complete(work)
