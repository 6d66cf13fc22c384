"""SQLite files of this program's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from examples.bitcoin.common.failures import Failure

_APPLICATION = 0x6D706970  # "mpip", by which SQLite's files say whose they are


def open_database(
    path: Path, schema: str, version: int, synchronous: Literal["NORMAL", "FULL"]
) -> sqlite3.Connection:
    """Open a file with a write-ahead log, and make its tables where there is none yet. Raises
    Failure where it cannot be used, and where it is another program's or version's."""
    try:
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        try:
            _check(db, path, version)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={synchronous}")
            if not _value(db, "PRAGMA application_id"):
                marks = f"PRAGMA application_id={_APPLICATION}; PRAGMA user_version={version}"
                db.executescript(f"BEGIN; {schema} {marks}; COMMIT")
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise Failure(f"cannot use {path}: {error}") from None
    return db


def _check(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Before anything is changed."""
    application = _value(db, "PRAGMA application_id")
    is_empty = not _value(db, "SELECT count(*) FROM sqlite_master")
    if application != _APPLICATION and not (is_empty and application == 0):
        raise Failure(f"{path} is a file of another program")
    if application and _value(db, "PRAGMA user_version") != version:
        raise Failure(f"{path} is of another version of this program")


def _value(db: sqlite3.Connection, query: str) -> int:
    (found,) = db.execute(query).fetchone()
    return int(found)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write everything that is changed in this block, or, after an exception, nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # which a full disk may have ended already
            db.execute("ROLLBACK")
        raise


@contextmanager
def savepoint(db: sqlite3.Connection, name: str) -> Iterator[None]:
    """As `transaction`, within one."""
    db.execute(f"SAVEPOINT {name}")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute(f"ROLLBACK TO {name}")
            db.execute(f"RELEASE {name}")
        raise
    db.execute(f"RELEASE {name}")
