"""dict[K, V] -> List of a struct with the fields key and value.

Annotated[dict[K, V], Pair] picks a struct class for it, which may be generic. Without that, it is
`Pair`, `PairInt64` or `PairUInt64` where the module has such a generic struct of the schema that
fits, as one has that imports them of Bitcoin Core's `common`; else one is made up.
"""

from __future__ import annotations

import collections
import collections.abc
import inspect
from typing import TypeVar

from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.generics import type_parameters
from mpipc.derive.types.registry import element_of, type_of
from mpipc.derive.types.structs import field_types, is_template, kind_of
from mpipc.derive.types.words import word
from mpipc.model import (
    InterfaceType,
    MapType,
    OptionalType,
    Type,
    TypeName,
    carried,
    is_pointer,
)

_OTHERS = (
    collections.abc.MutableMapping, collections.OrderedDict, collections.defaultdict,
    collections.Counter, collections.ChainMap,
)  # fmt: skip


def rule(annotation: Annotation, site: Site) -> MapType | None:
    origin = annotation.origin or annotation.base
    if isinstance(origin, type) and origin in _OTHERS:
        raise Mistake(f"{shown(annotation.base)} cannot travel", "dict[K, V]")
    if origin is not dict and origin is not collections.abc.Mapping:
        return None
    if len(annotation.args) != 2:
        raise Mistake("dict without the types of its keys and values", "dict[K, V]")
    key, value = (element_of(arg, site) for arg in annotation.args)
    if isinstance(carried(key), InterfaceType | OptionalType):
        raise Mistake("a dict's key must have a value", "another type of keys")
    site.session.hashed(key, "dict", site)
    picked = annotation.find(type) or _known(key, value, site)
    if picked is not None and not isinstance(value, OptionalType):
        return MapType(key, value, _instance(picked, key, value, site))
    name = f"{word(key)}{word(value)}Entry"
    found = MapType(key, value, TypeName(site.module, name))
    site.session.use_map(found)
    return found


def _known(key: Type, value: Type, site: Site) -> type | None:
    """The struct of that name which the module has for such a dict."""
    for name in ("PairInt64", "PairUInt64", "Pair"):
        cls = site.scope.names.get(name)
        if not isinstance(cls, type) or not is_template(cls):
            continue
        scope = site.session.scope(cls.__module__)
        declared = {n: scope.unwrap(a) for n, a in inspect.get_annotations(cls).items()}
        if list(declared) == ["key", "value"] and all(
            is_pointer(type) if isinstance(each.base, TypeVar) else type == type_of(each, site)
            for each, type in zip(declared.values(), (key, value), strict=True)
        ):
            return cls
    return None


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
