"""RPyC: one connection per thread, as one connection would answer other threads' callbacks."""

from __future__ import annotations

from collections.abc import Callable

import rpyc
from rpyc.utils.server import ThreadedServer

from benchmarks.contestant import Blocking
from benchmarks.interfaces.bench import Row
from benchmarks.work import BenchWork, increment


class _Service(rpyc.Service):  # type: ignore[misc]  # RPyC has no types
    def __init__(self) -> None:
        super().__init__()
        self._work = BenchWork()

    def exposed_get_block_hash(self, height: int) -> bytes:
        return self._work.get_block_hash(height)

    def exposed_get_rows(self, count: int) -> tuple[tuple[object, ...], ...]:
        # Tuples of basic values are the only collection that RPyC sends by value.
        return tuple(
            (row.number, row.text, row.value, row.data) for row in self._work.get_rows(count)
        )

    def exposed_get_data(self, size: int) -> bytes:
        return self._work.get_data(size)

    def exposed_call_back(self, value: int, callback: Callable[[int], int]) -> int:
        return self._work.call_back(value, callback)


def serve(path: str) -> None:
    ThreadedServer(_Service, socket_path=path).start()


class Client(Blocking):
    name = "RPyC"

    def connect(self) -> None:
        self._connections = [rpyc.utils.factory.unix_connect(self.path)]
        # Looking a method up is a round trip of its own; a program in a hurry does it once.
        root = self._connections[0].root
        self._get_block_hash: Callable[[int], bytes] = root.get_block_hash
        self._get_data: Callable[[int], bytes] = root.get_data
        self._get_rows: Callable[[int], list[tuple[int, str, float, bytes]]] = root.get_rows

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def get_block_hash(self, height: int) -> bytes:
        return self._get_block_hash(height)

    def get_rows(self, count: int) -> list[Row]:
        return [Row(*row) for row in self._get_rows(count)]

    def get_data(self, size: int) -> bytes:
        return self._get_data(size)

    def make_plain_caller(self) -> Callable[[int], object]:
        connection = rpyc.utils.factory.unix_connect(self.path)
        self._connections.append(connection)
        call: Callable[[int], object] = connection.root.get_block_hash
        return call

    def make_caller(self) -> Callable[[int], int]:
        connection = rpyc.utils.factory.unix_connect(self.path)
        self._connections.append(connection)
        call_back: Callable[[int, Callable[[int], int]], int] = connection.root.call_back
        return lambda value: call_back(value, increment)
