"""What a schema cannot say of a value, but its comments can: constraints and the values of a
Literal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mpipc.model import (
    CheckedType,
    Field,
    HookedType,
    ListType,
    LiteralType,
    MapType,
    OptionalType,
    TupleType,
    Type,
)


def constraints_of(fields: Iterable[Field]) -> str:
    """A line for each that has constraints: `height: at least 0`, `names: each 'a' or 'b'`."""
    return "\n".join(
        f"{field.slot.name}: {found}" for field in fields for found in _constraints(field.type)
    )


def _constraints(type: Type) -> Iterator[str]:
    match type:
        case CheckedType(wire, constraints):
            yield ", ".join(text for _, text in constraints.given())
            yield from _constraints(wire)
        case LiteralType(_, values, cls):
            yield " or ".join(str(value) if cls else repr(value) for value in values)
        case HookedType(wire=wire):
            yield from _constraints(wire)
        case OptionalType(inner):
            yield from _constraints(inner)
        case TupleType(items):
            for index, item in enumerate(items):
                yield from (f"item {index} {found}" for found in _constraints(item))
        case ListType(element):
            yield from (f"each {found}" for found in _constraints(element))
        case MapType(key, value):
            yield from (f"each key {found}" for found in _constraints(key))
            yield from (f"each value {found}" for found in _constraints(value))
