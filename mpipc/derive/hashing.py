"""What a set or the keys of a dict can be made of: values that have a hash."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from mpipc.derive.mistakes import Mistake
from mpipc.model import (
    CheckedType,
    HookedType,
    ListType,
    MapType,
    Model,
    OptionalType,
    Struct,
    StructType,
    TupleType,
    Type,
    TypeName,
    UnionType,
    ViewType,
    python_object,
)


def check_hashable(model: Model, type: Type, container: str) -> None:
    """Values of a type can be elements of a set, or keys of a dict. Raises Mistake."""
    found = _unhashable(model, type, frozenset())
    if found is not None:
        what = "a dict's key" if container == "dict" else f"what is in a {container}"
        reason, instead = found
        raise Mistake(f"{what} must be hashable, and {reason}", instead)


def _unhashable(model: Model, type: Type, around: frozenset[TypeName]) -> tuple[str, str] | None:
    """Why values of a type have no hash, and what has one. `around`: what it is inside of."""
    match type:
        case ListType(container="list"):
            return "a list is not", "tuple[T, ...]"
        case ListType(container="set"):
            return "a set is not", "frozenset[T]"
        case MapType():
            return "a dict is not", "tuple[tuple[K, V], ...]"
        case ViewType():
            return "what a buffer holds is not", "bytes"
        case ListType(inner) | OptionalType(inner) | CheckedType(inner):
            return _unhashable(model, inner, around)
        case HookedType(key):
            if python_object(key).__hash__ is None:
                return f"{key.name} is not", "a class that has `__hash__`"
        case StructType(key) | UnionType(key) | TupleType(key=key) if key not in around:
            return _unhashable_struct(model, model.struct(key), around | {key})
    return None


def _unhashable_struct(
    model: Model, struct: Struct, around: frozenset[TypeName]
) -> tuple[str, str] | None:
    if struct.kind == "typeddict":
        return (
            f"the TypedDict {struct.name} is not",
            "a NamedTuple, or another class that is frozen",
        )
    hashed = {field.name for field in struct.fields}
    if struct.kind not in ("tuple", "union"):
        cls = python_object(struct.cls)
        if cls.__hash__ is None or _is_mutable(cls):
            return f"{struct.name} is not", f"`frozen=True` where class {cls.__name__} is declared"
        if cls.__hash__ is object.__hash__ or _is_written(cls.__hash__):
            return None
        if dataclasses.is_dataclass(cls):
            hashed = {
                each.name
                for each in dataclasses.fields(cls)
                if (each.compare if each.hash is None else each.hash)
            }
    for field in struct.fields:
        found = _unhashable(model, field.type, around) if field.name in hashed else None
        if found is not None:
            return (
                found
                if struct.kind in ("tuple", "union")
                else (f"{struct.name} is not, because of its {field.name}: {found[0]}", found[1])
            )
    return None


def _is_mutable(cls: Any) -> bool:
    """Whether it is a msgspec.Struct whose hash raises TypeError."""
    if not issubclass(cls, msgspec.Struct) or _is_written(cls.__hash__):
        return False
    return bool(cls.__struct_config__.eq and not cls.__struct_config__.frozen)


def _is_written(function: Any) -> bool:
    """Whether somebody wrote this `__hash__`, and no decorator made it of the fields."""
    code = getattr(function, "__code__", None)
    return code is not None and not code.co_filename.startswith("<")
