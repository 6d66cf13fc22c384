"""Which alternative of a union a value is for."""

from __future__ import annotations

from datetime import timedelta
from types import NoneType
from typing import Any

from mpipc.model import (
    CONTAINERS,
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
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    TypeName,
    ViewType,
    VoidType,
    python_object,
)


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
            return (CONTAINERS[container],)
        case TupleType():
            return (tuple,)
        case MapType():
            return (dict,)
        case LiteralType(cls=cls) if cls is not None:
            return (python_object(cls),)
        case LiteralType(wire=wire) | CheckedType(wire=wire):
            return _classes_of(model, wire)
        case VoidType():
            return (NoneType,)
        case InterfaceType(key) if model.interface(key).callable:
            return (object,)
        case StructType(key):
            cls = python_object(model.struct(key).cls)
            return (dict,) if issubclass(cls, dict) else (cls,)
        case InterfaceType(key):
            return (python_object(model.interface(key).cls),)
        case EnumType(key) | HookedType(key):
            return (python_object(key),)
    raise AssertionError(type)
