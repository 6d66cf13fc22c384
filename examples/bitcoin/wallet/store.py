"""A wallet on disk: one SQLite file.

A write-ahead log with full synchronisation: what was committed is there after a crash, and after
`kill -9`. What goes together is written in one transaction, so a wallet never knows half of it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from examples.bitcoin.common.database import transaction
from examples.bitcoin.wallet.failures import WalletError

_VERSION = 1
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Scripts that are watched: those of addresses that were given out, and of GAP_LIMIT more.
CREATE TABLE scripts (
    script BLOB PRIMARY KEY,
    branch INTEGER NOT NULL,
    number INTEGER NOT NULL
) WITHOUT ROWID;

-- The blocks that have been looked through, and the genesis block.
CREATE TABLE blocks (height INTEGER PRIMARY KEY, hash BLOB NOT NULL);

CREATE TABLE transactions (
    sequence INTEGER PRIMARY KEY,            -- in the order in which they became known
    txid BLOB NOT NULL UNIQUE,
    raw BLOB NOT NULL,
    is_coinbase INTEGER NOT NULL,
    received INTEGER NOT NULL,               -- seconds since 1970
    height INTEGER,                          -- of its block; NULL: unconfirmed
    conflict_height INTEGER,                 -- of the block that makes it impossible
    abandoned INTEGER NOT NULL DEFAULT 0,
    replaced_by BLOB,
    notes TEXT NOT NULL DEFAULT '{}',
    order_form TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX transactions_by_height ON transactions (height);

-- Outputs to this wallet, and all inputs, of these transactions.
CREATE TABLE outputs (
    outpoint BLOB PRIMARY KEY,
    txid BLOB NOT NULL,
    number INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    script BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX outputs_by_txid ON outputs (txid);
CREATE TABLE inputs (
    outpoint BLOB NOT NULL,
    txid BLOB NOT NULL,
    PRIMARY KEY (outpoint, txid)
) WITHOUT ROWID;
CREATE INDEX inputs_by_txid ON inputs (txid);

-- Transactions that count: they are confirmed, or can be.
CREATE VIEW live AS SELECT * FROM transactions WHERE height IS NOT NULL OR (
    conflict_height IS NULL AND NOT abandoned AND replaced_by IS NULL AND NOT is_coinbase
);
-- Their outputs that none of them spends.
CREATE VIEW coins AS SELECT outputs.*, live.height, live.is_coinbase, live.received
    FROM outputs JOIN live USING (txid)
    WHERE NOT EXISTS (
        SELECT 1 FROM inputs JOIN live AS spender USING (txid)
        WHERE inputs.outpoint = outputs.outpoint
    );

CREATE TABLE locked_coins (outpoint BLOB PRIMARY KEY) WITHOUT ROWID;

-- A payment is made once, however often it is asked for.
CREATE TABLE payments (
    id TEXT PRIMARY KEY,
    txid BLOB NOT NULL,
    script BLOB NOT NULL,
    amount INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE address_book (
    script BLOB PRIMARY KEY,
    label TEXT NOT NULL,
    purpose INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE receive_requests (
    script BLOB NOT NULL,
    id BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (script, id)
) WITHOUT ROWID;
"""


class StoreError(WalletError):
    """A wallet's file cannot be used."""


class Store:
    """The file of a wallet. Any thread may use it, while it holds `lock`."""

    def __init__(self, path: Path) -> None:
        """Open it. No other process can, until it is closed. Raises StoreError."""
        if not path.is_file():
            raise StoreError(f"there is no {path}")
        self.path = path
        self.lock = threading.RLock()
        self._depth = 0
        try:
            self._db = _open(path)
        except sqlite3.Error as error:
            raise _not_opened(path, error) from None
        try:
            version = self.meta("version")
        except sqlite3.Error as error:
            self._db.close()
            raise _not_opened(path, error) from None
        if version != _VERSION:
            self._db.close()
            raise StoreError(f"{path} is of version {version}, and not of {_VERSION}")

    @classmethod
    def create(cls, path: Path, meta: dict[str, object]) -> None:
        """Make a file with these values. It is there whole or not at all. Raises StoreError."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            db = _open(temporary)
            db.executescript(f"BEGIN; {_TABLES} COMMIT;")
            values = {"version": _VERSION, **meta}
            db.execute("BEGIN")
            db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
            db.execute("COMMIT")
            db.close()
            publish(temporary, path)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"cannot make {path}: {error}") from None
        finally:
            temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file. Whoever uses it after that gets sqlite3.ProgrammingError."""
        with self.lock:
            self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock, and write all of it or nothing: at the end of the outermost block it is on
        disk. Raises StoreError."""
        with self.lock:
            whole = nullcontext() if self._depth else transaction(self._db)
            self._depth += 1
            try:
                with whole:
                    yield
            except sqlite3.OperationalError as error:  # as when the disk is full
                raise StoreError(f"cannot write {self.path}: {error}") from error
            finally:
                self._depth -= 1

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """What a query finds."""
        with self.lock:
            return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: object) -> sqlite3.Row | None:
        """The first that a query finds."""
        with self.lock:
            found: sqlite3.Row | None = self._db.execute(query, values).fetchone()
            return found

    def value(self, query: str, *values: object) -> Any:
        """The first value of that; None where there is none."""
        row = self.row(query, *values)
        return row and row[0]

    def write(self, query: str, *values: object) -> int:
        """Change something, within `writing`. Returns how many rows were changed."""
        assert self._depth > 0
        return self._db.execute(query, values).rowcount

    def meta(self, name: str) -> Any:
        """A value by its name; None where there is none."""
        return self.value("SELECT value FROM meta WHERE name = ?", name)

    def set_meta(self, name: str, value: object) -> None:
        """Change a value, within `writing`; None removes it."""
        if value is None:
            self.write("DELETE FROM meta WHERE name = ?", name)
        else:
            self.write("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def forget_deleted(self) -> None:
        """Leave nothing in the file of what was deleted or replaced."""
        with self.lock:
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def backup(self, path: Path) -> None:
        """Copy it all to a new file. Raises OSError, sqlite3.Error."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            target = sqlite3.connect(temporary)
            with self.lock:
                self._db.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            target.close()
            publish(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, which must be free. Raises OSError."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.link(temporary, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _open(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error."""
    # The lock serialises threads, so SQLite need not bind the connection to this one.
    db = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA secure_delete = ON")
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")  # takes the lock, which the mode then keeps
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _not_opened(path: Path, error: sqlite3.Error) -> StoreError:
    if "locked" in str(error):
        return StoreError(f"{path} is in use by another process")
    if "full" in str(error) or "unable" in str(error):
        return StoreError(f"cannot use {path}: {error}")
    return StoreError(f"{path} is no wallet: {error}")
