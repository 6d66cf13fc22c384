"""What to say about values that do not fit: which one of a call's is to blame, and why.

Generated code packs all values of a call in one operation, which raises whatever it raises; who is
to blame is found out here, afterwards.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from struct import Struct
from struct import error as StructError
from typing import Any

from mpipc.errors import ConversionError

# What packing a value of the wrong type or size raises. ConversionError is a ValueError.
MISFITS = (StructError, TypeError, AttributeError, ValueError, KeyError, OverflowError)

_FLOAT32 = Struct("<f")
_UNKNOWN = object()


def unexpected(expected: str, value: object) -> ConversionError:
    """The error for a value that is no object of an interface, or no struct, of this name."""
    return _blaming(value, f"expected a {expected}, got {_shown(value)}")


def misfit(
    error: Exception, where: str, values: Iterable[tuple[str, str, object]]
) -> ConversionError:
    """The error for values that could not be packed, naming the one to blame.

    `values` are (name, schema type, value); "?" after the type allows None.
    """
    values = list(values)
    if isinstance(error, ConversionError):
        culprit = getattr(error, "culprit", _UNKNOWN)
        suspects = [each for each in values if _contains(each[2], culprit)]
        # One object may be several arguments, and fit only one of them.
        suspects.sort(key=lambda each: not _wrong_object(*each[1:]))
        for name, _, value in suspects:
            return _blaming(value, f"{where}: {name}: {error}")
    else:
        for judge in (_wrong_plain, _wrong_object):
            for name, type, value in values:
                wrong = judge(type, value)
                if wrong:
                    return _blaming(value, f"{where}: {name}: {wrong}")
    return ConversionError(f"{where}: {error}")


def struct_misfit(
    error: Exception, where: str, fields: Iterable[tuple[str, str]], value: object
) -> ConversionError:
    """As `misfit`, for the fields of a struct, or of a method's several results."""
    for name, _ in fields:
        if not hasattr(value, name):
            if "." not in where:
                return unexpected(where, value)
            return ConversionError(f"{where}: expected results with {name!r}, got {_shown(value)}")
    found = misfit(error, where, [(name, type, getattr(value, name)) for name, type in fields])
    return _blaming(value, str(found))


def _blaming(culprit: object, text: str) -> ConversionError:
    error = ConversionError(text)
    # For the caller that wants to know which of its values this one is part of.
    setattr(error, "culprit", culprit)  # noqa: B010
    return error


def _contains(value: object, culprit: object) -> bool:
    if value is culprit:
        return True
    if isinstance(value, Mapping):
        return any(_contains(each, culprit) for pair in value.items() for each in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return any(_contains(each, culprit) for each in value)
    return False


# --------------------------------------------------------------------- judging by the schema type
#
# Both functions say what is wrong with a value, None if nothing is as far as they can tell.


def _wrong_plain(type: str, value: object) -> str | None:
    """For the types whose values can be judged with certainty."""
    if value is None and type.endswith("?"):
        return None
    type = type.removesuffix("?")
    if type.startswith("List("):
        if isinstance(value, str) or not isinstance(value, Collection):
            return _expected(type, value)
        return next(filter(None, (_wrong_plain(type[5:-1], each) for each in value)), None)
    judge = _JUDGES.get(type)
    return judge(type, value) if judge else None


def _wrong_object(type: str, value: object) -> str | None:
    """For enums, structs and interfaces: whether the value's class is called like the type."""
    if value is None and type.endswith("?"):
        return None
    type = type.removesuffix("?")
    if type.startswith("List("):
        return next(filter(None, (_wrong_object(type[5:-1], each) for each in value)), None)  # type: ignore[attr-defined]
    names = [cls.__qualname__ for cls in value.__class__.__mro__]
    return None if type in _JUDGES or type in names else _expected(type, value)


def _integer(type: str, value: object) -> str | None:
    low, high = _RANGES[type]
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return _expected(f"an int for {type}", value)
    return None if low <= number <= high else f"{value} is out of range for {type}"


def _float(type: str, value: object) -> str | None:
    try:
        number = float(value)  # type: ignore[arg-type]
        if isinstance(value, str | bytes):
            return _expected("float", value)
        _FLOAT32.pack(number if type == "Float32" else 0)
    except OverflowError:
        return f"{value} is out of range for {type}"
    except (TypeError, ValueError):
        return _expected("float", value)
    return None


def _bool(type: str, value: object) -> str | None:
    return None if value in (True, False) else _expected("bool", value)


def _text(type: str, value: object) -> str | None:
    if not isinstance(value, str):
        return _expected("str", value)
    try:
        value.encode()
    except UnicodeEncodeError as e:
        return f"{_shown(value)} is no valid Unicode: {e.reason}"
    return None


def _instance(*classes: Any) -> Callable[[str, object], str | None]:
    def judge(type: str, value: object) -> str | None:
        return None if isinstance(value, classes) else _expected(classes[0].__name__, value)

    return judge


_RANGES = {
    **{f"Int{n}": (-(1 << n - 1), (1 << n - 1) - 1) for n in (8, 16, 32, 64)},
    **{f"UInt{n}": (0, (1 << n) - 1) for n in (8, 16, 32, 64)},
}
_JUDGES: dict[str, Callable[[str, object], str | None]] = {
    **dict.fromkeys(_RANGES, _integer),
    "Float32": _float,
    "Float64": _float,
    "Bool": _bool,
    "Text": _text,
    "Data": _instance(bytes, bytearray, memoryview),
    "timedelta": _instance(timedelta),
    "dict": _instance(Mapping),
}


def _expected(expected: str, value: object) -> str:
    return f"expected {expected}, got {_shown(value)}"


def _shown(value: object) -> str:
    return "None" if value is None else f"{type(value).__name__} {reprlib.repr(value)}"
