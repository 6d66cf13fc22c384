"""Hypothesis strategies for values that fulfil constraints."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from mpipc.derive.names import integer_range
from mpipc.model import Constraints

_FEW = 4
_UTF8 = st.characters(codec="utf-8")


def integers(name: str, limits: Constraints) -> st.SearchStrategy[int]:
    """Values of an integer type."""
    low, high = integer_range(name)
    if limits.ge is not None:
        low = max(low, math.ceil(limits.ge))
    if limits.gt is not None:
        low = max(low, math.floor(limits.gt) + 1)
    if limits.le is not None:
        high = min(high, math.floor(limits.le))
    if limits.lt is not None:
        high = min(high, math.ceil(limits.lt) - 1)
    step = limits.multiple_of
    if not isinstance(step, int):
        return st.integers(low, high).filter(lambda value: fulfils(value, limits))
    return st.integers(-(-low // step), high // step).map(lambda number: number * step)


def floats(name: str, limits: Constraints) -> st.SearchStrategy[float]:
    """Values of a floating point type."""
    low = limits.ge if limits.gt is None else limits.gt
    high = limits.le if limits.lt is None else limits.lt
    step = limits.multiple_of
    if step is None:
        found = st.floats(low, high, allow_nan=False)
    else:
        least = -1e6 if low is None else low
        most = least + 2e6 if high is None else high
        numbers = st.integers(math.ceil(least / step), math.floor(most / step))
        found = numbers.map(lambda number: float(number * step))
    if name == "Float32":
        found = found.filter(lambda value: math.isinf(value) or abs(value) < 3e38).map(_single)
    return found.filter(lambda value: fulfils(value, limits))


def _single(value: float) -> float:
    (found,) = struct.unpack("<f", struct.pack("<f", value))
    return float(found)


def texts(limits: Constraints) -> st.SearchStrategy[str]:
    """Texts, few of them much longer than they must be."""
    if limits.pattern is None:
        least, most = lengths(limits)
        return st.text(min_size=least, max_size=most)
    found = st.from_regex(limits.pattern, alphabet=_UTF8)
    whole = st.from_regex(limits.pattern, alphabet=_UTF8, fullmatch=True)
    return (whole | found).filter(lambda text: fulfils(text, limits))


def lengths(limits: Constraints) -> tuple[int, int]:
    """The least and the greatest length to try."""
    least = limits.min_length or 0
    most = least + _FEW
    return least, most if limits.max_length is None else min(limits.max_length, most)


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "ge": lambda value, limit: value >= limit,
    "gt": lambda value, limit: value > limit,
    "le": lambda value, limit: value <= limit,
    "lt": lambda value, limit: value < limit,
    "multiple_of": lambda value, limit: value % limit == 0,
    "min_length": lambda value, limit: len(value) >= limit,
    "max_length": lambda value, limit: len(value) <= limit,
    "pattern": lambda value, limit: re.search(limit, value) is not None,
}


def fulfils(value: Any, limits: Constraints) -> bool:
    """Whether a value fulfils constraints."""
    return all(_TESTS[name](value, getattr(limits, name)) for name, _ in limits.given())
