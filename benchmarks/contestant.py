"""What a contestant is, and how its server gets a process of its own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import mpipc
from benchmarks.interfaces.bench import Row
from benchmarks.work import increment

# By default a message has at most 64 MiB.
LIMITS = mpipc.Limits(message_words=1 << 24, traversal_words=1 << 24)
_START_SECONDS = 15.0
_RETRY_SECONDS = 0.02


class NotSupported(Exception):
    """The contestant has nothing that does this work."""


class Contestant(ABC):
    """A client whose server runs in a child process and listens on the unix socket `path`.

    Its module also has `serve(path)`, which the child runs until it is killed.
    """

    name: ClassVar[str]

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def connect(self) -> None:
        """Connect to the server; any exception means that it is not up yet."""

    @abstractmethod
    def close(self) -> None:
        """Disconnect."""

    @abstractmethod
    def time_calls(self, count: int) -> list[int]:
        """Make calls one after the other; nanoseconds of each."""

    @abstractmethod
    def time_rows(self, count: int) -> int:
        """Get a list of that many `Row` objects; nanoseconds."""

    @abstractmethod
    def time_data(self, size: int) -> int:
        """Get so many bytes; nanoseconds."""

    def time_view(self, size: int) -> int:
        """As `time_data`, where a view of so many bytes will do; nanoseconds."""
        return self.time_data(size)

    @abstractmethod
    def time_callbacks(self, threads: int, count: int) -> int:
        """Make `count` calls with a callback from each of the threads; nanoseconds in all."""

    @abstractmethod
    def time_threads(self, threads: int, count: int) -> int:
        """Make `count` calls from each of the threads; nanoseconds in all."""

    def time_many(self, count: int) -> int:
        """Make so many calls without waiting for each answer; nanoseconds in all."""
        raise NotSupported("calls wait")

    @abstractmethod
    def get_rows(self, count: int) -> list[Row]:
        """The rows, to see that they are right."""

    @abstractmethod
    def get_data(self, size: int) -> bytes:
        """The bytes, to see that they are right."""


class Blocking(Contestant):
    """A contestant whose calls block, as they do in one process."""

    @abstractmethod
    def get_block_hash(self, height: int) -> bytes: ...

    @abstractmethod
    def make_caller(self) -> Callable[[int], int]:
        """A function for one thread that calls `Bench.call_back` with `increment`."""

    def make_plain_caller(self) -> Callable[[int], object]:
        """A function for one thread that calls `Bench.get_block_hash`."""
        return self.get_block_hash

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._callers: list[Callable[[int], int]] = []
        self._plain_callers: list[Callable[[int], object]] = []

    def time_calls(self, count: int) -> list[int]:
        clock, call = time.perf_counter_ns, self.get_block_hash
        times = []
        for height in range(count):
            start = clock()
            call(height)
            times.append(clock() - start)
        return times

    def time_rows(self, count: int) -> int:
        start = time.perf_counter_ns()
        self.get_rows(count)
        return time.perf_counter_ns() - start

    def time_data(self, size: int) -> int:
        start = time.perf_counter_ns()
        self.get_data(size)
        return time.perf_counter_ns() - start

    def time_callbacks(self, threads: int, count: int) -> int:
        while len(self._callers) < threads:
            self._callers.append(self.make_caller())

        def checked(call: Callable[[int], int]) -> Callable[[int], object]:
            def one(value: int) -> None:
                if call(value) != increment(value):
                    raise AssertionError(f"{self.name} returned a wrong value")

            return one

        return _in_threads([checked(call) for call in self._callers[:threads]], count)

    def time_threads(self, threads: int, count: int) -> int:
        while len(self._plain_callers) < threads:
            self._plain_callers.append(self.make_plain_caller())
        return _in_threads(self._plain_callers[:threads], count)


def _in_threads(calls: list[Callable[[int], object]], count: int) -> int:
    """Make `count` calls of each in a thread of its own; nanoseconds in all."""
    # The clock is read by whoever comes last, before anybody goes on.
    times: list[int] = []
    started, ended = (
        threading.Barrier(len(calls) + 1, lambda: times.append(time.perf_counter_ns()))
        for _ in range(2)
    )

    def work(call: Callable[[int], object]) -> None:
        try:
            call(0)  # whatever a thread needs for its first call is there now
            started.wait()
            for value in range(count):
                call(value)
            ended.wait()
        except BaseException:
            started.abort()
            ended.abort()
            raise

    workers = [threading.Thread(target=work, args=[call]) for call in calls]
    for worker in workers:
        worker.start()
    started.wait()
    ended.wait()
    for worker in workers:
        worker.join()
    start, end = times
    return end - start


class Running:
    """A contestant with its server: usable in `with`, after which no process is left."""

    def __init__(self, module: str, contestant: Contestant) -> None:
        self.contestant = contestant
        self._command = [sys.executable, "-m", "benchmarks.contestant", module, contestant.path]

    def __enter__(self) -> Contestant:
        root = Path(__file__).resolve().parents[1]
        # The child ends when its standard input does, also when this process is killed.
        self._server = subprocess.Popen(self._command, cwd=root, stdin=subprocess.PIPE)
        try:
            self._connect()
        except BaseException:
            self._stop()
            raise
        return self.contestant

    def __exit__(self, *_: object) -> None:
        try:
            self.contestant.close()
        finally:
            self._stop()

    @property
    def process(self) -> int:
        """The server's process id."""
        return self._server.pid

    def _connect(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self.contestant.connect()
            except Exception:
                if self._server.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_SECONDS)

    def _stop(self) -> None:
        self._server.kill()
        self._server.wait()
        assert self._server.stdin is not None
        self._server.stdin.close()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    importlib.import_module(f"benchmarks.contestants.{sys.argv[1]}").serve(sys.argv[2])
