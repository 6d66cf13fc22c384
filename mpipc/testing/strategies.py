"""Hypothesis strategies for everything that can travel, derived from the model.

Floats are never NaN, since a NaN equals nothing, and durations are such that Float64 milliseconds
hold their microseconds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from mpipc.derive import derive_interface
from mpipc.model import (
    DataType,
    EnumType,
    Field,
    Interface,
    InterfaceType,
    ListType,
    MapType,
    Method,
    Model,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    Type,
    TypeName,
)
from mpipc.schema import committed_lock

Objects = Callable[[Interface], st.SearchStrategy[Any]]
"""Makes a strategy for objects of an interface."""

_DAYS = timedelta(days=10_000)
_SIZE = 5


def no_objects(interface: Interface) -> st.SearchStrategy[Any]:
    """For values that are compared without a connection: there are no objects in them."""
    return st.none()


def python_class(key: TypeName) -> Any:
    """The class that a declared type stands for."""
    found: Any = sys.modules[key.module]
    for part in key.name.split("."):
        found = getattr(found, part)
    return found


class Strategies:
    """Strategies for the types of one model."""

    def __init__(self, model: Model, objects: Objects = no_objects) -> None:
        self._model = model
        self._objects = objects
        self._structs: dict[TypeName, st.SearchStrategy[Any]] = {}

    def field(self, field: Field) -> st.SearchStrategy[Any]:
        """Values of a parameter, a result or a struct field."""
        inner = self.of(field.type)
        return st.none() | inner if field.optional else inner

    def fields(self, fields: tuple[Field, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
        """Values of several fields, in order."""
        return st.tuples(*map(self.field, fields))

    def of(self, type: Type) -> st.SearchStrategy[Any]:
        """Values of a type."""
        match type:
            case Primitive(name):
                return _primitive(name)
            case TextType():
                return st.text(max_size=20)
            case DataType():
                return st.binary(max_size=40)
            case ListType(element, container):
                return self._container(element, container)
            case MapType(key, value):
                return st.dictionaries(self.of(key), self.of(value), max_size=_SIZE)
            case StructType(key):
                return self._struct(key)
            case InterfaceType(key):
                return self._objects(self._model.interface(key))
            case EnumType(key):
                return st.sampled_from(list(python_class(key)))
            case TimedeltaType():
                return st.timedeltas(-_DAYS, _DAYS) | st.just(timedelta.max)
        raise AssertionError(type)

    def _container(self, element: Type, container: str) -> st.SearchStrategy[Any]:
        inner = self.of(element)
        if container == "set":
            return st.sets(inner, max_size=_SIZE)
        if container == "frozenset":
            return st.frozensets(inner, max_size=_SIZE)
        items = st.lists(inner, max_size=_SIZE)
        return items.map(tuple) if container == "tuple" else items

    def _struct(self, key: TypeName) -> st.SearchStrategy[Any]:
        found = self._structs.get(key)
        if found is None:
            # Deferred, because a struct may contain itself.
            found = self._structs[key] = st.deferred(lambda: self._built(key))
        return found

    def _built(self, key: TypeName) -> st.SearchStrategy[Any]:
        struct = self._model.struct(key)
        parts = {field.name: self.field(field) for field in struct.fields}
        return st.builds(python_class(key), **parts)


def _primitive(name: str) -> st.SearchStrategy[Any]:
    if name == "Bool":
        return st.booleans()
    if name.startswith("Float"):
        return st.floats(width=32 if name == "Float32" else 64, allow_nan=False)
    bits = int(name.lstrip("UInt"))
    if name.startswith("U"):
        return st.integers(0, (1 << bits) - 1)
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


def values(cls: type) -> st.SearchStrategy[Any]:
    """Values of a struct that is declared in an interface module. Raises SchemaError."""
    model = derive_interface(cls, committed_lock)
    key = TypeName(cls.__module__, cls.__qualname__)
    return Strategies(model).of(StructType(key))


def arguments(method: Callable[..., Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Arguments for a method of an interface, as `testing.arguments(Chain.get_block)`."""
    model, found = _method(method)
    return Strategies(model).fields(found.parameters)


def results(method: Callable[..., Any]) -> st.SearchStrategy[Any]:
    """Results of a method of an interface."""
    model, found = _method(method)
    return result_of(found, Strategies(model))


def result_of(method: Method, strategies: Strategies) -> st.SearchStrategy[Any]:
    """What a method may return."""
    if method.returns == "none":
        return st.none()
    if method.returns == "value":
        return strategies.field(method.result_fields[0])
    parts = {field.name: strategies.field(field) for field in method.result_fields}
    return st.builds(python_class(method.returns), **parts)


def _method(function: Callable[..., Any]) -> tuple[Model, Method]:
    owner = function.__qualname__.rpartition(".")[0]
    cls = python_class(TypeName(function.__module__, owner))
    model = derive_interface(cls, committed_lock)
    interface = model.interface(TypeName(function.__module__, owner))
    method = next(m for m in interface.methods if m.name == function.__name__)
    return model, method
