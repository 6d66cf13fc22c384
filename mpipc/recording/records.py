"""What is recorded, and the file of it: a line of JSON for each record.

Nothing in it is as it was on the wire: values are decoded, secrets are left out before anything is
written, and of a message that cannot be decoded only its size is kept.
"""

from __future__ import annotations

import logging
import os
import threading
from datetime import datetime, timezone
from typing import Any, Literal

import msgspec

FORMAT = 2
"""The version of the file's format."""

Side = Literal["client", "server"]

_log = logging.getLogger("mpipc")


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: the format's version, and when recording began."""

    trace: int
    began: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message. `at`: seconds since recording began. `sender`: whose message it is; the client is
    who connected. `size`: its bytes.

    Of a call, `id` is its number until it is answered, `target` the object, `method` its name, and
    `arguments` are by name; `module` is that of the root interface, where the call is the first on
    a root object. An answer has the same `id` and `method`, `seconds` since the call, and a
    `result`, or what was `raised`: the exception's class and its text. Objects are
    `<Interface NUMBER>`, numbered as they appear on a connection. `note`: what else is to be said.

    At the `begin` of a connection, `target` is its address, and `sender` the side that records.
    """

    at: float
    connection: int
    sender: Side
    kind: Literal["begin", "bootstrap", "call", "answer", "finish", "release", "end", "other"]
    size: int = 0
    id: int | None = None
    target: str = ""
    module: str = ""
    method: str = ""
    arguments: dict[str, Any] | None = None
    result: Any = None
    raised: tuple[str, str] | None = None
    seconds: float | None = None
    note: str = ""


class File:
    """A new file that is being written, for its owner alone. Any thread may write, also after it
    was closed, when nothing is written any more.

    Raises OSError; FileExistsError where there is something, which may be readable by others, or
    lead elsewhere. `error`: why it was closed, where it could not be written on.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)
        self._path = os.fspath(path)
        # One thread may come again, with what the garbage collector frees in between.
        self._lock = threading.RLock()
        self.error: OSError | None = None
        self.count = 0
        began = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._write(Header(FORMAT, began))

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more."""
        return self._file.closed

    def _write(self, line: object) -> None:
        left = memoryview(msgspec.json.encode(line) + b"\n")
        while left:
            left = left[self._file.write(left) :]

    def write(self, record: Record) -> None:
        """Append a record. Whoever is recorded goes on when that fails."""
        with self._lock:
            if self._file.closed:
                return
            try:
                self._write(record)
            except OSError as e:
                self.error = e
                self._file.close()
                _log.warning("no more is recorded in %s: %s", self._path, e.strerror)
            else:
                self.count += 1

    def close(self) -> None:
        """May be called again."""
        with self._lock:
            self._file.close()
