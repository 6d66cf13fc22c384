"""Times that users give, in seconds: checked where they are given, so that the error names them."""

from __future__ import annotations

import math
from numbers import Real
from typing import overload

_MOST = 2_000_000.0  # a little less than what the kernel's `poll` takes, in milliseconds


@overload
def checked_seconds(name: str, value: float) -> float: ...
@overload
def checked_seconds(name: str, value: float | None, *, optional: bool) -> float | None: ...
def checked_seconds(name: str, value: object, *, optional: bool = False) -> float | None:
    """The time that a parameter of this name was given. `optional`: None is allowed.

    Raises TypeError for what is no number, and ValueError for what is no time: less than 0, NaN, or
    more than 23 days.
    """
    if value is None and optional:
        return None
    if not isinstance(value, Real):
        instead = "a number of seconds, or None" if optional else "a number of seconds"
        raise TypeError(f"{name}={value!r}: expected {instead}, but got {type(value).__name__}")
    try:
        found = float(value)
    except OverflowError:  # an int that is larger than any float
        found = math.inf
    if 0 <= found <= _MOST:
        return found
    instead = "; None is for ever" if optional and found > _MOST else ""
    raise ValueError(f"{name}={value!r}: seconds are from 0 to {_MOST:_.0f}{instead}")
