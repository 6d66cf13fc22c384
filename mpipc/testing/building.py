"""Objects of struct classes of every kind: made of their fields' values, and taken apart."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from types import NoneType
from typing import Any

from mpipc.model import (
    CheckedType,
    DataType,
    EnumType,
    Field,
    HookedType,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Model,
    Primitive,
    Struct,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    TypeName,
    ViewType,
    VoidType,
)


def python_class(key: TypeName) -> Any:
    """The class that a declared type stands for."""
    found: Any = sys.modules[key.module]
    for part in key.name.split("."):
        found = getattr(found, part)
    return found


def class_of(struct: Struct) -> Any:
    """The class of a struct's objects."""
    return tuple if struct.kind == "tuple" else python_class(struct.cls)


def built(cls: Any, fields: Iterable[Field], values: Iterable[Any]) -> Any:
    """An object whose fields have these values. A field that may be missing is, where its value is
    None."""
    positional, named = [], {}
    for field, value in zip(fields, values, strict=True):
        if not field.keyword:
            positional.append(value)
        elif not field.missing or value is not None:
            named[field.keyword] = value
    return tuple(positional) if cls is tuple else cls(*positional, **named)


def value_of(field: Field, built: Any) -> Any:
    """The value of a field; None for one that is missing."""
    if type(built) is tuple:
        return built[int(field.name.removeprefix("item"))]
    return built.get(field.name) if isinstance(built, dict) else getattr(built, field.name)


def put_together(model: Model, fields: Iterable[Field], values: Iterable[Any]) -> Iterator[Any]:
    """The values of the parameters that travel, from those that a method is called with."""
    given = iter(values)
    for field in fields:
        if field.parts:
            assert isinstance(field.type, StructType)
            struct = model.struct(field.type.key)
            yield built(class_of(struct), struct.fields, islice(given, len(field.parts)))
        else:
            yield next(given)


def alternative_of(model: Model, union: TypeName, value: Any) -> Field:
    """The field of a union that a value is for: that of its class, or of the nearest base."""
    found: dict[Any, Field] = {}
    for field in model.struct(union).fields:
        found |= dict.fromkeys(_classes_of(model, field.type), field)
    for cls in type(value).__mro__:
        if cls in found:
            return found[cls]
    return next(field for cls, field in found.items() if cls and isinstance(value, cls))


def _classes_of(model: Model, type: Type) -> tuple[Any, ...]:
    match type:
        case Primitive("Bool"):
            return (bool,)
        case Primitive("Float32" | "Float64"):
            return (float,)
        case Primitive():
            return (int,)
        case TextType():
            return (str,)
        case DataType():
            return (bytes,)
        case TimedeltaType():
            return (timedelta,)
        case ViewType():
            return (memoryview,)
        case ListType(_, container):
            return ({"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[container],)
        case TupleType():
            return (tuple,)
        case MapType():
            return (dict,)
        case LiteralType(wire=wire) | CheckedType(wire=wire):
            return _classes_of(model, wire)
        case VoidType():
            return (NoneType,)
        case InterfaceType(key) if model.interface(key).callable:
            return (object,)
        case StructType(key):
            cls = python_class(model.struct(key).cls)
            return (dict,) if issubclass(cls, dict) else (cls,)
        case InterfaceType(key):
            return (python_class(model.interface(key).cls),)
        case EnumType(key) | HookedType(key):
            return (python_class(key),)
    raise AssertionError(type)
