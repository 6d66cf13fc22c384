"""A bare socket: fixed messages by a precompiled struct, a connection per thread. The lower bound.

It has no names, no types, no errors and no objects; nobody would want to write a program this way.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

from benchmarks.contestant import Blocking
from benchmarks.interfaces.bench import Row
from benchmarks.work import BenchWork, increment

_REQUEST = struct.Struct("<Bi")
_NUMBER = struct.Struct("<i")
_ROW = struct.Struct("<qdHH")
_HASH_SIZE = 32
_GET_BLOCK_HASH, _GET_ROWS, _CALL_BACK, _GET_DATA = range(4)


def serve(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_answer, args=[connection], daemon=True).start()


def _answer(connection: socket.socket) -> None:
    work = BenchWork()

    def callback(value: int) -> int:
        connection.sendall(_NUMBER.pack(value))
        (result,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
        return int(result)

    while request := connection.recv(_REQUEST.size):
        method, argument = _REQUEST.unpack(request)
        if method == _GET_BLOCK_HASH:
            connection.sendall(work.get_block_hash(argument))
        elif method == _GET_ROWS:
            data = _pack_rows(work.get_rows(argument))
            connection.sendall(_NUMBER.pack(len(data)) + data)
        elif method == _GET_DATA:
            connection.sendall(work.get_data(argument))
        else:
            connection.sendall(_NUMBER.pack(work.call_back(argument, callback)))


def _pack_rows(rows: list[Row]) -> bytes:
    parts = []
    for row in rows:
        text = row.text.encode()
        parts += [_ROW.pack(row.number, row.value, len(text), len(row.data)), text, row.data]
    return b"".join(parts)


def _unpack_rows(data: bytes) -> list[Row]:
    rows = []
    position = 0
    while position < len(data):
        number, value, text_size, data_size = _ROW.unpack_from(data, position)
        text_start = position + _ROW.size
        data_start = text_start + text_size
        position = data_start + data_size
        text = data[text_start:data_start].decode()
        rows.append(Row(number, text, value, data[data_start:position]))
    return rows


class Client(Blocking):
    name = "bare socket"

    def connect(self) -> None:
        self._connections = [self._connection()]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def get_block_hash(self, height: int) -> bytes:
        connection = self._connections[0]
        connection.sendall(_REQUEST.pack(_GET_BLOCK_HASH, height))
        return connection.recv(_HASH_SIZE)

    def get_rows(self, count: int) -> list[Row]:
        connection = self._connections[0]
        connection.sendall(_REQUEST.pack(_GET_ROWS, count))
        (size,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
        return _unpack_rows(connection.recv(size, socket.MSG_WAITALL))

    def get_data(self, size: int) -> bytes:
        connection = self._connections[0]
        connection.sendall(_REQUEST.pack(_GET_DATA, size))
        return connection.recv(size, socket.MSG_WAITALL)

    def make_plain_caller(self) -> Callable[[int], object]:
        connection = self._connection()
        self._connections.append(connection)

        def call(height: int) -> bytes:
            connection.sendall(_REQUEST.pack(_GET_BLOCK_HASH, height))
            return connection.recv(_HASH_SIZE)

        return call

    def make_caller(self) -> Callable[[int], int]:
        connection = self._connection()
        self._connections.append(connection)

        def call(value: int) -> int:
            connection.sendall(_REQUEST.pack(_CALL_BACK, value))
            (argument,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
            connection.sendall(_NUMBER.pack(increment(argument)))
            (result,) = _NUMBER.unpack(connection.recv(_NUMBER.size))
            return int(result)

        return call

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        return connection
