"""The chain of headers on disk: an SQLite file in the data directory.

A header is valid or it is not stored: `append` checks it in the transaction that writes it. The
write-ahead log with full synchronisation makes that transaction survive a crash, and two nodes that
share a data directory by mistake cannot damage it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.bitcoin.headers import GENESIS, REGTEST_BITS, Header, InvalidHeader, has_proof_of_work
from interfaces.common import BlockRef

_TABLE = """
CREATE TABLE IF NOT EXISTS headers (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    header BLOB NOT NULL
)
"""
_MEDIAN_SPAN = 11


class StoreError(Exception):
    """The data directory cannot be used."""


class Store:
    """Validated headers from the genesis block to the tip. Any thread may call any method."""

    def __init__(self, datadir: Path) -> None:
        """Open the chain in a data directory; where there is none, start one at genesis."""
        path = datadir / "chain.sqlite"
        self._lock = threading.Lock()
        try:
            datadir.mkdir(mode=0o700, parents=True, exist_ok=True)  # the socket is in it, too
            # The lock serialises threads, so SQLite need not bind the connection to this one.
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            with self._writing():
                self._db.execute(_TABLE)
                self._db.execute(
                    "INSERT OR IGNORE INTO headers VALUES (0, ?, ?)", (GENESIS.hash, GENESIS.pack())
                )
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot use {path}: {error}") from error
        if self.hash_at(0) != GENESIS.hash:
            raise StoreError(f"{path} holds another chain")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def tip(self) -> BlockRef:
        """The last block."""
        with self._lock:
            return self._tip()

    def hash_at(self, height: int) -> bytes | None:
        """Hash of the block at a height, or None above the tip."""
        with self._lock:
            return self._value("SELECT hash FROM headers WHERE height = ?", height)

    def header(self, hash: bytes) -> bytes | None:
        """Header of a block by its hash, or None when it is not known."""
        with self._lock:
            return self._value("SELECT header FROM headers WHERE hash = ?", hash)

    def next_time(self, now: int) -> int:
        """The time that a block on the tip should carry: now, but later than the median time."""
        with self._lock:
            return max(now, self._median_time() + 1)

    def append(self, data: bytes) -> BlockRef:
        """Check that a header extends the tip, store it and return the new tip."""
        header = Header.unpack(data)
        hash = header.hash
        if header.bits != REGTEST_BITS:
            raise InvalidHeader("bad-diffbits")
        if not has_proof_of_work(hash, header.bits):
            raise InvalidHeader("high-hash")
        with self._lock, self._writing():
            tip = self._tip()
            if header.prev_hash != tip.hash:
                known = self._value("SELECT header FROM headers WHERE hash = ?", header.prev_hash)
                raise InvalidHeader("prev-blk-not-found" if known is None else "stale-prevblk")
            if header.time <= self._median_time():
                raise InvalidHeader("time-too-old")
            self._db.execute("INSERT INTO headers VALUES (?, ?, ?)", (tip.height + 1, hash, data))
        return BlockRef(hash, tip.height + 1)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that holds SQLite's write lock from its start: what it reads stays true."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _tip(self) -> BlockRef:
        row = self._db.execute("SELECT hash, height FROM headers ORDER BY height DESC LIMIT 1")
        return BlockRef(*row.fetchone())

    def _value(self, query: str, key: int | bytes) -> bytes | None:
        row: tuple[bytes] | None = self._db.execute(query, (key,)).fetchone()
        return row and row[0]

    def _median_time(self) -> int:
        rows = self._db.execute(
            "SELECT header FROM headers ORDER BY height DESC LIMIT ?", (_MEDIAN_SPAN,)
        )
        times = sorted(Header.unpack(row[0]).time for row in rows)
        return times[len(times) // 2]
