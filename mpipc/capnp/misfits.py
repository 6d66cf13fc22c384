"""What to say about values that do not fit: which one of a call's is to blame, and why.

Generated code packs all values of a call in one operation, which raises whatever it raises; who is
to blame is found out here, afterwards, with a description of each value's type (descriptions.py).
"""

from __future__ import annotations

import operator
from abc import ABC
from collections.abc import AsyncIterable, Collection, Iterable, Iterator, Mapping, Sequence
from struct import Struct
from struct import error as StructError

from typing_extensions import is_typeddict

from mpipc.capnp.descriptions import (
    Checked,
    Description,
    Entries,
    Hooked,
    Instance,
    Items,
    Secret,
    fields_of,
    generics,
    hidden,
    secretive,
    unions,
)
from mpipc.capnp.showing import shown
from mpipc.errors import ConversionError

# What packing a value of the wrong type or size raises. ConversionError is a ValueError.
MISFITS = (StructError, TypeError, AttributeError, ValueError, KeyError, OverflowError)

_FLOAT32 = Struct("<f")
_RANGES = {
    **{f"Int{n}": (-(1 << n - 1), (1 << n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"UInt{n}": (0, (1 << n) - 1) for n in (8, 16, 32, 64)},
}


def misfit(
    error: Exception, where: str, /, **values: tuple[Description, object]
) -> ConversionError:
    """The error for values that could not be packed, naming the one to blame. Each is given with
    the description of its type."""
    for name, (type, value) in values.items():
        for found in _wrong(type, value, name):
            return ConversionError(f"{where}: {found}")
    return _unknown(error, where, any(hidden(type) for type, _ in values.values()))


def results_misfit(error: Exception, where: str, cls: type, results: object) -> ConversionError:
    """As `misfit`, for an object of a Results class."""
    for found in _wrong(cls, results, ""):
        return ConversionError(f"{where}: {found.removeprefix('.').removeprefix(': ')}")
    return _unknown(error, where, secretive(cls) is not None)


def _unknown(error: Exception, where: str, secret: bool) -> ConversionError:
    """The error where no value is to blame. The text of the original one may show a value."""
    return ConversionError(f"{where}: {type(error).__name__ if secret else error}")


def unexpected(expected: str, value: object) -> ConversionError:
    """The error for a value that is no object of an interface of this name."""
    return ConversionError(f"expected {expected}, got {_shown(value)}")


def _wrong(type: Description, value: object, path: str) -> Iterator[str]:
    """What is wrong with a value, as far as that can be told, and where in it."""
    if isinstance(type, Secret):
        yield from _wrong_secret(type, value, path)
    elif isinstance(type, Hooked):
        yield from _wrong_hooked(type, value, path)
    elif isinstance(type, Items):
        yield from _wrong_items(type, value, path)
    elif isinstance(type, Checked):
        yield from _wrong_checked(type, value, path)
    elif isinstance(type, Entries):
        yield from _wrong_dict(type, value, path)
    elif isinstance(type, tuple):
        if value is not None:
            yield from _wrong(type[0], value, path)
    elif isinstance(type, list):
        yield from _wrong_list(type[0], value, path)
    elif isinstance(type, str) and type in unions:
        yield from _wrong_union(unions[type], value, path)
    elif isinstance(type, str) and type in generics:
        yield from _wrong(generics[type], value, path)
    elif isinstance(type, str):
        for found in _WRONG.get(type.partition(" ")[0], _wrong_integer)(type, value):
            yield f"{path}: {found}"
    elif isinstance(type, Instance):
        yield from _wrong_struct(type.cls, type.fields, value, path)
    elif type in fields_of:
        yield from _wrong_struct(type, fields_of[type], value, path)
    elif issubclass(type, ABC):
        # A null object is a null capability (WIRE.md, "Objects").
        if not (value is None or isinstance(value, type) or _is_called(type, value)):
            yield f"{path}: {_expected(type.__name__, value)}"
    elif not isinstance(value, type):
        yield f"{path}: {_expected(type.__name__, value)}"


def _wrong_secret(secret: Secret, value: object, path: str) -> Iterator[str]:
    """As for the type of the secret, but nothing is said of the value but its class."""
    if any(True for _ in _wrong(secret.type, value, path)):
        kind = type(value).__name__
        yield f"{path}: the value, a secret of type {kind}, does not fit and is not shown"


def _wrong_hooked(hooked: Hooked, value: object, path: str) -> Iterator[str]:
    try:
        built = hooked.build(value)
    except Exception as error:
        if isinstance(value, hooked.cls):
            yield f"{path}: {_shown(value)}: {error}"
        else:
            yield f"{path}: {_expected(hooked.cls.__name__, value)}"
    else:
        yield from _wrong(hooked.wire, built, path)


def _wrong_checked(checked: Checked, value: object, path: str) -> Iterator[str]:
    found = list(_wrong(checked.type, value, path))
    yield from found
    if not found:
        try:
            checked.check(value)
        except ValueError as error:
            yield f"{path}: {_shown(value)}: {error}"


def _wrong_union(types: Sequence[Description], value: object, path: str) -> Iterator[str]:
    """What is wrong inside of the alternative that a value is, or that it is none of them."""
    found = [[*_wrong(type, value, path)] for type in types]
    if not all(found):
        return
    inside = [each for each in found if not each[0].startswith(f"{path}: expected ")]
    if inside:
        yield from inside[0]
        return
    names = [each[0].removeprefix(f"{path}: expected ").partition(", got ")[0] for each in found]
    yield f"{path}: {_expected(' or '.join(names), value)}"


def _wrong_list(element: Description, value: object, path: str) -> Iterator[str]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        yield f"{path}: {_expected('a list', value)}"
        return
    for index, each in enumerate(value):
        yield from _wrong(element, each, f"{path}[{index}]")


def _wrong_items(items: Items, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, tuple) or len(value) != len(items):
        yield f"{path}: {_expected(f'a tuple of {len(items)}', value)}"
        return
    for index, (type, each) in enumerate(zip(items, value, strict=True)):
        yield from _wrong(type, each, f"{path}[{index}]")


def _wrong_dict(entries: Entries, value: object, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {_expected('a dict', value)}"
        return
    for key, each in value.items():
        yield from _wrong(entries.key, key, f"{path}: a key")
        yield from _wrong(entries.value, each, f"{path}[{shown(key)}]")


def _wrong_struct(
    cls: type, fields: Mapping[str, Description], value: object, path: str
) -> Iterator[str]:
    if is_typeddict(cls):
        yield from _wrong_typed_dict(cls, fields, value, path)
        return
    if not all(hasattr(value, name) for name in fields):
        if secretive(cls):  # then this may be one of its secrets
            kind = value.__class__.__name__
            yield f"{path}: expected {cls.__name__}, got a value of type {kind}"
        else:
            yield f"{path}: {_expected(cls.__name__, value)}"
        return
    for name, type in fields.items():
        yield from _wrong(type, getattr(value, name), f"{path}.{name}")


def _wrong_typed_dict(
    cls: type, fields: Mapping[str, Description], value: object, path: str
) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: {_expected(cls.__name__, value)}"
        return
    for name, type in fields.items():
        may_be_missing = isinstance(type, tuple) and type[1] is ...
        if name in value:
            yield from _wrong(type[0] if may_be_missing else type, value[name], f"{path}.{name}")
        elif not may_be_missing:
            yield f"{path}: expected {cls.__name__}, which has a key {name!r}"


def _is_called(interface: type, value: object) -> bool:
    """An interface that is only called is implemented by anything callable."""
    return "__call__" in vars(interface) and callable(value)


# ------------------------------------------------------------------------------ Cap'n Proto types


def _wrong_integer(type: str, value: object) -> Iterator[str]:
    low, high = _RANGES[type]
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        yield _expected(f"an int for {type}", value)
    else:
        if not low <= number <= high:
            yield f"{value} is out of range for {type}"


def _wrong_float(type: str, value: object) -> Iterator[str]:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
        _FLOAT32.pack(number if type == "Float32" else 0)
    except OverflowError:
        yield f"{value} is out of range for {type}"
    except (TypeError, ValueError):
        yield _expected("float", value)


def _wrong_bool(type: str, value: object) -> Iterator[str]:
    if value not in (True, False):
        yield _expected("bool", value)


def _wrong_text(type: str, value: object) -> Iterator[str]:
    if not isinstance(value, str):
        yield _expected("str", value)
        return
    try:
        value.encode()
    except UnicodeEncodeError as e:
        yield f"{_shown(value)} is no valid Unicode: {e.reason}"


def _wrong_data(type: str, value: object) -> Iterator[str]:
    if not isinstance(value, bytes | bytearray | memoryview):
        yield _expected("bytes", value)


def _wrong_callable(type: str, value: object) -> Iterator[str]:
    if value is not None and not callable(value):
        yield _expected("something callable", value)


def _wrong_iterator(type: str, value: object) -> Iterator[str]:
    if value is not None and not isinstance(value, Iterable | AsyncIterable):
        yield _expected("something to iterate over", value)


def _wrong_view(type: str, value: object) -> Iterator[str]:
    element = type.removeprefix("View of ")
    wanted = "bytes" if element == type else element
    try:
        view = memoryview(value)  # type: ignore[arg-type]
    except TypeError:
        yield _expected(f"a buffer of {wanted}", value)
    else:
        if element != type:
            yield f"expected a buffer of {wanted}, got one of format {view.format!r}"


def _wrong_void(type: str, value: object) -> Iterator[str]:
    if value is not None:
        yield _expected("None", value)


_WRONG = {
    "Void": _wrong_void,
    "View": _wrong_view,
    "Float32": _wrong_float,
    "Float64": _wrong_float,
    "Bool": _wrong_bool,
    "Text": _wrong_text,
    "Data": _wrong_data,
    "Callable": _wrong_callable,
    "Iterable": _wrong_iterator,
}


def _expected(expected: str, value: object) -> str:
    return f"expected {expected}, got {_shown(value)}"


def _shown(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {shown(value)}"
