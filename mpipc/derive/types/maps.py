"""dict[K, V] -> List of a struct with the fields key and value."""

from __future__ import annotations

import collections.abc

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import element_of
from mpipc.model import (
    DataType,
    EnumType,
    HookedType,
    InterfaceType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    Type,
    TypeName,
    VoidType,
    carried,
)


def rule(annotation: Annotation, site: Site) -> MapType | None:
    origin = annotation.origin or annotation.base
    if origin is not dict and origin is not collections.abc.Mapping:
        return None
    if len(annotation.args) != 2:
        raise Mistake("dict without the types of its keys and values", "dict[K, V]")
    key, value = (element_of(arg, site) for arg in annotation.args)
    if isinstance(carried(key), ListType | MapType | InterfaceType):
        raise Mistake("a dict's key must be hashable and have a value", "another type of keys")
    name = f"{_word(key, site)}{_word(value, site)}Entry"
    found = MapType(key, value, TypeName(site.module, name))
    site.session.use_map(found)
    return found


def _word(type: Type, site: Site) -> str:
    """A type's part in the name of an entry struct: different for different types."""
    match type:
        case VoidType():
            return "Void"
        case Primitive(name):
            return name
        case TextType():
            return "Text"
        case DataType():
            return "Data"
        case TimedeltaType():
            return "Timedelta"
        case ListType(element, container):
            return _word(element, site) + container.capitalize()
        case MapType(_, _, entry):
            return entry.name.removesuffix("Entry") + "Dict"
        case EnumType(key, wire):
            return key.name + ("" if wire.name == "Int32" else wire.name)
        case StructType(key) | InterfaceType(key):
            return key.name
        case HookedType(name=name):
            return "".join(filter(str.isalnum, name.title() if name.islower() else name))
