"""Values as JSON and back, by the model: what `mpipc call` prints and takes.

As msgspec writes them, with these exceptions: bytes are hexadecimal digits, an Enum is its member's
name, a dict whose keys are no text has their JSON as keys, and an object is `<Interface>`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from mpipc.generate.alternatives import alternative_of
from mpipc.generate.records import CODES
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

_KINDS = {"Bool": bool, "Float32": float, "Float64": float}
_NOT_SHOWN = "this is no value that fits, and is not shown because it is, or has, a secret"


class NoValue(ValueError):
    """JSON that is no value of the type."""


class JsonValues:
    """Conversions for the types of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    # ---------------------------------------------------------------------------- to JSON

    def fields(self, fields: Iterable[Field], owner: Any) -> dict[str, Any]:
        """The fields of a struct, or several results, as JSON can say them."""
        get = owner.get if isinstance(owner, dict) else lambda name: getattr(owner, name)
        return {field.name: self.field(field, get(field.name)) for field in fields}

    def field(self, field: Field, value: Any) -> Any:
        """A value, or None where there may be none."""
        return None if value is None else self.dump(field.type, value)

    def dump(self, type: Type, value: Any) -> Any:
        """A value as JSON can say it."""
        match type:
            case DataType():
                return value.hex()
            case EnumType(flags=False):
                return value.name
            case EnumType():
                return value.value
            case ListType(element):
                return [self.dump(element, each) for each in value]
            case MapType(key, inner):
                return {_as_key(self.dump(key, k)): self.dump(inner, v) for k, v in value.items()}
            case ViewType(element=None):
                return bytes(value).hex()
            case ViewType():
                return value.tolist()
            case OptionalType(inner):
                return None if value is None else self.dump(inner, value)
            case CheckedType(wire=wire):
                return self.dump(wire, value)
            case LiteralType(wire=wire, cls=cls):
                return value.name if cls else self.dump(wire, value)
            case TupleType(items):
                return [self.dump(item, each) for item, each in zip(items, value, strict=True)]
            case UnionType(name):
                return self.dump(alternative_of(self.model, name, value).type, value)
            case StructType(name):
                return self.fields(self.model.struct(name).fields, value)
            case InterfaceType(_, stream) if stream is not None:
                return [self.dump(stream, each) for each in value]
            case InterfaceType(name):
                return f"<{self.model.interface(name).name}>"
            case HookedType(wire=wire, build=build):
                try:
                    return msgspec.to_builtins(value)
                except TypeError:
                    return self.dump(wire, python_object(build)(value))
        return msgspec.to_builtins(value)

    # -------------------------------------------------------------------------- from JSON

    def argument(self, field: Field, text: str) -> Any:
        """The value that somebody has typed for a parameter: JSON; where a text is expected, it
        may be typed without quotes. Raises NoValue."""
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            if text.startswith(("{", "[")) and not self._is_text(field.type):
                raise NoValue(f"this is no JSON: {error}") from None
            value = text
        if value is None and field.optional:
            return None
        if self._is_text(field.type) and not isinstance(value, str):
            value = text
        return self._field(field, value)

    def _field(self, field: Field, value: Any) -> Any:
        try:
            return self.load(field.type, value)
        except NoValue:
            if self.model.hides(field):
                raise NoValue(_NOT_SHOWN) from None
            raise

    def load(self, type: Type, value: Any) -> Any:
        """The value that JSON stands for. Raises NoValue."""
        try:
            return self._load(type, value)
        except NoValue:
            raise
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            if self.model.secretive(type):
                raise NoValue(_NOT_SHOWN) from None
            raise NoValue(f"{msgspec.json.encode(value).decode()}: {error}") from None

    def _load(self, type: Type, value: Any) -> Any:
        match type:
            case Primitive(name):
                return msgspec.convert(value, _KINDS.get(name, int))
            case TextType():
                return msgspec.convert(value, str)
            case DataType():
                return bytes.fromhex(msgspec.convert(value, str))
            case TimedeltaType():
                return msgspec.convert(value, timedelta, strict=False)
            case EnumType(key):
                cls = python_object(key)
                named = isinstance(value, str) and value in cls.__members__
                try:
                    return cls[value] if named else cls(int(value))
                except ValueError:
                    names = ", ".join(cls.__members__)
                    raise ValueError(f"{cls.__name__} has no such member, but {names}") from None
            case ListType(element, container):
                items = msgspec.convert(value, list[Any])
                return CONTAINERS[container](self.load(element, each) for each in items)
            case InterfaceType(_, stream) if stream is not None:
                return [self.load(stream, each) for each in msgspec.convert(value, list[Any])]
            case MapType(key, inner):
                pairs = msgspec.convert(value, dict[str, Any]).items()
                return {self._key(key, k): self.load(inner, v) for k, v in pairs}
            case VoidType():
                return msgspec.convert(value, None)
            case ViewType(element=None):
                return memoryview(bytes.fromhex(msgspec.convert(value, str)))
            case ViewType(element=Primitive(name)):
                numbers = msgspec.convert(value, list[_KINDS.get(name, int)])  # type: ignore[misc]
                return memoryview(array(CODES[name], numbers))
            case OptionalType(inner):
                return None if value is None else self._load(inner, value)
            case CheckedType(wire=wire):
                return self._load(wire, value)
            case LiteralType(wire=wire, cls=cls):
                return python_object(cls)[value] if cls else self._load(wire, value)
            case TupleType(items):
                given = msgspec.convert(value, list[Any])
                return tuple(self.load(item, v) for item, v in zip(items, given, strict=True))
            case UnionType(key):
                return self._first(self.model.struct(key).fields, value)
            case StructType(key):
                return self._struct(key, msgspec.convert(value, dict[str, Any]))
            case HookedType(key, _, _, wire, _, read, takes_type):
                cls = python_object(key)
                if _is_known(cls):
                    return msgspec.convert(value, cls, strict=cls is not timedelta)
                function, found = python_object(read), self.load(wire, value)
                return function(cls, found) if takes_type else function(found)
        raise NoValue("such a value cannot be given as JSON")

    def _first(self, alternatives: Iterable[Field], value: Any) -> Any:
        """The value of the first alternative that fits."""
        for field in alternatives:
            try:
                return self.load(field.type, value)
            except NoValue:
                pass
        raise NoValue(f"{msgspec.json.encode(value).decode()}: none of the alternatives")

    def _struct(self, key: TypeName, given: dict[str, Any]) -> Any:
        fields = {field.name: field for field in self.model.struct(key).fields}
        unknown = [name for name in given if name not in fields]
        if unknown:
            raise NoValue(f"{key.name} has no field {unknown[0]!r}, but {', '.join(fields)}")
        values = {}
        for name, value in given.items():
            field = fields[name]
            empty = value is None and field.optional
            try:
                values[field.keyword or name] = None if empty else self._field(field, value)
            except NoValue as error:
                raise NoValue(f"{name}: {error}") from None
        return python_object(self.model.struct(key).cls)(**values)

    def _key(self, type: Type, key: str) -> Any:
        return self.load(type, key if self._is_text(type) else msgspec.json.decode(key))

    def _is_text(self, type: Type) -> bool:
        """Whether JSON says it as a text."""
        if isinstance(type, HookedType | CheckedType | LiteralType):
            return self._is_text(type.wire)
        match type:
            case TextType() | DataType() | ViewType(element=None) | EnumType(flags=False):
                return True
        return False


def _is_known(cls: Any) -> bool:
    """Whether msgspec has a form of its own for values of a class."""
    try:
        return not isinstance(msgspec.inspect.type_info(cls), msgspec.inspect.CustomType)
    except TypeError:
        return False


def _as_key(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
