"""msgspec.Meta(...) in Annotated -> constraints on the values of a type."""

from __future__ import annotations

import msgspec

from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.model import (
    CheckedType,
    Constraints,
    DataType,
    HookedType,
    ListType,
    MapType,
    Primitive,
    TextType,
    Type,
)

_NUMBERS = ("ge", "gt", "le", "lt", "multiple_of")
_LENGTHS = ("min_length", "max_length")


def constrained(type: Type, annotation: Annotation) -> Type:
    """The type with the constraints that the annotation puts on it. Raises Mistake for those that
    make no sense there."""
    if isinstance(type, HookedType):
        return type  # they hold for what it travels as, which has them already
    found: dict[str, object] = {}
    for meta in annotation.metadata:
        if isinstance(meta, msgspec.Meta):
            for name in (*_NUMBERS, *_LENGTHS, "pattern"):
                if getattr(meta, name) is not None:
                    found[name] = getattr(meta, name)
    if not found:
        return type
    unfit = [name for name in found if name not in _fitting(type)]
    if unfit:
        raise Mistake(
            f"{unfit[0]} says nothing about {shown(annotation.base)}",
            "ge, gt, le, lt or multiple_of for an int or a float; min_length or max_length for a "
            "str, bytes, or a container; pattern for a str",
        )
    return CheckedType(type, Constraints(**found))  # type: ignore[arg-type]


def _fitting(type: Type) -> tuple[str, ...]:
    match type:
        case Primitive(name) if name != "Bool":
            return _NUMBERS
        case TextType():
            return (*_LENGTHS, "pattern")
        case DataType() | ListType() | MapType():
            return _LENGTHS
    return ()
