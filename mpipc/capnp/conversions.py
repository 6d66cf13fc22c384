"""What generated code calls where a value is more than a number, a text or some bytes."""

from __future__ import annotations

import enum
import math
import reprlib
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from struct import Struct
from typing import Any, TypeVar

from mpipc.capnp.message import Message
from mpipc.capnp.writer import Writer
from mpipc.errors import ConversionError

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")

# Indexing checks that a value is a bool, and makes it a bit.
BIT = {False: 0, True: 1}


def enum_member(cls: type[E], value: int) -> E:
    """The member with this value. Raises ConversionError for an unknown one."""
    try:
        return cls(value)
    except ValueError:
        raise ConversionError(f"received {value}, which is no {cls.__name__}") from None


_FOREVER = sys.float_info.max
_LONGEST = timedelta.max / timedelta(milliseconds=1)
_SHORTEST = timedelta.min / timedelta(milliseconds=1)


def milliseconds(duration: timedelta) -> float:
    """A duration on the wire; `timedelta.max` is "forever", the largest Float64."""
    return _FOREVER if duration == timedelta.max else duration / timedelta(milliseconds=1)


def duration(milliseconds: float) -> timedelta:
    """A duration from the wire; more than `timedelta` can say is `timedelta.max`.

    Raises ConversionError for NaN and for less than `timedelta` can say.
    """
    if milliseconds >= _LONGEST:
        return timedelta.max
    if math.isnan(milliseconds) or milliseconds < _SHORTEST:
        raise ConversionError(f"received {milliseconds} milliseconds, which is no duration")
    return timedelta(milliseconds=milliseconds)


_FLOATS = {"f": (Struct("<f"), Struct("<I")), "d": (Struct("<d"), Struct("<Q"))}


def float_xor(code: str, value: float, default: float) -> int:
    """The wire bits of a float whose schema has a default: their XOR."""
    number, bits = _FLOATS[code]
    (a,), (b,) = bits.unpack(number.pack(value)), bits.unpack(number.pack(default))
    return int(a ^ b)


def float_unxor(code: str, wire: int, default: float) -> float:
    """The reverse of `float_xor`."""
    number, bits = _FLOATS[code]
    (b,) = bits.unpack(number.pack(default))
    (value,) = number.unpack(bits.pack(wire ^ b))
    return float(value)


# --------------------------------------------------------------------------------------- lists

WriteStruct = Callable[[Writer, int, Any], bytes]
WritePointer = Callable[[Writer, int, Any], int]
ReadStruct = Callable[[Message, int, int, int], T]
ReadPointer = Callable[[Message, int, int, int], T]


def write_structs(
    w: Writer, at: int, values: Collection[Any], write: WriteStruct, data_words: int, pointers: int
) -> int:
    """Append a list of structs; `write` gives the fixed part of one at a word."""
    base, part, pointer = w.structs(at, len(values), data_words, pointers)
    each = data_words + pointers
    places = range(base, base + len(values) * each, each) if each else [base] * len(values)
    w.parts[part] = b"".join(
        [write(w, place, value) for place, value in zip(places, values, strict=True)]
    )
    return pointer


def read_structs(m: Message, at: int, lo: int, hi: int, read: ReadStruct[T]) -> list[T]:
    """Read a list of structs; `read` reads one from its byte position and sizes."""
    content, count, data_words, pointers = m.structs(at, lo, hi)
    step = (data_words + pointers) << 3
    return [read(m, content + index * step, data_words, pointers) for index in range(count)]


def write_pointers(w: Writer, at: int, values: Collection[Any], write: WritePointer) -> int:
    """Append a list of pointers; `write` appends one object and gives its pointer word."""
    if isinstance(values, str | bytes):
        raise TypeError(f"expected a list, got {reprlib.repr(values)}")
    base, part, pointer = w.pointers(at, len(values))
    words = [write(w, base + index, value) for index, value in enumerate(values)]
    w.parts[part] = Struct(f"<{len(words)}Q").pack(*words)
    return pointer


def read_pointers(m: Message, at: int, lo: int, hi: int, read: ReadPointer[T]) -> list[T]:
    """Read a list of pointers; `read` follows one."""
    return [read(m, *pointer) for pointer in m.pointers(at, lo, hi)]


def write_text(w: Writer, at: int, value: str) -> int:
    return w.text(at, value)


def read_text(m: Message, at: int, lo: int, hi: int) -> str:
    return m.text(at, lo, hi) if hi else ""


def write_data(w: Writer, at: int, value: bytes) -> int:
    return w.data(at, value)


def read_data(m: Message, at: int, lo: int, hi: int) -> bytes:
    return m.data(at, lo, hi) if hi else b""


def default_of(function: Any, parameter: int) -> Any:
    """The default value that a method's declaration gives its last-but-`parameter` parameter."""
    values: Sequence[Any] = function.__defaults__
    return values[parameter]
