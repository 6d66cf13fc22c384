"""pycapnp as the referee: it writes and reads values by the compiled schema.

It knows the conventions of WIRE.md (flags, null pointers, entries of dicts, enums as integers) from
the model, and shares no code with what is generated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import capnp

from mpipc.model import (
    EnumType,
    Field,
    Interface,
    InterfaceType,
    ListType,
    MapType,
    Method,
    Model,
    Struct,
    StructType,
    TimedeltaType,
    Type,
    is_pointer,
)
from mpipc.schema import INCLUDE, module_text, schema_path
from mpipc.testing.strategies import python_class

_StructModule = capnp.lib.capnp._StructModule
_FOREVER = 1.7976931348623157e308


class Referee:
    """The compiled schemas of a model's modules."""

    def __init__(self, model: Model) -> None:
        self.model = model
        parser = capnp.SchemaParser()
        self._directory = tempfile.TemporaryDirectory()
        directory = Path(self._directory.name)
        paths = {name: directory / schema_path(name) for name in model.modules}
        for name, path in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(module_text(model, name), encoding="utf-8")
        imports = [str(directory), str(INCLUDE)]
        self._loaded = {
            name: parser.load(str(path), imports=imports) for name, path in paths.items()
        }

    # ------------------------------------------------------------------------ what is written

    def struct(self, struct: Struct) -> Any:
        """The schema of a struct."""
        return getattr(self._loaded[struct.key.module], struct.name)

    def params(self, interface: Interface, method: Method) -> Any:
        """The schema of a method's parameters."""
        return _StructModule(self._method(interface, method).param_type, method.name)

    def results(self, interface: Interface, method: Method) -> Any:
        """The schema of a method's results."""
        return _StructModule(self._method(interface, method).result_type, method.name)

    def _method(self, interface: Interface, method: Method) -> Any:
        loaded = getattr(self._loaded[interface.key.module], interface.name).schema
        return loaded.methods[method.schema_name]

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
            builder._set(field.flag.name, value is not None)
        if value is not None:
            self._set(builder, field.slot.name, field.type, value)

    def _set(self, builder: Any, name: Any, type: Type, value: Any) -> None:
        """Set a field of a struct by its name, or an element of a list by its index."""
        match type:
            case StructType(key):
                inner = builder.init(name) if isinstance(name, str) else builder[name]
                for field in self.model.struct(key).fields:
                    self._set_field(inner, field, getattr(value, field.name))
            case ListType(element):
                self._fill(builder.init(name, len(value)), element, list(value))
            case MapType(_, _, entry):
                rows = builder.init(name, len(value))
                key_field, value_field = self.model.struct(entry).fields
                for row, (key, each) in zip(rows, value.items(), strict=True):
                    self._set_field(row, key_field, key)
                    self._set_field(row, value_field, each)
            case InterfaceType():
                raise AssertionError("pycapnp has no capabilities outside of its RPC")
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
        return self._get(field.type, reader._get(field.slot.name))

    def _get(self, type: Type, value: Any) -> Any:
        match type:
            case StructType(key):
                fields = self.model.struct(key).fields
                return python_class(key)(*(self._get_field(value, field) for field in fields))
            case ListType(element, container):
                made = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[container]
                return made(self._get(element, each) for each in value)
            case MapType(_, _, entry):
                key_field, value_field = self.model.struct(entry).fields
                pairs: Mapping[Any, Any] = {
                    self._get_field(row, key_field): self._get_field(row, value_field)
                    for row in value
                }
                return pairs
            case EnumType(key):
                return python_class(key)(value)
            case TimedeltaType():
                return timedelta.max if value == _FOREVER else timedelta(milliseconds=value)
        return value
