"""What is recorded, and the file of it: a line of JSON for each record.

Nothing in it is as it was on the wire: values are decoded, secrets are left out before anything is
written, and of a message that cannot be decoded only its size is kept.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from mpipc.cli.usage import Usage

SECRET = "<secret>"
"""What stands for a value that must not be shown."""

_FORMAT = 1

Side = Literal["client", "server"]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: the format's version, the package with the declarations, the root interface's
    module and name, where the server was, and when recording began."""

    trace: int
    package: str
    address: str
    began: str


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message. `at`: seconds since recording began. `sender`: whose message it is; the client is
    who connected. `size`: its bytes.

    Of a call, `id` is its number until it is answered, `target` the object, `method` its name, and
    `arguments` are by name. An answer has the same `id` and `method`, `seconds` since the call, and
    a `result`, or what was `raised`: the exception's class and its text. Objects are
    `<Interface NUMBER>`, numbered as they appear on a connection. `note`: what else is to be said.
    """

    at: float
    connection: int
    sender: Side
    kind: Literal["bootstrap", "call", "answer", "finish", "release", "end", "other"]
    size: int = 0
    id: int | None = None
    target: str = ""
    method: str = ""
    arguments: dict[str, Any] | None = None
    result: Any = None
    raised: tuple[str, str] | None = None
    seconds: float | None = None
    note: str = ""


class File:
    """A file that is being written, for its owner alone. Usable in `with`; any thread may write."""

    def __init__(self, path: Path, header: Header) -> None:
        # A new file in any case: one that is there may be readable by others, or lead elsewhere.
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise Usage(f"{path} is there already: say another --output, or remove it") from None
        except OSError as e:
            raise Usage(f"{path}: {e.strerror}") from None
        self._file = os.fdopen(fd, "wb")
        self._lock = threading.Lock()
        self.count = 0
        self._write(header)

    def _write(self, line: object) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def write(self, record: Record) -> None:
        """Append a record."""
        with self._lock:
            self._write(record)
            self.count += 1

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._file.close()


def read(path: Path) -> tuple[Header, Iterator[Record]]:
    """What a file has. Raises Usage, also while it is iterated over."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as e:
        raise Usage(f"{path}: {e.strerror}") from None
    try:
        header = msgspec.json.decode(lines[0] if lines else b"", type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Usage(f"{path} was not written by `mpipc trace record`") from None
    if header.trace != _FORMAT:
        raise Usage(f"{path} has version {header.trace} of the format, and {_FORMAT} is known")
    return header, _records(path, lines[1:])


def header(package: str, address: str, began: str) -> Header:
    """The header of a new file."""
    return Header(_FORMAT, package, address, began)


def _records(path: Path, lines: list[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 2):
        try:
            yield msgspec.json.decode(line, type=Record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise Usage(f"{path}, line {number}: no record of a trace: {e}") from None
