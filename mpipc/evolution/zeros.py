"""Values that are not sent arrive as zero, or empty; not every type has such a value.

The schema knows only that an Enum is an integer, and a UUID some bytes. That these are none of its
values shows in the model.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mpipc.evolution.changes import BOTH, CLIENTS, SERVERS, Change, Who
from mpipc.evolution.describe import type_name
from mpipc.model import (
    CheckedType,
    Constraints,
    DataType,
    EnumType,
    Field,
    HookedType,
    ListType,
    LiteralType,
    MapType,
    Model,
    Primitive,
    StructType,
    TextType,
    TupleType,
    Type,
    TypeName,
    UnionType,
    python_object,
)

_UNTOLD: dict[str, tuple[Who, ...]] = {
    "parameter-added": CLIENTS,
    "result-added": SERVERS,
    "field-added": BOTH,
}


_NO_MEMBER = "no member of "


def zeroless(model: Model, field: Field) -> str:
    """What makes that a field cannot be read where it was not sent, as `0 is no member of Color`;
    empty where it can: a struct that was not sent is one of zeros."""
    return _of_field(model, field, ())


def _of_field(model: Model, field: Field, around: tuple[TypeName, ...]) -> str:
    return "" if field.optional else _zeroless(model, field.type, around)


def _zeroless(model: Model, type: Type, around: tuple[TypeName, ...]) -> str:
    """`around` are the unions that it is in."""
    match type:
        case EnumType(key, declared=False, flags=False):
            members = next(
                each.members
                for module in model.modules.values()
                for each in module.enums
                if each.key == key
            )
            return "" if any(value == 0 for _, value in members) else f"0 is {_NO_MEMBER}{key.name}"
        case StructType(key) | TupleType(key=key):
            inside = (_of_field(model, each, around) for each in model.struct(key).fields)
            return next(filter(None, inside), "")
        case UnionType(key):
            if key in around:
                return f"the first alternative of {key.name} has another {key.name} inside"
            return _of_field(model, model.struct(key).fields[0], (*around, key))
        case HookedType() | LiteralType() | CheckedType():
            zero = _zero(type.wire)
            fits = zero is None or _fits(zero, type)
            inner = _zeroless(model, type.wire, around)
            return inner if inner or fits else f"{zero!r} is no {type_name(type)}"
    return ""


def _zero(type: Type) -> Any:
    """What is read of a type where nothing was sent; None where that is no simple value."""
    match type:
        case Primitive(name):
            return 0.0 if name.startswith("Float") else 0
        case TextType():
            return ""
        case DataType():
            return b""
        case ListType() | MapType():
            return []
        case LiteralType(wire=wire) | CheckedType(wire=wire):
            return _zero(wire)
    return None


def _fits(zero: Any, type: HookedType | LiteralType | CheckedType) -> bool:
    if isinstance(type, LiteralType):
        return zero in type.values
    if isinstance(type, CheckedType):
        return _fulfils(zero, type.constraints)
    read = python_object(type.read)
    try:
        read(python_object(type.key), zero) if type.takes_type else read(zero)
    except Exception:
        return False
    return True


def _fulfils(zero: Any, limits: Constraints) -> bool:
    if limits.min_length or limits.pattern is not None:
        return False  # a pattern that nothing matches would be a strange one, but may be
    return all(
        limit is None or fulfilled
        for limit, fulfilled in (
            (limits.ge, limits.ge is not None and zero >= limits.ge),
            (limits.gt, limits.gt is not None and zero > limits.gt),
            (limits.le, limits.le is not None and zero <= limits.le),
            (limits.lt, limits.lt is not None and zero < limits.lt),
        )
    )


def needs_value(change: Change, zeroless: str) -> Change:
    """An addition that would be safe, of something that must be sent; `zeroless` says why."""
    untold = _UNTOLD.get(change.rule)
    enum = zeroless.partition(_NO_MEMBER)[2]
    if untold is None:
        return change
    return msgspec.structs.replace(
        change,
        rule=change.rule.replace("added", "needed"),
        effect=f"they do not send it, and {zeroless}: reading it fails",
        breaks=untold,
        instead=f"`| None` after its type, or a member of {enum} whose value is 0"
        if enum
        else "`| None` after its type",
    )
