"""Python names -> schema names (WIRE.md, "Names and files"), and what integer types hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from mpipc.derive.mistakes import Mistake

# Types and aliases that every generated file uses; a declared type must not hide them.
RESERVED_TYPES = {
    *("Void", "Bool", "Text", "Data", "List", "AnyPointer", "AnyStruct", "AnyList", "Capability"),
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"),
    *("Float32", "Float64", "Cxx", "Proxy"),
}


# What the places of removed members are called (mpipc.derive.lock).
_RESERVED = re.compile(r"reserved[0-9]")
_MEMBER = re.compile(r"[a-z][A-Za-z0-9]*\Z")
_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*\Z")


@cache
def camel(name: str) -> str:
    """`get_block_hash` -> `getBlockHash`; a name that has no underscores keeps its capitals."""
    first, *rest = [word for word in name.split("_") if word] or [""]
    return first[:1].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in rest)


def capitalized(name: str) -> str:
    """`on_tip` -> `OnTip`."""
    lower = camel(name)
    return lower[:1].upper() + lower[1:]


def member_name(name: str) -> str:
    """Check the schema name of a method or a field. Raises Mistake."""
    if not _MEMBER.match(name):
        raise Mistake(
            f"its schema name would be {name!r}, and Cap'n Proto wants a lower-case letter first "
            "and then only ASCII letters and digits",
            'name="...", or another Python name',
        )
    if _RESERVED.match(name):
        raise Mistake(
            f"its schema name would be {name!r}, as the place of a removed member is called",
            'name="...", or another Python name',
        )
    return name


def type_name(name: str) -> str:
    """Check the schema name of a struct or an interface. Raises Mistake."""
    if not _TYPE.match(name):
        raise Mistake(
            f"its schema name would be {name!r}, and Cap'n Proto wants a capital first and then "
            "only ASCII letters and digits",
            'name="..." in its decorator, or another class name',
        )
    if name in RESERVED_TYPES:
        raise Mistake(
            f"its schema name {name!r} already means something in every schema",
            'name="..." in its decorator, or another class name',
        )
    return name


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, each once, in order."""
    seen: set[str] = set()
    again: dict[str, None] = {}
    for name in names:
        if name in seen:
            again[name] = None
        seen.add(name)
    return list(again)


def integer_range(name: str) -> tuple[int, int]:
    """Smallest and largest value of an integer type; empty for others."""
    bits = int(name.lstrip("UInt")) if "Int" in name else 0
    if bits == 0:
        return 0, -1
    return (0, 2**bits - 1) if name.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
