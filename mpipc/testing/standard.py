"""Hypothesis strategies for the types of the standard library that are registered as hooks, by the
function that reads them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from hypothesis import strategies as st

from mpipc.model import TypeName
from mpipc.standard import addresses, complexes, decimals, paths, times, uuids

_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
_paths = st.lists(_names, max_size=3).map("/".join)
_addresses = {
    addresses.read_v4_address: ipaddress.IPv4Address,
    addresses.read_v6_address: ipaddress.IPv6Address,
    addresses.read_v4_interface: ipaddress.IPv4Interface,
    addresses.read_v6_interface: ipaddress.IPv6Interface,
    addresses.read_v4_network: ipaddress.IPv4Network,
    addresses.read_v6_network: ipaddress.IPv6Network,
}


def _durations(unit: timedelta, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(-most, most).map(lambda ticks: ticks * unit) | st.just(timedelta.max)


def _address(kind: Any) -> st.SearchStrategy[Any]:
    bits = 32 if kind.__name__.startswith("IPv4") else 128
    numbers = st.integers(0, (1 << bits) - 1)
    if "Address" in kind.__name__:
        return numbers.map(kind)
    pairs = st.tuples(numbers, st.integers(0, bits))
    if "Interface" in kind.__name__:
        return pairs.map(kind)
    return pairs.map(lambda pair: kind(pair, strict=False))


_found: dict[Callable[..., object], st.SearchStrategy[Any]] = {
    uuids.read_uuid: st.uuids(),
    decimals.read_decimal: st.decimals(allow_nan=False),
    complexes.read_complex: st.complex_numbers(allow_nan=False),
    paths.read_path: _paths.map(Path),
    paths.read_pure_path: _paths.map(PurePath),
    paths.read_posix_path: _paths.map(PurePosixPath),
    paths.read_windows_path: _paths.map(PureWindowsPath),
    times.read_datetime: st.datetimes(timezones=st.just(timezone.utc)),
    times.read_naive_datetime: st.datetimes(),
    times.read_date: st.dates(),
    times.read_time: st.times(),
    times.read_seconds: _durations(timedelta(seconds=1), 10**9),
    times.read_milliseconds: _durations(timedelta(milliseconds=1), 10**12),
    times.read_microseconds: _durations(timedelta(microseconds=1), 10**15),
    **{read: _address(kind) for read, kind in _addresses.items()},
}

STANDARD = {
    TypeName(read.__module__, read.__qualname__): strategy for read, strategy in _found.items()
}
