"""Values of the model's types: hypothesis strategies for them, and a form to compare them in."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from mpipc.derive.names import integer_range
from mpipc.model import (
    DataType,
    EnumType,
    Field,
    ListType,
    MapType,
    Model,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    Type,
    TypeName,
)
from mpipc.testing.strategies import python_class

# Float64 milliseconds hold these to the microsecond.
_LONG = timedelta(days=10_000)


class Values:
    """Strategies by type. A list has at most `most` elements; structs are within each other at most
    `depth` deep, and have empty lists there."""

    def __init__(self, model: Model, most: int = 4, depth: int = 3) -> None:
        self._model = model
        self._most = most if depth else 0
        self._depth = depth
        self._structs: dict[TypeName, st.SearchStrategy[Any]] = {}
        self._inside = Values(model, max(1, most - 1), depth - 1) if depth else None

    def field(self, field: Field) -> st.SearchStrategy[Any]:
        if field.optional and not self._depth:
            return st.none()
        value = self.of(field.type)
        return st.none() | value if field.optional else value

    def fields(self, fields: Iterable[Field]) -> st.SearchStrategy[tuple[Any, ...]]:
        return st.tuples(*(self.field(field) for field in fields))

    def of(self, type: Type) -> st.SearchStrategy[Any]:
        match type:
            case Primitive("Bool"):
                return st.booleans()
            case Primitive("Float32"):
                return st.floats(width=32)
            case Primitive("Float64"):
                return st.floats()
            case Primitive(name):
                return st.integers(*integer_range(name))
            case TextType():
                return st.text(max_size=20)
            case DataType():
                return st.binary(max_size=20)
            case TimedeltaType():
                return st.just(timedelta.max) | st.timedeltas(-_LONG, _LONG)
            case EnumType():
                return self._enum(type)
            case StructType(key):
                return self._struct(key)
            case ListType(element, container):
                made = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[container]
                unique = container in ("set", "frozenset")
                if not self._most:
                    return st.just(made())
                items = self._hashable(element) if unique else self.of(element)
                return st.lists(items, max_size=self._most).map(made)
            case MapType(key, value):
                if not self._most:
                    return st.just({})
                return st.dictionaries(self._hashable(key), self.of(value), max_size=self._most)
        raise AssertionError(type)

    def _hashable(self, type: Type) -> st.SearchStrategy[Any]:
        """NaN is never found again, and 0.0 is -0.0."""
        return self.of(type).filter(
            lambda value: "nan" not in repr(value) and "-0.0" not in repr(value)
        )

    def _enum(self, type: EnumType) -> st.SearchStrategy[Any]:
        members = list(python_class(type.key))
        if type.flags:
            return st.sets(st.sampled_from(members)).map(
                lambda chosen: python_class(type.key)(sum({m.value for m in chosen} - {3}) or 3)
            )
        return st.sampled_from(members)

    def _struct(self, key: TypeName) -> st.SearchStrategy[Any]:
        if key not in self._structs:
            cls = python_class(key)
            fields = (self._inside or self).fields(self._model.struct(key).fields)
            self._structs[key] = fields.map(lambda values: cls(*values))
        return self._structs[key]


def plain(model: Model, type: Type, value: Any) -> Any:
    """A value without the classes: equal for equal values, NaN and the sign of zero included."""
    match type:
        case Primitive("Float32"):
            return struct.pack("<f", value) if value == value else "nan"
        case Primitive("Float64"):
            return struct.pack("<d", value) if value == value else "nan"
        case ListType(element, container):
            items = tuple(plain(model, element, each) for each in value)
            return frozenset(items) if container in ("set", "frozenset") else items
        case MapType(key, each):
            return frozenset(
                (plain(model, key, k), plain(model, each, v)) for k, v in value.items()
            )
        case StructType(key):
            struct_ = model.struct(key)
            return tuple(
                plain_field(model, field, getattr(value, field.name)) for field in struct_.fields
            )
    # An Enum is not equal to the number that it stands for.
    return value


def plain_field(model: Model, field: Field, value: Any) -> Any:
    """As `plain`, where None may stand for no value."""
    if value is None and field.optional:
        return None
    return plain(model, field.type, value)
