"""The registry of type rules, and the two questions that are asked of it."""

from __future__ import annotations

import collections.abc
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import get_origin

import typing_extensions

from mpipc import declare
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.constraints import constrained
from mpipc.model import (
    EnumType,
    OptionalType,
    ParameterType,
    Primitive,
    TimedeltaType,
    Type,
    ViewType,
    VoidType,
    carried,
)

Rule = Callable[[Annotation, Site], Type | None]
"""Returns None for an annotation that is not its business, and raises Mistake for one that is
but cannot travel."""

RULES: list[Rule] = []
"""Tried in order. A rule put in front of the others overrides them."""


def type_of(annotation: Annotation, site: Site) -> Type:
    """The type of a parameter, a result or a field. Raises Mistake."""
    for rule in RULES:
        found = rule(annotation, site)
        if found is not None:
            picked = annotation.find(declare.WireType)
            if picked is not None and not isinstance(carried(found), _PICKED):
                raise no_wire_type(picked, annotation)
            return constrained(found, annotation)
    raise _unsupported(annotation.base)


_PICKED = (Primitive, EnumType, TimedeltaType, ViewType, VoidType)
"""The types of which an alias such as Int32 may say how they travel."""


def no_wire_type(picked: declare.WireType, annotation: Annotation) -> Mistake:
    """The mistake of an alias that says nothing about a type."""
    return Mistake(
        f"{picked.name} is no wire type for {shown(annotation.base)}",
        "one of the aliases that fit: Int8 to Int64 and UInt8 to UInt64 for int and Enum, "
        "Float32 and Float64 for float, none for other types",
    )


def element_of(annotation: object, site: Site) -> Type:
    """The type of what is inside a list, a tuple or a dict. Raises Mistake."""
    site = replace(site, streams=None)
    found = site.unwrap(annotation)
    if found.find(declare.Field) not in (None, declare.Field(secret=True)):
        raise Mistake(
            "Field(...) inside a list, a tuple or a dict: an element has no attributes",
            "Annotated[..., Field(...)] around the whole type",
        )
    type = type_of(found, site)
    if isinstance(type, ParameterType):
        raise Mistake(
            f"the type parameter {type.name} inside of another type, where Cap'n Proto has none",
            "a field of this type alone",
        )
    return OptionalType(type) if found.optional else type


def _unsupported(base: object) -> Mistake:
    if get_origin(base) in (collections.abc.Awaitable, collections.abc.Coroutine):
        return Mistake(f"the type {shown(base)} cannot travel", "`async def`, and what is awaited")
    if base is typing_extensions.Self:
        return Mistake("the type Self cannot travel", "the name of the interface")
    if getattr(base, "_is_protocol", False):
        return Mistake(
            f"{shown(base)} is a Protocol, and no interface",
            f"@mpipc.interface above class {shown(base)}(ABC)",
        )
    if base is None or base is type(None):
        return Mistake("None is no type of a value", "the type of the value, or `X | None`")
    if inspect.isclass(base) and inspect.isabstract(base):
        return Mistake(
            f"{base.__name__} is an abstract class that is not decorated, or is used before it is",
            f"@mpipc.interface above class {base.__name__}",
        )
    return Mistake(
        f"the type {shown(base)} cannot travel",
        "bool, int, float, str, bytes, timedelta, an Enum, a list, tuple[T, ...], set, frozenset "
        "or dict of these, a msgspec.Struct, dataclass, attrs class, NamedTuple or TypedDict, a "
        "Callable, an Iterator, an interface, or what is registered in mpipc.hooks",
    )
