"""Finding the value that could not be packed, and naming it.

Packing just tries, and fails somewhere deep down. Only then what was to be packed is compared with
a description of its type, which is one of

    "Int32", "Text", "Data", "Callable"     a Cap'n Proto type, or anything callable
    Color, timedelta, Block, Chain          a class
    [T], {K: V}                             a list of T, a dict
    (T, None)                               a T or None
"""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from mpipc.errors import ConversionError

Description: TypeAlias = Any

_RANGES = {
    **{f"Int{n}": (-(1 << n - 1), (1 << n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"UInt{n}": (0, (1 << n) - 1) for n in (8, 16, 32, 64)},
}
_CLASSES: Mapping[str, tuple[str, Any]] = {
    "Bool": ("a bool", bool),
    "Text": ("a str", str),
    "Data": ("bytes", (bytes, bytearray, memoryview)),
}
_fields: dict[type, Mapping[str, Description]] = {}


def describe(cls: type, /, **fields: Description) -> None:
    """Say what the fields of a struct or Results class are."""
    _fields[cls] = fields


def misfit(
    error: Exception, where: str, /, **values: tuple[Description, object]
) -> ConversionError:
    """The error for values that could not be packed, naming the one to blame. Each is given with
    the description of its type."""
    for name, (type, value) in values.items():
        for found in _wrong(type, value, name):
            return ConversionError(f"{where}: {found}")
    return ConversionError(f"{where}: {error}")


def _wrong(type: Description, value: object, path: str) -> Iterator[str]:
    """What is wrong with a value, as far as that can be told from its type, and where in it."""
    if isinstance(type, tuple):
        if value is not None:
            yield from _wrong(type[0], value, path)
    elif isinstance(type, list):
        if not isinstance(value, Collection) or isinstance(value, str | bytes | Mapping):
            yield _expected("a list", value, path)
        else:
            for index, each in enumerate(value):
                yield from _wrong(type[0], each, f"{path}[{index}]")
    elif isinstance(type, dict):
        if not isinstance(value, Mapping):
            yield _expected("a dict", value, path)
        else:
            ((of_key, of_value),) = type.items()
            for key, each in value.items():
                yield from _wrong(of_key, key, f"a key of {path}")
                yield from _wrong(of_value, each, f"{path}[{key!r}]")
    elif isinstance(type, str):
        yield from _wrong_primitive(type, value, path)
    elif type in _fields:
        missing = [name for name in _fields[type] if not hasattr(value, name)]
        if missing:
            yield _expected(f"a {type.__name__}", value, path)
        for name, of_field in _fields[type].items():
            if not missing:
                yield from _wrong(of_field, getattr(value, name), f"{path}.{name}")
    elif value is not None and not isinstance(value, type) and not _is_called(type, value):
        yield _expected(f"a {type.__name__}", value, path)


def _wrong_primitive(type: str, value: object, path: str) -> Iterator[str]:
    if type in _RANGES:
        low, high = _RANGES[type]
        if not isinstance(value, int):
            yield _expected(f"an int for {type}", value, path)
        elif not low <= value <= high:
            yield f"{path}: {value} is out of range for {type}"
    elif type in _CLASSES:
        what, classes = _CLASSES[type]
        if not isinstance(value, classes):
            yield _expected(what, value, path)
    elif type == "Callable":
        if value is not None and not callable(value):
            yield _expected("something callable", value, path)
    elif not isinstance(value, int | float):
        yield _expected("a float", value, path)
    elif type == "Float32" and abs(value) < float("inf"):
        yield f"{path}: {value} is out of range for Float32"


def _is_called(interface: type, value: object) -> bool:
    """An interface that is only called is implemented by anything callable."""
    return "__call__" in vars(interface) and callable(value)


def _expected(what: str, value: object, path: str) -> str:
    return f"{path}: expected {what}, got {_shown(value)}"


def unexpected(interface: str, value: object) -> ConversionError:
    """The error for a value that is no object of an interface."""
    return ConversionError(f"expected a {interface}, got {_shown(value)}")


def _shown(value: object) -> str:
    return f"{type(value).__name__} {reprlib.repr(value)}"
