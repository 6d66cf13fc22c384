"""One process at a time for its files in a data directory."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.bitcoin.common.failures import Failure


@contextmanager
def locked(datadir: Path, name: str) -> Iterator[None]:
    """Make the data directory and hold the lock of the process called `name` in it.

    The lock ends with the process, however that ends. Raises Failure where it is taken, and where
    the directory cannot be used.
    """
    try:
        datadir.mkdir(parents=True, exist_ok=True)
        # Never removed: somebody may just have opened it, who would then hold a lock on nothing.
        fd = os.open(datadir / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"cannot use the data directory {datadir}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"another {name} runs in {datadir}") from None
        yield
    finally:
        os.close(fd)
