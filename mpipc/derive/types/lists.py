"""list[T], Sequence[T], tuple[T, ...], set[T], frozenset[T] -> List(T)."""

from __future__ import annotations

import collections
import collections.abc
from typing import Literal

from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import element_of
from mpipc.model import (
    ListType,
    OptionalType,
    StructType,
    TupleType,
    Type,
    UnionType,
    VoidType,
    carried,
    is_pointer,
)

_CONTAINERS: dict[object, Literal["list", "tuple", "set", "frozenset"]] = {
    list: "list",
    collections.abc.Sequence: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
}

_INSTEAD: dict[object, str] = {
    collections.abc.Collection: "Sequence",
    collections.abc.MutableSequence: "list",
    collections.deque: "list",
    collections.abc.Set: "frozenset",
    collections.abc.MutableSet: "set",
}
"""What to write instead of other containers."""


def rule(annotation: Annotation, site: Site) -> ListType | None:
    origin = annotation.origin or annotation.base
    if not isinstance(origin, type):
        return None
    if origin in _INSTEAD:
        raise Mistake(f"{shown(annotation.base)} cannot travel", f"{_INSTEAD[origin]}[...]")
    if origin not in _CONTAINERS:
        return None
    container = _CONTAINERS[origin]
    args = annotation.args
    if container == "tuple" and args[1:] == (...,):
        args = args[:1]
    if not args:
        raise Mistake(f"{shown(origin)} without the type of its elements", f"{shown(origin)}[...]")
    element = element_of(args[0], site)
    if container in ("set", "frozenset"):
        site.session.hashed(element, container, site)
    return list_of(element, container, annotation)


def list_of(
    element: Type, container: Literal["list", "tuple", "set", "frozenset"], annotation: Annotation
) -> ListType:
    """The type of a list of such elements. Raises Mistake."""
    if isinstance(carried(element), VoidType):
        raise Mistake(f"{shown(annotation.base)} has nothing in it", "an int: how many there are")
    if isinstance(element, OptionalType) and not _has_null(element.type):
        raise Mistake(
            f"None cannot be inside of {shown(annotation.base)}: only what is behind a pointer of"
            " its own can be null",
            "mpipc.Void instead of None, as an alternative"
            if isinstance(element.type, UnionType)
            else "a tuple[T | None] or a struct with an optional field as the element",
        )
    return ListType(element, container)


def _has_null(type: Type) -> bool:
    """Whether elements of a list of this type are pointers; structs are not."""
    found = carried(type)
    structs = StructType | TupleType | UnionType
    return is_pointer(found) and not isinstance(found, structs | VoidType)
