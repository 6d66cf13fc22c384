"""One change between two versions, and where it is."""

from __future__ import annotations

from typing import Literal

import msgspec

Who = Literal["old clients", "old servers"]
"""Programs that were built from the old version and meet the new one. A client calls and a server
is called: of a callback, the client is the process that calls back."""

CLIENTS: tuple[Who, ...] = ("old clients",)
SERVERS: tuple[Who, ...] = ("old servers",)
BOTH: tuple[Who, ...] = ("old clients", "old servers")


class Spot(msgspec.Struct, frozen=True):
    """A declaration in one of the two versions, by schema names.

    `files`   the paths of its schema file in the old and in the new version, as they were
              compiled; empty where a version has none.
    `path`    `Chain`, `Chain.getBlock`, `Block`; empty for the file.
    `part`    of a method: "Params" or "Results" for one of those.
    `member`  a field, a parameter or a result.
    `old`     it is in the old version, and no longer in the new one.
    """

    files: tuple[str, str]
    path: str = ""
    part: Literal["", "Params", "Results"] = ""
    member: str = ""
    old: bool = False


class Change(msgspec.Struct, frozen=True):
    """A difference. `rule` names its kind for programs; `breaks` are those that it breaks, nobody
    for a safe change; `effect` says what they see, `instead` what to write to avoid it."""

    rule: str
    spot: Spot
    what: str
    effect: str
    breaks: tuple[Who, ...] = ()
    instead: str = ""


def renamed(kind: str, name: str, spot: Spot) -> Change:
    """A type has another name, and the id that it had."""
    what = f"renamed from {name!r}, with the same id"
    return Change(f"{kind}-renamed", spot, what, "the same on the wire")
