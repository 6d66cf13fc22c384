"""What generated code calls where a value is more than a number, a text or some bytes."""

from __future__ import annotations

import enum
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sized
from datetime import timedelta
from struct import Struct
from typing import Any, TypeVar

from mpipc.capnp.message import Message
from mpipc.capnp.proxy import Local, Server
from mpipc.capnp.showing import SECRET, shown
from mpipc.capnp.writer import Writer
from mpipc.errors import ConversionError

E = TypeVar("E", bound=enum.Enum)
T = TypeVar("T")
V = TypeVar("V")
SizedT = TypeVar("SizedT", bound=Sized)

# Indexing checks that a value is a bool, and makes it a bit.
BIT = {False: 0, True: 1}


def enum_member(cls: type[E], value: int, place: str) -> E:
    """The member with this value. Raises ConversionError for an unknown one, which says where."""
    try:
        return cls(value)
    except ValueError:
        raise _unfit(place, f"{value}, which is no {cls.__name__}") from None


def enumerant(members: Mapping[int, T], ordinal: int, place: str) -> T:
    """The member of a declared enum. Raises ConversionError for one that is not known here, as of a
    peer with a newer schema."""
    try:
        return members[ordinal]
    except KeyError:
        kind = type(next(iter(members.values()))).__name__
        raise _unfit(place, f"an unknown {kind}, @{ordinal}") from None


def unknown_alternative(union: str, tag: int) -> ConversionError:
    """The error for a union of a newer version of the interface, or of a broken peer."""
    return ConversionError(f"received {union} of a kind that is not known here ({tag})")


_FOREVER = sys.float_info.max
_LONGEST = timedelta.max / timedelta(milliseconds=1)
_SHORTEST = timedelta.min / timedelta(milliseconds=1)


def milliseconds(duration: timedelta) -> float:
    """A duration on the wire; `timedelta.max` is "forever", the largest Float64."""
    return _FOREVER if duration == timedelta.max else duration / timedelta(milliseconds=1)


def duration(milliseconds: float, place: str) -> timedelta:
    """A duration from the wire; more than `timedelta` can say is `timedelta.max`.

    Raises ConversionError for NaN and for less than `timedelta` can say.
    """
    if milliseconds >= _LONGEST:
        return timedelta.max
    if math.isnan(milliseconds) or milliseconds < _SHORTEST:
        raise _unfit(place, f"{milliseconds} milliseconds, which is no duration")
    return timedelta(milliseconds=milliseconds)


_FLOATS = {"f": (Struct("<f"), Struct("<I")), "d": (Struct("<d"), Struct("<Q"))}


def float_xor(code: str, value: float, default: float) -> int:
    """The wire bits of a float whose schema has a default: their XOR."""
    number, bits = _FLOATS[code]
    (a,), (b,) = bits.unpack(number.pack(value)), bits.unpack(number.pack(default))
    return int(a ^ b)


def single(value: float) -> float:
    """A number as 32 bits say it. Raises OverflowError for one that is too large."""
    number, _ = _FLOATS["f"]
    (found,) = number.unpack(number.pack(value))
    return float(found)


regex = re.compile


def float_unxor(code: str, wire: int, default: float) -> float:
    """The reverse of `float_xor`."""
    number, bits = _FLOATS[code]
    (b,) = bits.unpack(number.pack(default))
    (value,) = number.unpack(bits.pack(wire ^ b))
    return float(value)


# --------------------------------------------------------------------------------------- hooks


def read_hooked(read: Callable[[V], T], value: V, place: str) -> T:
    """The value that a hook makes of what arrived. Raises ConversionError, which says where."""
    try:
        return read(value)
    except Exception as error:
        raise _unreadable(value, place, error) from _cause(error, place)


def read_each_hooked(read: Callable[[V], T], values: Iterable[V], place: str) -> list[T]:
    """As `read_hooked`, for each value."""
    value: object = None
    try:
        return [read(value := each) for each in values]
    except Exception as error:
        raise _unreadable(value, place, error) from _cause(error, place)


def read_secret(read: Callable[[], T], place: str) -> T:
    """What `read` reads at a place whose values must not be shown. Raises ConversionError, which
    shows none."""
    try:
        return read()
    except ConversionError:
        raise _unfit(place, "") from None


_LONGEST_REASON = 200


def _unreadable(value: object, place: str, error: Exception) -> ConversionError:
    why = str(error)
    if len(why) > _LONGEST_REASON:
        why = f"{why[:_LONGEST_REASON]}..."
    return _unfit(place, f"{shown(value)}: {why}")


def _unfit(place: str, received: str) -> ConversionError:
    """The error for a value that arrived, which it describes unless that is a secret."""
    if place.endswith(SECRET):
        received = "a value that does not fit, and is not shown"
    return ConversionError(f"{place}: received {received}")


def _cause(error: Exception, place: str) -> Exception | None:
    """What is told of the error that a hook has raised: its text may show a value."""
    return None if place.endswith(SECRET) else error


def build_each(build: Callable[[V], T], values: Collection[V]) -> list[T]:
    """What a hook makes of each value of a list that is to be sent."""
    if isinstance(values, str | bytes) or not isinstance(values, Collection):
        raise TypeError(f"expected a list, got {type(values).__name__}")
    return [build(each) for each in values]


# ------------------------------------------------------------------------------------- objects


def write_object(w: Writer, value: Any, server: Server) -> int:
    """A pointer word for an object of ours, or for a proxy; None is a null capability."""
    return 0 if value is None else w.cap(Local(value, server))


def read_object(m: Message, lo: int, hi: int, client: type[T]) -> T:
    """The object that a capability pointer names: a proxy, our own object, or None for null."""
    found: T = m.owner.proxy(m.cap(lo, hi), client)
    return found


def default_of(function: Any, parameter: int) -> Any:
    """One of the default values that a method's declaration has, in order."""
    values = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return values[parameter]
