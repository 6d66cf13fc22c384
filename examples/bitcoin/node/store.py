"""Blocks, unspent outputs and the mempool on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.bitcoin.common.database import open_database, savepoint, transaction
from interfaces.values import BlockHash, OutPoint, Txid

_SCHEMA = """
-- In the order of arrival, which a parent's is before its children's.
CREATE TABLE block(
    number INTEGER PRIMARY KEY, hash BLOB UNIQUE NOT NULL, header BLOB NOT NULL,
    invalid INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE body(hash BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE undo(hash BLOB PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE chain(height INTEGER PRIMARY KEY, hash BLOB NOT NULL);
CREATE TABLE coin(outpoint BLOB PRIMARY KEY, coin BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE mempool(number INTEGER PRIMARY KEY, txid BLOB UNIQUE NOT NULL, data BLOB NOT NULL);
"""
_VERSION = 1


class Store:
    """The node's file in the data directory. Only one thread may use it at a time.

    What `transaction` has written is on disk when it returns, also when the process is killed or
    the power fails; what it was writing when that happened is gone as a whole.
    """

    def __init__(self, datadir: Path) -> None:
        path = datadir / "chain.sqlite"
        self._level = 0
        self._db = open_database(path, _SCHEMA, _VERSION, "FULL")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write everything that is changed in this block, or, after an exception, nothing. One
        within another one can fail alone, and is on disk when the outer one is."""
        level = self._level
        self._level += 1
        try:
            with savepoint(self._db, f"level{level}") if level else transaction(self._db):
                yield
        finally:
            self._level -= 1

    # ---------------------------------------------------------------------------------- blocks

    def headers(self) -> Iterable[tuple[BlockHash, bytes, bool]]:
        """Hash, header and whether it is invalid, of each block; parents before children."""
        for hash, header, invalid in self._db.execute(
            "SELECT hash, header, invalid FROM block ORDER BY number"
        ):
            yield BlockHash(hash), header, bool(invalid)

    def chain(self) -> list[BlockHash]:
        """The hashes of the active chain, from the genesis block on."""
        rows = self._db.execute("SELECT hash FROM chain ORDER BY height")
        return [BlockHash(hash) for (hash,) in rows]

    def add_block(self, hash: BlockHash, header: bytes, data: bytes) -> None:
        self._db.execute("INSERT INTO block(hash, header) VALUES(?, ?)", (hash, header))
        self._db.execute("INSERT INTO body VALUES(?, ?)", (hash, data))

    def set_invalid(self, hashes: Iterable[BlockHash], invalid: bool) -> None:
        self._db.executemany(
            "UPDATE block SET invalid=? WHERE hash=?", [(invalid, hash) for hash in hashes]
        )

    def block(self, hash: bytes) -> bytes:
        """A block that is known."""
        return self._one("SELECT data FROM body WHERE hash=?", hash) or b""

    def undo(self, hash: bytes) -> bytes:
        """What it takes to disconnect a block; empty where it was never connected."""
        return self._one("SELECT data FROM undo WHERE hash=?", hash) or b""

    def connect(self, hash: BlockHash, height: int, undo: bytes) -> None:
        """Make a block the tip."""
        self._db.execute("INSERT INTO chain VALUES(?, ?)", (height, hash))
        self._db.execute("INSERT OR REPLACE INTO undo VALUES(?, ?)", (hash, undo))

    def disconnect(self, height: int) -> None:
        """The block at this height is the tip no more."""
        self._db.execute("DELETE FROM chain WHERE height=?", (height,))

    # ----------------------------------------------------------------------------------- coins

    def coin(self, outpoint: OutPoint) -> bytes | None:
        """An unspent output of the active chain, packed."""
        return self._one("SELECT coin FROM coin WHERE outpoint=?", outpoint)

    def add_coins(self, coins: Iterable[tuple[OutPoint, bytes]]) -> None:
        """Add unspent outputs. Raises sqlite3.IntegrityError for one that there is already."""
        self._db.executemany("INSERT INTO coin VALUES(?, ?)", coins)

    def remove_coins(self, outpoints: Iterable[OutPoint]) -> None:
        self._db.executemany("DELETE FROM coin WHERE outpoint=?", [(each,) for each in outpoints])

    def coins(self) -> Iterable[tuple[OutPoint, bytes]]:
        """All unspent outputs."""
        for outpoint, coin in self._db.execute("SELECT outpoint, coin FROM coin"):
            yield OutPoint(outpoint), coin

    # --------------------------------------------------------------------------------- mempool

    def mempool(self) -> list[bytes]:
        """The transactions of the mempool, in the order in which they came."""
        rows = self._db.execute("SELECT data FROM mempool ORDER BY number")
        return [data for (data,) in rows]

    def add_to_mempool(self, transactions: Iterable[tuple[Txid, bytes]]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO mempool(txid, data) VALUES(?, ?)", transactions)

    def remove_from_mempool(self, txids: Iterable[Txid]) -> None:
        self._db.executemany("DELETE FROM mempool WHERE txid=?", [(txid,) for txid in txids])

    def _one(self, query: str, key: bytes) -> bytes | None:
        row = self._db.execute(query, (key,)).fetchone()
        return None if row is None else row[0]
