"""Hypothesis strategies for everything that can travel, derived from the model.

Durations are such that Float64 milliseconds hold their microseconds.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from mpipc.derive import derive_interface
from mpipc.derive.names import integer_range
from mpipc.generate.records import CODES
from mpipc.model import (
    CONTAINERS,
    CheckedType,
    Constraints,
    DataType,
    EnumType,
    Field,
    HookedType,
    Interface,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Method,
    Model,
    OptionalType,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    TypeName,
    UnionType,
    ViewType,
    VoidType,
    python_object,
)
from mpipc.schema import committed_lock
from mpipc.testing.building import built, class_of
from mpipc.testing.constraints import floats, fulfils, integers, lengths, texts
from mpipc.testing.standard import STANDARD

Objects = Callable[[Interface], st.SearchStrategy[Any]]
"""Makes a strategy for objects of an interface."""

_DAYS = timedelta(days=10_000)


def no_objects(interface: Interface) -> st.SearchStrategy[Any]:
    """For values that are compared without a connection: there are no objects in them."""
    return st.none()


class Strategies:
    """Strategies for the types of one model. A list has at most `most` elements; structs are within
    each other at most `depth` deep, and have empty lists there."""

    def __init__(
        self, model: Model, objects: Objects = no_objects, *, most: int = 4, depth: int = 3
    ) -> None:
        self._model = model
        self._objects = objects
        self._most = most if depth else 0
        self._depth = depth
        self._structs: dict[TypeName, st.SearchStrategy[Any]] = {}
        self._inside = self
        if depth:
            self._inside = Strategies(model, objects, most=max(1, most - 1), depth=depth - 1)

    def field(self, field: Field) -> st.SearchStrategy[Any]:
        """Values of a parameter, a result or a struct field."""
        can_be_none = field.optional and field.filled_in is None  # else None does not arrive
        if can_be_none and not self._depth:
            return st.none()
        value = self.of(field.type)
        return st.none() | value if can_be_none else value

    def fields(self, fields: Iterable[Field]) -> st.SearchStrategy[tuple[Any, ...]]:
        """Values of several fields, in order."""
        return st.tuples(*map(self.field, fields))

    def of(self, type: Type) -> st.SearchStrategy[Any]:
        """Values of a type."""
        match type:
            case VoidType():
                return st.none()
            case Primitive("Bool"):
                return st.booleans()
            case Primitive("Float32"):
                return st.floats(width=32)
            case Primitive("Float64"):
                return st.floats()
            case Primitive(name):
                low, high = integer_range(name)
                return st.integers(low, high) | st.sampled_from([0, low, high])
            case TextType():
                return st.text(max_size=20)
            case DataType():
                return st.binary(max_size=20)
            case ViewType(None):
                return st.binary(max_size=20).map(memoryview)
            case ViewType(Primitive(name) as element):
                numbers = st.lists(self.of(element), max_size=self._most)
                return numbers.map(lambda items: view_of(name, items))
            case TimedeltaType():
                return st.just(timedelta.max) | st.timedeltas(-_DAYS, _DAYS)
            case EnumType():
                return self._enum(type)
            case StructType(key):
                return self._struct(key)
            case UnionType(key):
                return self._union(key)
            case InterfaceType(_, stream) if stream is not None and self._objects is not no_objects:
                return self._container(stream, "list")  # can be read more than once
            case InterfaceType(key):
                return self._objects(self._model.interface(key))
            case ListType(element, container):
                return self._container(element, container)
            case MapType(key, value):
                if not self._most:
                    return st.just({})
                return st.dictionaries(self._hashable(key), self.of(value), max_size=self._most)
            case TupleType(key=key):
                return self._struct(key)
            case OptionalType(inner):
                return st.none() | self.of(inner)
            case HookedType():
                return self._hooked(type)
            case LiteralType(values=values, cls=cls):
                members = [getattr(python_object(cls), str(each)) for each in values] if cls else []
                return st.sampled_from(members or values)
            case CheckedType(wire, limits):
                return self._checked(wire, limits)
        raise AssertionError(type)

    def results(self, method: Method) -> st.SearchStrategy[Any]:
        """What a method may return."""
        found = self.fields(method.result_fields)
        return found.map(lambda values: returned(method, values))

    def _checked(self, type: Type, limits: Constraints) -> st.SearchStrategy[Any]:
        least, most = lengths(limits)
        match type:
            case Primitive("Float32" | "Float64" as name):
                return floats(name, limits)
            case Primitive(name):
                return integers(name, limits)
            case TextType():
                return texts(limits)
            case DataType():
                return st.binary(min_size=least, max_size=most)
            case ListType(element, container):
                unique = container in ("set", "frozenset")
                items = self._hashable(element) if unique else self.of(element)
                key = (lambda value: value) if unique else None
                found = st.lists(items, min_size=least, max_size=most, unique_by=key)
                return found.map(CONTAINERS[container])
            case MapType(key, value):
                keys, values = self._hashable(key), self.of(value)
                return st.dictionaries(keys, values, min_size=least, max_size=most)
        raise AssertionError(type)

    def _container(self, element: Type, container: str) -> st.SearchStrategy[Any]:
        made = CONTAINERS[container]
        if not self._most:
            return st.just(made(()))
        unique = container in ("set", "frozenset")
        items = self._hashable(element) if unique else self.of(element)
        return st.lists(items, max_size=self._most).map(made)

    def _hashable(self, type: Type) -> st.SearchStrategy[Any]:
        """What is found again in a set: NaN never is, and -0.0 is 0.0."""
        return self.of(type).filter(
            lambda value: "nan" not in repr(value) and "-0.0" not in repr(value)
        )

    def _enum(self, type: EnumType) -> st.SearchStrategy[Any]:
        members = st.sampled_from(list(python_object(type.key)))
        if not type.flags:
            return members
        return st.lists(members, min_size=1).map(lambda chosen: _combined(chosen))

    def _hooked(self, type: HookedType) -> st.SearchStrategy[Any]:
        """What the hook reads from values that may travel."""
        wire, build = type.wire, python_object(type.build)
        if type.read in STANDARD:
            known = STANDARD[type.read]
            if isinstance(wire, CheckedType):
                return known.filter(lambda value: fulfils(build(value), wire.constraints))
            return known
        read, cls = python_object(type.read), python_object(type.key)
        if isinstance(cls, enum.EnumMeta):
            return st.sampled_from(list(cls))

        def found(value: object) -> list[object]:
            try:
                return [read(cls, value) if type.takes_type else read(value)]
            except Exception:
                return []

        return self.of(type.wire).map(found).filter(bool).map(lambda found: found[0])

    def _struct(self, key: TypeName) -> st.SearchStrategy[Any]:
        if key not in self._structs:
            struct = self._model.struct(key)
            cls, fields = class_of(struct), struct.fields
            found = self._inside.fields(fields)
            self._structs[key] = found.map(lambda values: built(cls, fields, values))
        return self._structs[key]

    def _union(self, key: TypeName) -> st.SearchStrategy[Any]:
        if key not in self._structs:
            fields = self._model.struct(key).fields
            kept = [f for f in fields if self._depth or not self._needs(f.type, key)]
            inside = self._inside
            self._structs[key] = st.deferred(lambda: st.one_of(*map(inside.field, kept)))
        return self._structs[key]

    def _needs(self, type: Type, key: TypeName) -> bool:
        """Whether in every value of a type there is one of a union."""
        match type:
            case UnionType(found):
                return found == key
            case StructType(struct):
                fields = self._model.struct(struct).fields
                return any(self._needs(f.type, key) for f in fields if not f.optional)
        return False


def view_of(name: str, numbers: Iterable[Any]) -> memoryview:
    """A buffer of numbers of a wire type."""
    return memoryview(array(CODES[name], numbers))


def _combined(flags: list[Any]) -> Any:
    found = flags[0]
    for flag in flags:
        found |= flag
    return found


def returned(method: Method, values: tuple[Any, ...]) -> Any:
    """The values of a method's result fields, as it returns them."""
    if method.returns == "none":
        return None
    if method.returns == "value":
        return values[0]
    assert isinstance(method.returns, TypeName)
    return built(python_object(method.returns), method.result_fields, values)


def results_of(method: Method, value: Any) -> tuple[Any, ...]:
    """The reverse of `returned`."""
    if method.returns == "none":
        return ()
    if method.returns == "value":
        return (value,)
    return tuple(getattr(value, field.name) for field in method.result_fields)


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
    return Strategies(model).results(found)


def _method(function: Callable[..., Any]) -> tuple[Model, Method]:
    owner = function.__qualname__.rpartition(".")[0]
    cls = python_object(TypeName(function.__module__, owner))
    model = derive_interface(cls, committed_lock)
    interface = model.interface(TypeName(function.__module__, owner))
    method = next(m for m in interface.methods if m.name == function.__name__)
    return model, method
