"""JSON values of the model's types.

bytes                   hexadecimal digits
timedelta               seconds
an Enum                 the name of a member; flags: a number
dict                    an object, its keys as they are in JSON
a struct                an object with the schema's names; fields with a default may be left out
datetime, UUID, …       texts, as msgspec writes them
other types with hooks  what they travel as
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec

from mpipc.derive.defaults import field_default
from mpipc.derive.names import integer_range
from mpipc.jsonrpc.errors import Invalid
from mpipc.model import (
    CONTAINERS,
    CheckedType,
    Constraints,
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
    ParameterType,
    Primitive,
    Struct,
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

NATIVE = (datetime, date, time, UUID, Decimal)
"""What msgspec writes as texts."""


def without_json(type: Type, model: Model, seen: frozenset[TypeName] = frozenset()) -> str | None:
    """What in values of a type has no form in JSON, in words; None where all of it has."""
    match type:
        case HookedType(wire=inner) | LiteralType(wire=inner) | CheckedType(wire=inner):
            return without_json(inner, model, seen)
        case OptionalType(inner) | ListType(inner):
            return without_json(inner, model, seen)
        case TupleType(items):
            return _first(without_json(each, model, seen) for each in items)
        case MapType(key, value):
            if not _is_text(key):
                return "a dict whose keys are no texts"
            return without_json(value, model, seen)
        case StructType(key):
            fields = () if key in seen else model.struct(key).fields
            return _first(without_json(field.type, model, seen | {key}) for field in fields)
        case InterfaceType(stream=stream):
            return "an object or a callable" if stream is None else "an iterator"
        case UnionType():
            return "a union"
        case ViewType():
            return "a buffer"
        case ParameterType():
            return "a value of any type"
    return None


def _first(found: Iterable[str | None]) -> str | None:
    return next((each for each in found if each is not None), None)


def _is_text(key: Type) -> bool:
    """Whether values of a type are strings in JSON, as keys have to be."""
    match key:
        case HookedType(cls, wire=wire):
            return python_object(cls) in NATIVE or _is_text(wire)
        case CheckedType(wire=wire):
            return _is_text(wire)
        case EnumType(flags=flags):
            return not flags
    return isinstance(key, TextType | DataType)


class Values:
    """Reads and writes JSON values of one model's types."""

    def __init__(self, model: Model) -> None:
        self._model = model

    # -------------------------------------------------------------------------------- reading

    def read_field(self, field: Field, value: object, path: str) -> Any:
        """A parameter or a struct field. Raises Invalid."""
        if value is None and field.optional:
            return None
        try:
            return self.read(field.type, value, path)
        except Invalid:
            if self._model.hides(field):
                raise Invalid(path, "no value that fits; it is secret, and not shown") from None
            raise

    def read(self, type: Type, value: Any, path: str) -> Any:
        """A value as Python has it. Raises Invalid."""
        match type:
            case VoidType():
                return _expect(value is None, None, path, "null")
            case Primitive("Bool"):
                return _expect(isinstance(value, bool), value, path, "true or false")
            case Primitive("Float32" | "Float64"):
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                return _number(_expect(is_number, value, path, "a number"), path)
            case Primitive(name):
                low, high = integer_range(name)
                is_int = isinstance(value, int) and not isinstance(value, bool)
                fits = is_int and low <= value <= high
                return _expect(fits, value, path, f"an integer from {low} to {high}")
            case TextType():
                return _expect(isinstance(value, str), value, path, "a string")
            case DataType():
                return _hex(value, path)
            case TimedeltaType():
                return _duration(value, path)
            case EnumType(key, flags=flags):
                return _member(python_object(key), flags, value, path)
            case ListType(element, container):
                items = _expect(isinstance(value, list), value, path, "an array")
                found = [self.read(element, each, f"{path}[{at}]") for at, each in enumerate(items)]
                return CONTAINERS[container](found)
            case TupleType(items):
                fits = isinstance(value, list) and len(value) == len(items)
                given = _expect(fits, value, path, f"an array of {len(items)}")
                pairs = enumerate(zip(items, given, strict=True))
                return tuple(self.read(item, each, f"{path}[{at}]") for at, (item, each) in pairs)
            case OptionalType(some):
                return None if value is None else self.read(some, value, path)
            case MapType(key_type, value_type):
                pairs = _expect(isinstance(value, dict), value, path, "an object")
                return {
                    self.read(key_type, key, f"{path}: a key"): self.read(
                        value_type, each, f"{path}.{key}"
                    )
                    for key, each in pairs.items()
                }
            case StructType(key):
                return self._read_struct(self._model.struct(key), value, path)
            case HookedType():
                return self._read_hooked(type, value, path)
            case LiteralType(wire, values):
                found = self._literal(type, self.read(wire, value, path))
                return _expect(found is not None, found, path, f"one of {list(values)}")
            case CheckedType(wire, constraints):
                found = self.read(wire, value, path)
                _check(constraints, found, path)
                return found
        raise AssertionError(type)

    def _read_struct(self, struct: Struct, value: Any, path: str) -> Any:
        given = _expect(isinstance(value, dict), value, path, "an object")
        unknown = given.keys() - {field.slot.name for field in struct.fields}
        if unknown:
            raise Invalid(path, f"it has no {min(unknown)!r}")
        arguments = {}
        for field in struct.fields:
            at = f"{path}.{field.slot.name}"
            if field.slot.name in given:
                found = self.read_field(field, given[field.slot.name], at)
                arguments[field.keyword or field.name] = found
            elif field_default(struct, field) is inspect.Parameter.empty and not field.missing:
                if not field.optional:
                    raise Invalid(at, "missing")
                arguments[field.keyword or field.name] = None
        try:
            return python_object(struct.cls)(**arguments)
        except (TypeError, ValueError) as error:
            if any(field.secret for field in struct.fields):
                raise Invalid(path, f"no {struct.cls.name}") from None
            raise Invalid(path, str(error)) from None

    def _read_hooked(self, type: HookedType, value: Any, path: str) -> Any:
        cls = python_object(type.key)
        try:
            if cls in NATIVE:
                return msgspec.convert(value, cls)
            if cls is timedelta:
                return _duration(value, path)
            read, found = python_object(type.read), self.read(type.wire, value, path)
            return read(cls, found) if type.takes_type else read(found)
        except Invalid:
            raise
        except Exception as error:
            raise Invalid(path, str(error)) from None

    def _literal(self, type: LiteralType, found: Any) -> Any:
        if found not in type.values:
            return None
        return found if type.cls is None else python_object(type.cls)[found]

    # -------------------------------------------------------------------------------- writing

    def write_field(self, field: Field, value: Any) -> Any:
        """A result or a struct field."""
        return None if value is None else self.write(field.type, value)

    def write(self, type: Type, value: Any) -> Any:
        """What JSON has for a value."""
        match type:
            case DataType():
                return bytes(value).hex()
            case TimedeltaType():
                return value.total_seconds()
            case EnumType(flags=flags):
                return value.value if flags else value.name
            case ListType(element):
                return [self.write(element, each) for each in value]
            case TupleType(items):
                pairs = zip(items, value, strict=True)
                return [self.write(item, each) for item, each in pairs]
            case OptionalType(some):
                return None if value is None else self.write(some, value)
            case MapType(key_type, value_type):
                return {
                    self.write(key_type, key): self.write(value_type, each)
                    for key, each in value.items()
                }
            case StructType(key):
                return self._write_struct(self._model.struct(key), value)
            case HookedType(key, wire=wire, build=build):
                cls = python_object(key)
                if cls is timedelta:
                    return value.total_seconds()
                if cls in NATIVE:
                    return msgspec.to_builtins(value)
                return self.write(wire, python_object(build)(value))
            case LiteralType(cls=cls):
                return value if cls is None else value.name
            case CheckedType(wire):
                return self.write(wire, value)
            case Primitive("Float32" | "Float64"):
                return value if math.isfinite(value) else None
        return value

    def _write_struct(self, struct: Struct, value: Any) -> Mapping[str, Any]:
        if isinstance(value, dict):
            fields = [field for field in struct.fields if field.name in value]
            return {each.slot.name: self.write_field(each, value[each.name]) for each in fields}
        return {
            field.slot.name: self.write_field(field, getattr(value, field.name))
            for field in struct.fields
        }


def _expect(fits: bool, value: Any, path: str, expected: str) -> Any:
    if not fits:
        raise Invalid(path, f"expected {expected}")
    return value


def _number(value: float, path: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise Invalid(path, "out of range") from None


def _hex(value: object, path: str) -> bytes:
    try:
        # `fromhex` allows spaces.
        if (isinstance(value, str) and value.isalnum()) or value == "":
            return bytes.fromhex(str(value))
    except ValueError:
        pass
    raise Invalid(path, "expected hexadecimal digits, two for each byte")


def _duration(value: Any, path: str) -> timedelta:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = _number(_expect(is_number, value, path, "a number of seconds"), path)
    if seconds >= timedelta.max.total_seconds():
        return timedelta.max
    try:
        return timedelta(seconds=seconds)
    except (OverflowError, ValueError):
        raise Invalid(path, "out of range") from None


def _member(cls: Any, flags: bool, value: Any, path: str) -> Any:
    try:
        if flags and isinstance(value, int) and not isinstance(value, bool):
            return cls(value)
        if not flags and isinstance(value, str):
            return cls[value]
    except (ValueError, KeyError):
        pass
    names = ", ".join(cls.__members__)
    raise Invalid(path, f"expected {'a sum' if flags else 'one'} of {names}")


def _check(constraints: Constraints, value: Any, path: str) -> None:
    meta = msgspec.Meta(**{name: getattr(constraints, name) for name, _ in constraints.given()})
    try:
        msgspec.convert(value, Annotated[type(value), meta])
    except msgspec.ValidationError as error:
        raise Invalid(path, str(error)) from None
