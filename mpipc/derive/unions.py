"""The alternatives of a union -> `model.Struct`."""

from __future__ import annotations

import collections.abc
import dataclasses
from collections.abc import Sequence
from typing import TypeVar, get_args, get_origin

from mpipc import declare
from mpipc.derive.annotations import shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import camel
from mpipc.derive.records import member, record
from mpipc.derive.site import Site
from mpipc.derive.types.registry import type_of
from mpipc.derive.types.structs import kind_of
from mpipc.derive.types.words import word
from mpipc.model import (
    CheckedType,
    DataType,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Primitive,
    Struct,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    TypeName,
    VoidType,
)


def derive_union(
    key: TypeName, options: declare.StructOptions, alternatives: Sequence[object], site: Site
) -> Struct:
    """Describe the struct of a union: a field for each alternative, called after its type. Raises
    Mistake."""
    site = dataclasses.replace(site, streams=None)
    members = []
    classes: dict[object, object] = {}
    for each in alternatives:
        found = site.unwrap(each)
        of = type_of(found, site)
        cls = _class_of(of, found.base)
        if cls in classes:
            raise Mistake(
                f"{shown(classes[cls])} and {shown(each)} are alternatives that cannot be told"
                " apart by their classes",
                "another class for one of them",
            )
        classes[cls] = each
        called = found.origin is collections.abc.Callable
        members.append(member("callback" if called else _member_name(of), each, site))
    made, fields, _ = record(key.name, members, site.session.locked(key.module, key.name))
    parameters = tuple(site.bindings) if options.generic else ()
    return Struct(key, key.name, "union", made, tuple(fields), options.wrap, parameters=parameters)


def _member_name(of: Type) -> str:
    """What the field of an alternative is called."""
    match of:
        case LiteralType(wire=wire) | CheckedType(wire=wire):
            return _member_name(wire)
        case VoidType():
            return "nothing"
        case TextType():
            return "text"
        case DataType():
            return "data"
        case ListType(_, container):
            return container
        case MapType():
            return "dict"
    name = word(of)
    simple = isinstance(of, Primitive | TimedeltaType) or name.isupper()
    return name.lower() if simple else camel(name)


def _class_of(of: Type, base: object) -> object:
    """By what a value of a type is known: different for types that can be told apart."""
    match of:
        case CheckedType(wire):
            return _class_of(wire, base)
        case LiteralType(wire):
            return _class_of(wire, type(get_args(base)[0]))
        case MapType():
            return dict
        case TupleType():
            return "tuple"
        case ListType(_, container):
            return container
        case Primitive(name):
            return name.rstrip("0123456789").removeprefix("U")
        case TextType() | DataType() | InterfaceType():
            return of
    # Of a type parameter, only the type that it stands for is known.
    cls = of if isinstance(base, TypeVar) else get_origin(base) or base
    return dict if isinstance(cls, type) and kind_of(cls) == "typeddict" else cls
