"""mpipc: one connection, shared by all threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

import mpipc
from benchmarks.contestant import LIMITS, Blocking
from benchmarks.interfaces.bench import Bench, Row
from benchmarks.work import BenchWork, increment


def serve(path: str) -> None:
    with mpipc.serve(f"unix:{path}", BenchWork()) as server:
        server.serve_forever()


class Client(Blocking):
    name = "mpipc"

    def connect(self) -> None:
        self._stack = ExitStack()
        self.bench = self._stack.enter_context(
            mpipc.connect(f"unix:{self.path}", Bench, limits=LIMITS)
        )

    def close(self) -> None:
        self._stack.close()

    def get_block_hash(self, height: int) -> bytes:
        return self.bench.get_block_hash(height)

    def get_rows(self, count: int) -> list[Row]:
        return self.bench.get_rows(count)

    def get_data(self, size: int) -> bytes:
        return self.bench.get_data(size)

    def time_view(self, size: int) -> int:
        start = time.perf_counter_ns()
        self.bench.view_data(size)
        return time.perf_counter_ns() - start

    def make_caller(self) -> Callable[[int], int]:
        return lambda value: self.bench.call_back(value, increment)

    def time_many(self, count: int) -> int:
        start = time.perf_counter_ns()
        with mpipc.pipeline() as pipeline:
            promises = [pipeline.call(self.bench.get_block_hash, each) for each in range(count)]
        for promise in promises:
            promise.result()
        return time.perf_counter_ns() - start
