"""multiprocessing.managers: pickled calls, one connection per thread; no callbacks."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.managers import BaseManager

from benchmarks.contestant import Blocking, NotSupported
from benchmarks.interfaces.bench import Bench, Row
from benchmarks.work import BenchWork

_KEY = b"benchmark"


class _Manager(BaseManager):
    """A manager that hands out the work."""


_Manager.register("bench", BenchWork)


def serve(path: str) -> None:
    _Manager(address=path, authkey=_KEY).get_server().serve_forever()


class Client(Blocking):
    name = "multiprocessing.managers"
    _bench: Bench

    def connect(self) -> None:
        manager = _Manager(address=self.path, authkey=_KEY)
        manager.connect()
        self._bench = manager.bench()  # type: ignore[attr-defined]  # register() made it

    def close(self) -> None:
        del self._bench

    def get_block_hash(self, height: int) -> bytes:
        return self._bench.get_block_hash(height)

    def get_rows(self, count: int) -> list[Row]:
        return self._bench.get_rows(count)

    def get_data(self, size: int) -> bytes:
        return self._bench.get_data(size)

    def make_caller(self) -> Callable[[int], int]:
        raise NotSupported("no callbacks")
