"""dict[K, V] -> List of a struct with the fields key and value.

Annotated[dict[K, V], Pair] picks a struct class for it, which may be generic; else one is made up.
"""

from __future__ import annotations

import collections.abc
from typing import TypeVar

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.generics import type_parameters
from mpipc.derive.types.registry import element_of
from mpipc.derive.types.structs import field_types, kind_of
from mpipc.derive.types.words import word
from mpipc.model import (
    InterfaceType,
    ListType,
    MapType,
    OptionalType,
    Type,
    TypeName,
    ViewType,
    carried,
)


def rule(annotation: Annotation, site: Site) -> MapType | None:
    origin = annotation.origin or annotation.base
    if origin is not dict and origin is not collections.abc.Mapping:
        return None
    if len(annotation.args) != 2:
        raise Mistake("dict without the types of its keys and values", "dict[K, V]")
    key, value = (element_of(arg, site) for arg in annotation.args)
    if isinstance(carried(key), ViewType | ListType | MapType | InterfaceType | OptionalType):
        raise Mistake("a dict's key must be hashable and have a value", "another type of keys")
    picked = annotation.find(type)
    if picked is not None and not isinstance(value, OptionalType):
        return MapType(key, value, _instance(picked, key, value, site))
    name = f"{word(key)}{word(value)}Entry"
    found = MapType(key, value, TypeName(site.module, name))
    site.session.use_map(found)
    return found


def _instance(cls: type, key: Type, value: Type, site: Site) -> TypeName:
    """The struct that `cls` is with these types. Raises Mistake."""
    declared = {} if kind_of(cls) is None else field_types(cls, site)
    if list(declared) != ["key", "value"]:
        raise Mistake(
            f"{cls.__name__} is no struct of the fields key and value, as entries of a dict are",
            "a struct class that is",
        )
    given = {"key": key, "value": value}
    bound = {
        each.__name__: given[name] for name, each in declared.items() if isinstance(each, TypeVar)
    }
    arguments = tuple(bound[name] for name in type_parameters(cls))
    entry = site.session.use_instance(cls, arguments, site, entry=True)
    if site.session.entry_types(entry) != (key, value):
        raise Mistake(
            f"the entries of {cls.__name__} have other types than those of this dict",
            f"the types of {cls.__name__}, or another struct class",
        )
    return entry
