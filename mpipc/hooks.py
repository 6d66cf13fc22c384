"""How types of your own travel: each is represented by a type that mpipc knows.

    class Hash:
        def __init__(self, hexadecimal: str) -> None: ...

    def build_hash(value: Hash) -> bytes: ...
    def read_hash(data: bytes) -> Hash: ...

    hooks.register(Hash, wire=bytes, build=build_hash, read=read_hash)

From then on `Hash` may stand wherever a type may stand: its values travel as `bytes`. The types of
the standard library that mpipc knows are registered the same way (`mpipc/standard`).

Generated code calls the functions by their names, so they are at the top level of a module, or
methods of a class there. `build` is given what somebody else sends, and `read` what somebody else
sent: what `read` raises becomes a `ConversionError` that names the method and the field. Register a
type in the module that declares it: whoever uses it has imported that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec


class Hook(msgspec.Struct, frozen=True):
    """How a type travels. `takes_type`: `read` is called with the type before the value. `name`:
    what it is called in descriptions, where that is not the name of the class."""

    wire: object
    build: Callable[[Any], object]
    read: Callable[..., object]
    takes_type: bool = False
    name: str = ""


Predicate: TypeAlias = Callable[[object, tuple[object, ...]], bool]

_exact: dict[object, Hook] = {}
_bases: dict[type, Hook] = {}
_predicates: list[tuple[Predicate, Hook]] = []


def register(
    cls: type,
    *,
    wire: object,
    build: Callable[[Any], object],
    read: Callable[..., object],
    subclasses: bool = False,
) -> None:
    """Say how values of a class travel.

    `wire`        the annotation of the type that they travel as; constraints on it hold for what
                  travels.
    `build`       called with a value, gives one of the wire type.
    `read`        called with a value of the wire type, gives one of the class. It should raise
                  ValueError for values that are none.
    `subclasses`  also for classes that are derived from it; `read` is called with the annotated
                  class and then the value.

    What is registered for the class itself counts before what is registered for a base, and what
    is registered last before what was registered earlier.
    """
    if subclasses:
        _bases[cls] = Hook(wire, build, read, takes_type=True)
    else:
        _exact[cls] = Hook(wire, build, read)


def register_if(
    predicate: Predicate,
    *,
    wire: object,
    build: Callable[[Any], object],
    read: Callable[..., object],
    name: str = "",
) -> None:
    """Say how values travel whose annotation fulfils a predicate.

    The predicate is called with every annotation, without `| None` and `Annotated`, and with the
    metadata that the latter adds, before classes are looked up. `build` and `read` are called as
    for a class that is registered alone. `name` stands for the type in descriptions.
    """
    _predicates.append((predicate, Hook(wire, build, read, name=name)))


def find(base: object, metadata: tuple[object, ...] = ()) -> Hook | None:
    """The hook of an annotation, given without `Annotated` and what that adds to it."""
    for predicate, hook in reversed(_predicates):
        if predicate(base, metadata):
            return hook
    try:
        found = _exact.get(base)
    except TypeError:  # not hashable, so nobody registered it
        return None
    if found is None and isinstance(base, type):
        found = next((_bases[each] for each in base.__mro__ if each in _bases), None)
    return found if found is None or found.wire is not base else None
