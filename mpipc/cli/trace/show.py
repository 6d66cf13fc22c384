"""Records as text: one line each, calls with their arguments, answers with how long they took."""

from __future__ import annotations

from pathlib import Path

import msgspec

from mpipc.capnp.showing import printable
from mpipc.cli.trace.reading import read
from mpipc.recording.records import Record

_SIGNS = {"client": "->", "server": "<-"}


def show(path: Path, *, everything: bool) -> int:
    """Print a trace; `everything`: also messages that are neither calls nor answers."""
    header, records = read(path)
    print(f"recorded {printable(header.began)}")
    for record in records:
        if everything or record.kind in ("begin", "call", "answer", "end"):
            print(line(record))
    return 0


def line(record: Record) -> str:
    """A record on one line."""
    text = f"{record.at:10.6f} {record.connection} {record.sender} {_SIGNS[record.sender]} "
    if record.kind == "call":
        given = ", ".join(f"{k}={_json(v)}" for k, v in (record.arguments or {}).items())
        text += f"[{record.id}] {record.target} {record.method}({given})"
    elif record.kind == "answer":
        outcome = _json(record.result)
        if record.raised:
            kind, text_of_it = record.raised
            outcome = f"raised {kind}: {text_of_it.removeprefix(f'{kind}: ')}"
        took = "" if record.seconds is None else f" ({record.seconds * 1000:.3f} ms)"
        text += f"[{record.id}] {record.method}: {outcome}{took}"
    else:
        id = "" if record.id is None else f" [{record.id}]"
        text += f"{record.kind}{id} {record.target}".rstrip()
    if record.note:
        text += f" -- {record.note}"
    return printable(text)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
