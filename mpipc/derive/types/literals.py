"""Literal["a", "b"] -> Text, and of other values what those travel as."""

from __future__ import annotations

import enum
from typing import Literal, cast

from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import integer_range
from mpipc.derive.site import Site
from mpipc.derive.types.registry import type_of
from mpipc.model import LiteralType, Primitive


def rule(annotation: Annotation, site: Site) -> LiteralType | None:
    if annotation.origin is not Literal:
        return None
    kinds = {type(value) for value in annotation.args}
    if len(kinds) != 1:
        raise Mistake(f"{shown(annotation.base)} has values of several types", "values of one type")
    (kind,) = kinds
    wire = type_of(Annotation(kind, annotation.metadata), site)
    if issubclass(kind, enum.Enum):
        members = cast(tuple[enum.Enum, ...], annotation.args)
        names = tuple(member.name for member in members)
        return LiteralType(wire, names, site.session.key_of(kind))
    if isinstance(wire, Primitive) and kind is int:
        low, high = integer_range(wire.name)
        for value in annotation.args:
            if not low <= cast(int, value) <= high:
                raise Mistake(f"{value} is out of range for {wire.name}", "a larger wire type")
    return LiteralType(wire, cast(tuple[str, ...], annotation.args))
