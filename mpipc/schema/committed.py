"""The committed schema of a module as its lock: the ordinals that its members have for good."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from mpipc.derive.lock import Lock
from mpipc.derive.main import imported_name
from mpipc.derive.packages import GENERATED
from mpipc.model import PrimitiveName, Reserved
from mpipc.schema.source import read_outline


def committed_schema(module: str) -> Path | None:
    """Where the committed schema of an imported module is, None where there is none."""
    file = getattr(sys.modules.get(module), "__file__", None)
    name = imported_name(module)
    if file is None or name is None:
        return None
    path = Path(file).parent / GENERATED / f"{name.rpartition('.')[2]}.capnp"
    return path if path.is_file() else None


def committed_lock(module: str) -> Lock:
    """What `derive` must know to leave ordinals as they are. Raises SchemaError for a schema file
    that cannot be read."""
    path = committed_schema(module)
    return {} if path is None else read_lock(path)


def read_lock(path: Path) -> Lock:
    """The lock in a schema file that mpipc wrote. Raises SchemaError."""
    return {
        name: [
            Reserved(member.name, member.ordinal, _place(member.type))
            for member in sorted(scope.members, key=lambda member: member.ordinal)
        ]
        for name, scope in read_outline(path).items()
    }


def _place(type: str) -> str:
    """What has the same place on the wire, and needs no declaration."""
    if not type or type in get_args(PrimitiveName):
        return type
    return "AnyPointer"
