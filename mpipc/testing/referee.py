"""pycapnp as the referee: it writes and reads values by the compiled schema.

It knows the conventions of docs/WIRE.md (flags, null pointers, entries of dicts, enums as integers)
from the model, and shares no code with what is generated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from mpipc.generate.alternatives import alternative_of
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
    OptionalType,
    Primitive,
    StructType,
    TimedeltaType,
    TupleType,
    Type,
    UnionType,
    ViewType,
    is_pointer,
    python_object,
)
from mpipc.schema import Schemas
from mpipc.testing.building import built, class_of, value_of
from mpipc.testing.comparing import Somebody
from mpipc.testing.strategies import view_of

_FOREVER = 1.7976931348623157e308


class Unwritable(Exception):
    """A union that is an object: pycapnp could not even say that it is one."""


class Referee(Schemas):
    """The compiled schemas of a model, and how its values are laid out in them."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.model = model

    def write(
        self, schema: Any, fields: Sequence[Field], values: Sequence[Any], first_segment: int = 0
    ) -> bytes:
        """A framed message of a struct. `first_segment`: how many words the first segment has; few
        make many segments."""
        builder = schema.new_message(first_segment or None)
        for field, value in zip(fields, values, strict=True):
            self._set_field(builder, field, value)
        framed: bytes = builder.to_bytes()
        return framed

    def read(self, schema: Any, fields: Sequence[Field], framed: bytes) -> tuple[Any, ...]:
        """The values in a framed message of a struct."""
        with schema.from_bytes(framed) as reader:
            return self.values(reader, fields)

    def values(self, reader: Any, fields: Sequence[Field]) -> tuple[Any, ...]:
        """The values in a struct that pycapnp reads."""
        return tuple(self._get_field(reader, field) for field in fields)

    # -------------------------------------------------------------------------------- writing

    def _set_field(self, builder: Any, field: Field, value: Any) -> None:
        if field.flag is not None:
            there = value is not None
            is_bool = field.flag.type == Primitive("Bool")
            builder._set(field.flag.name, there if is_bool else int(there))
        nothing = isinstance(field.type, UnionType) and not field.optional
        if value is not None or nothing:  # None may be one of the alternatives
            self._set(builder, field.slot.name, field.type, value)

    def _set(self, builder: Any, name: Any, type: Type, value: Any) -> None:
        """Set a field of a struct by its name, or an element of a list by its index."""
        match type:
            case StructType(key) | TupleType(key=key):
                inner = builder.init(name) if isinstance(name, str) else builder[name]
                for field in self.model.struct(key).fields:
                    self._set_field(inner, field, value_of(field, value))
            case UnionType(key):
                inner = builder.init(name) if isinstance(name, str) else builder[name]
                found = alternative_of(self.model, key, value)
                if isinstance(found.type, InterfaceType):
                    raise Unwritable
                self._set(inner, found.slot.name, found.type, value)
            case OptionalType(some):
                if value is not None:
                    self._set(builder, name, some, value)
            case ListType(element):
                self._fill(builder.init(name, len(value)), element, list(value))
            case MapType(_, _, entry):
                rows = builder.init(name, len(value))
                key_field, value_field = self.model.struct(entry).fields
                for row, (key, each) in zip(rows, value.items(), strict=True):
                    self._set_field(row, key_field, key)
                    self._set_field(row, value_field, each)
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                self._set(builder, name, wire, value)
            case ViewType(Primitive() as element):
                self._fill(builder.init(name, len(value)), element, value.tolist())
            case HookedType(wire=wire, build=build):
                self._set(builder, name, wire, python_object(build)(value))
            case InterfaceType():
                pass  # pycapnp writes no capabilities outside of its RPC: it stays null
            case _:
                number = self._number(type, value)
                if isinstance(name, str):
                    builder._set(name, number)
                else:
                    builder[name] = number

    def _fill(self, items: Any, element: Type, values: list[Any]) -> None:
        for index, value in enumerate(values):
            self._set(items, index, element, value)

    def _number(self, type: Type, value: Any) -> Any:
        if isinstance(type, EnumType) and type.declared:
            enum = self.model.enumeration(type.key)
            return enum.enumerants[dict(enum.members)[value.name]]
        if isinstance(type, ViewType):
            return bytes(value)
        if isinstance(type, DataType):
            return bytes(value)  # not of a class that is derived from it
        if isinstance(type, EnumType):
            return value.value
        if isinstance(type, TimedeltaType):
            return _FOREVER if value == timedelta.max else value / timedelta(milliseconds=1)
        return value

    # -------------------------------------------------------------------------------- reading

    def _get_field(self, reader: Any, field: Field) -> Any:
        if field.flag is not None and not reader._get(field.flag.name):
            return None
        if (
            field.optional
            and field.flag is None
            and is_pointer(field.type)
            and not reader._has(field.slot.name)
        ):
            return None
        if isinstance(field.type, InterfaceType):
            return Somebody() if reader._has(field.slot.name) else None
        return self._get(field.type, reader._get(field.slot.name))

    def _get(self, type: Type, value: Any) -> Any:
        match type:
            case StructType(key) | TupleType(key=key):
                struct = self.model.struct(key)
                values = (self._get_field(value, field) for field in struct.fields)
                return built(class_of(struct), struct.fields, values)
            case UnionType(key):
                fields = self.model.struct(key).fields
                which = value.which()
                alternative = next(each for each in fields if each.slot.name == which)
                found = self._get_field(value, alternative)
                return Somebody(alternative) if isinstance(found, Somebody) else found
            case OptionalType(some):
                # pycapnp does not tell null from empty in a list.
                return self._get(some, value) if len(value) else None
            case ListType(InterfaceType() | OptionalType(InterfaceType()), container):
                return CONTAINERS[container](Somebody() for _ in range(len(value)))
            case ListType(element, container):
                return CONTAINERS[container](self._get(element, each) for each in value)
            case MapType(_, _, entry):
                key_field, value_field = self.model.struct(entry).fields
                pairs: Mapping[Any, Any] = {
                    self._get_field(row, key_field): self._get_field(row, value_field)
                    for row in value
                }
                return pairs
            case EnumType(key, declared=True):
                found = {n: name for name, n in self.model.enumeration(key).members}
                return python_object(key)[found[value.raw]]
            case EnumType(key):
                return python_object(key)(value)
            case TimedeltaType():
                return timedelta.max if value == _FOREVER else timedelta(milliseconds=value)
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                return self._get(wire, value)
            case ViewType(None):
                return memoryview(value)
            case ViewType(Primitive(name)):
                return view_of(name, value)
            case HookedType(key, _, _, wire, _, read, takes_type):
                function, found = python_object(read), self._get(wire, value)
                return function(python_object(key), found) if takes_type else function(found)
        return value
