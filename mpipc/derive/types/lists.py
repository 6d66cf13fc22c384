"""list[T], Sequence[T], tuple[T, ...], set[T], frozenset[T] -> List(T)."""

from __future__ import annotations

import collections.abc
from typing import Literal

from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import element_of
from mpipc.model import ListType, ViewType

_CONTAINERS: dict[object, Literal["list", "tuple", "set", "frozenset"]] = {
    list: "list",
    collections.abc.Sequence: "list",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
}


def rule(annotation: Annotation, site: Site) -> ListType | None:
    origin = annotation.origin or annotation.base
    if not isinstance(origin, type) or origin not in _CONTAINERS:
        return None
    container = _CONTAINERS[origin]
    args = annotation.args
    if container == "tuple" and args:
        element, *rest = args
        if rest != [...]:
            raise Mistake(
                f"{shown(annotation.base)} has a fixed number of elements",
                "tuple[T, ...] for any number; a NamedTuple, or mpipc.Results for several results",
            )
        args = (element,)
    if not args:
        raise Mistake(f"{shown(origin)} without the type of its elements", f"{shown(origin)}[...]")
    element = element_of(args[0], site)
    if container in ("set", "frozenset") and isinstance(element, ViewType):
        raise Mistake("what a buffer holds has no hash", "bytes, or a list of buffers")
    return ListType(element, container)
