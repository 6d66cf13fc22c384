"""Whether values are equal: NaN and the sign of zero included, an Enum not equal to its number, and
objects by whatever can be known of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from mpipc.capnp.proxy import Client
from mpipc.generate.alternatives import alternative_of
from mpipc.model import (
    CheckedType,
    Field,
    HookedType,
    Interface,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Model,
    OptionalType,
    Primitive,
    StructType,
    TupleType,
    Type,
    UnionType,
    ViewType,
    python_object,
)
from mpipc.testing.building import value_of

Known = Callable[[Interface, Any], Any]
"""What is known of an object or a callable of an interface; never asked about None."""


def itself(interface: Interface, value: Any) -> Any:
    """For objects that arrive as the objects that they are."""
    return id(value)


def of_its_interface(interface: Interface, value: Any) -> Any:
    """For objects that arrive as proxies."""
    return value._mpipc_name if isinstance(value, Client) else interface.name


def is_there(interface: Interface, value: Any) -> Any:
    """For objects of which a message only says that they are there."""
    return True


def nothing(interface: Interface, value: Any) -> Any:
    """For objects that are null in a message that somebody else wrote."""
    return None


_PASSED_ON = (itself, of_its_interface)
"""With these, there is a connection through which iterators can be read."""


class Somebody:
    """What is read for an object: pycapnp reads no capabilities outside of its RPC. `alternative`:
    which of a union it is."""

    def __init__(self, alternative: Field | None = None) -> None:
        self.alternative = alternative


class Comparing:
    """Compares values of one model's types. `null_is_empty`: None in a list may be something empty,
    for those who cannot tell."""

    def __init__(self, model: Model, known: Known = itself, *, null_is_empty: bool = False) -> None:
        self._model = model
        self._known = known
        self._null_is_empty = null_is_empty

    def same(self, fields: Iterable[Field], one: Iterable[Any], other: Iterable[Any]) -> bool:
        """Whether the values of some fields are equal."""
        fields = list(fields)
        return self._fields(fields, one) == self._fields(fields, other)

    def _fields(self, fields: Iterable[Field], values: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(self._field(f, v) for f, v in zip(fields, values, strict=True))

    def _field(self, field: Field, value: Any) -> Any:
        return None if value is None and field.optional else self.plain(field.type, value)

    def plain(self, type: Type, value: Any) -> Any:
        """What to compare instead of a value."""
        match type:
            case Primitive("Float32"):
                return struct.pack("<f", value) if value == value else "nan"
            case Primitive("Float64"):
                return struct.pack("<d", value) if value == value else "nan"
            case ViewType(Primitive() as element):
                view = memoryview(value)
                return tuple(self.plain(element, each) for each in view.tolist())
            case ViewType():
                return memoryview(value).tobytes()
            case ListType(element, container):
                items = tuple(self.plain(element, each) for each in value)
                unordered = container in ("set", "frozenset")
                return value.__class__, frozenset(items) if unordered else items
            case MapType(key, each):
                return frozenset(
                    (self.plain(key, k), self.plain(each, v)) for k, v in value.items()
                )
            case OptionalType(some):
                found = None if value is None else self.plain(some, value)
                alike = isinstance(some, InterfaceType) or _is_empty(found)
                return None if self._null_is_empty and alike else found
            case StructType(key) | TupleType(key=key):
                fields = self._model.struct(key).fields
                return self._fields(fields, (value_of(field, value) for field in fields))
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                return self.plain(wire, value)
            case HookedType(wire=wire, build=build):
                return value.__class__, self.plain(wire, python_object(build)(value))
            case UnionType(key):
                known = value.alternative if isinstance(value, Somebody) else None
                found = known or alternative_of(self._model, key, value)
                return found.name, self._field(found, value)
            case InterfaceType(_, stream) if stream is not None and self._known in _PASSED_ON:
                return tuple(self.plain(stream, each) for each in value)
            case InterfaceType(key) if value is not None:
                return self._known(self._model.interface(key), value)
        return value


def _is_empty(found: Any) -> bool:
    """Whether what is compared is that of an empty text, some empty bytes, list or dict."""
    return found in ("", b"", frozenset()) or (
        (isinstance(found, tuple) and len(found) == 2 and _is_empty(found[1])) or found == ()
    )
