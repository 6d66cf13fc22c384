"""Points in time, dates and durations -> whole numbers.

datetime                             Int64: microseconds since 1970, UTC; it has a time zone, and
                                     arrives in UTC
Annotated[datetime, Meta(tz=False)]  Int64: microseconds since 1970 on the same clock, whose time
                                     zone nobody says
date                                 Int32: days since 1970
time                                 Int64: microseconds since midnight, without a time zone
mpipc.Seconds and the like           Int64: how many of them a timedelta is

A `timedelta` that no alias says more about is Float64 milliseconds (mpipc.derive.types.timedeltas).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

import msgspec

from mpipc import hooks
from mpipc.declare import Int32, Int64, TimeUnit

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FIRST_DAY = date(1970, 1, 1).toordinal()
_FIRST = (datetime.min - _EPOCH) // _MICROSECOND
_LAST = (datetime.max - _EPOCH) // _MICROSECOND
_FOREVER = 2**63 - 1


def build_datetime(value: datetime) -> int:
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError("it has no time zone: datetime.now(timezone.utc), for example, has one")
    microseconds = (value - _EPOCH_UTC) // _MICROSECOND
    if not _FIRST <= microseconds <= _LAST:
        raise ValueError("out of range in UTC")
    return microseconds


def read_datetime(microseconds: int) -> datetime:
    return _EPOCH_UTC + _since(microseconds)


def build_naive_datetime(value: datetime) -> int:
    if value.tzinfo is not None:
        raise ValueError("it has a time zone, where none is wanted")
    return (value - _EPOCH) // _MICROSECOND


def read_naive_datetime(microseconds: int) -> datetime:
    return _EPOCH + _since(microseconds)


def _since(microseconds: int) -> timedelta:
    try:
        return timedelta(microseconds=microseconds)
    except OverflowError:
        raise ValueError("out of range") from None


def build_date(value: date) -> int:
    if isinstance(value, datetime):
        raise TypeError("a datetime is more than a date")
    return value.toordinal() - _FIRST_DAY


def read_date(days: int) -> date:
    try:
        return date.fromordinal(days + _FIRST_DAY)
    except (ValueError, OverflowError):
        raise ValueError("out of range") from None


def build_time(value: time) -> int:
    if value.tzinfo is not None:
        raise ValueError("it has a time zone, where none is wanted")
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return seconds * 1_000_000 + value.microsecond


def read_time(microseconds: int) -> time:
    if not 0 <= microseconds < _DAY:
        raise ValueError("out of range")
    return (_EPOCH + timedelta(microseconds=microseconds)).time()


def build_seconds(value: timedelta) -> int:
    return _ticks(value, timedelta(seconds=1))


def read_seconds(ticks: int) -> timedelta:
    return _duration(ticks, timedelta(seconds=1))


def build_milliseconds(value: timedelta) -> int:
    return _ticks(value, timedelta(milliseconds=1))


def read_milliseconds(ticks: int) -> timedelta:
    return _duration(ticks, timedelta(milliseconds=1))


def build_microseconds(value: timedelta) -> int:
    return _ticks(value, _MICROSECOND)


def read_microseconds(ticks: int) -> timedelta:
    return _duration(ticks, _MICROSECOND)


def _ticks(value: timedelta, unit: timedelta) -> int:
    """`timedelta.max` is "forever", the largest number."""
    if value == timedelta.max:
        return _FOREVER
    ticks, rest = divmod(value, unit)
    if rest:
        raise ValueError(f"no whole number of units of {unit.total_seconds()} seconds")
    return ticks


def _duration(ticks: int, unit: timedelta) -> timedelta:
    try:
        return timedelta.max if ticks == _FOREVER else ticks * unit
    except OverflowError:
        raise ValueError("out of range") from None


def _is_naive(annotation: object, metadata: tuple[object, ...]) -> bool:
    return annotation is datetime and any(
        isinstance(each, msgspec.Meta) and each.tz is False for each in metadata
    )


def _is_in(unit: str) -> hooks.Predicate:
    return lambda annotation, metadata: annotation is timedelta and TimeUnit(unit) in metadata


hooks.register(datetime, wire=Int64, build=build_datetime, read=read_datetime)
hooks.register_if(
    _is_naive,
    wire=Int64,
    build=build_naive_datetime,
    read=read_naive_datetime,
    name="NaiveDatetime",
)
hooks.register(date, wire=Int32, build=build_date, read=read_date)
hooks.register(time, wire=Int64, build=build_time, read=read_time)
hooks.register_if(
    _is_in("Seconds"),
    wire=Int64,
    build=build_seconds,
    read=read_seconds,
    name="Seconds",
)
hooks.register_if(
    _is_in("Milliseconds"),
    wire=Int64,
    build=build_milliseconds,
    read=read_milliseconds,
    name="Milliseconds",
)
hooks.register_if(
    _is_in("Microseconds"),
    wire=Int64,
    build=build_microseconds,
    read=read_microseconds,
    name="Microseconds",
)
