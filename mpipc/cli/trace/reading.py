"""Reading a recorded file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from mpipc.cli.usage import Usage
from mpipc.recording.records import FORMAT, Header, Record


def read(path: Path) -> tuple[Header, Iterator[Record]]:
    """What a file has. Raises Usage, also while it is iterated over."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as e:
        raise Usage(f"{path}: {e.strerror}") from None
    try:
        version = msgspec.json.decode(lines[0] if lines else b"", type=_Version).trace
        if version != FORMAT:
            raise Usage(f"{path} has version {version} of the format, and {FORMAT} is known")
        header = msgspec.json.decode(lines[0], type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Usage(f"{path} was not written by `mpipc trace record`") from None
    return header, _records(path, lines[1:])


class _Version(msgspec.Struct):
    trace: int


def _records(path: Path, lines: list[bytes]) -> Iterator[Record]:
    for number, line in enumerate(lines, 2):
        try:
            yield msgspec.json.decode(line, type=Record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
            raise Usage(f"{path}, line {number}: no record of a trace: {e}") from None
