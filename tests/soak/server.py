"""python -m tests.soak.server ADDRESS FILE: keep a ledger in a file."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator

import mpipc
from tests.runtime.support import resident
from tests.soak.declarations import Account, Ledger

SCHEMA = """
create table if not exists effects (client text, number integer, amount integer);
create index if not exists by_client on effects (client, number);
"""


class Book:
    """The file. No constraint of the database's hides an effect that comes twice."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = normal")  # a killed process loses nothing
        self._database.executescript(SCHEMA)

    def write(self, client: str, number: int, amount: int) -> None:
        with self._lock:
            self._database.execute("insert into effects values (?, ?, ?)", (client, number, amount))

    def read(self, query: str, *values: object) -> list[tuple[int, ...]]:
        with self._lock:
            return self._database.execute(query, values).fetchall()


class BookAccount(Account):
    def __init__(self, book: Book, client: str) -> None:
        self._book = book
        self._client = client

    def apply(self, number: int, amount: int) -> int:
        self._book.write(self._client, number, amount)
        return self._sum()

    def apply_agreed(self, number: int, amount: int, agree: Callable[[int], bool]) -> int:
        if agree(self._sum() + amount):
            self._book.write(self._client, number, amount)
        return self._sum()

    def applied(self, number: int) -> bool:
        query = "select count(*) from effects where client = ? and number = ?"
        return self._book.read(query, self._client, number)[0][0] > 0

    def numbers(self) -> Iterator[int]:
        query = "select number from effects where client = ? order by number"
        for (number,) in self._book.read(query, self._client):
            yield number

    def _sum(self) -> int:
        query = "select coalesce(sum(amount), 0) from effects where client = ?"
        return self._book.read(query, self._client)[0][0]


class BookLedger(Ledger):
    def __init__(self, path: str) -> None:
        self._book = Book(path)

    def account(self, client: str) -> Account:
        return BookAccount(self._book, client)

    def resident(self) -> int:
        return resident("self")

    def echo(self, data: bytes) -> bytes:
        return data


if __name__ == "__main__":
    with mpipc.serve(sys.argv[1], BookLedger(sys.argv[2])) as server:
        server.serve_forever()
