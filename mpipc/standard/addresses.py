"""IP addresses and networks -> Text, as people write them."""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)
from typing import TypeAlias

from mpipc import hooks

LONGEST = 100
"""Characters: enough for an IPv6 address with a scope and a prefix length."""

_Any: TypeAlias = (
    IPv4Address | IPv6Address | IPv4Network | IPv6Network | IPv4Interface | IPv6Interface
)


def build_address(value: _Any) -> str:
    if not isinstance(value, _KINDS):
        raise TypeError("no IP address")
    return str(value)


def _checked(text: str) -> str:
    if len(text) > LONGEST or not text.isascii():
        raise ValueError("no IP address")
    return text


def read_address(text: str) -> IPv4Address | IPv6Address:
    return ip_address(_checked(text))


def read_v4_address(text: str) -> IPv4Address:
    return IPv4Address(_checked(text))


def read_v6_address(text: str) -> IPv6Address:
    return IPv6Address(_checked(text))


def read_v4_network(text: str) -> IPv4Network:
    return IPv4Network(_checked(text))


def read_v6_network(text: str) -> IPv6Network:
    return IPv6Network(_checked(text))


def read_v4_interface(text: str) -> IPv4Interface:
    return IPv4Interface(_checked(text))


def read_v6_interface(text: str) -> IPv6Interface:
    return IPv6Interface(_checked(text))


_READ = {
    IPv4Address: read_v4_address,
    IPv6Address: read_v6_address,
    IPv4Network: read_v4_network,
    IPv6Network: read_v6_network,
    IPv4Interface: read_v4_interface,
    IPv6Interface: read_v6_interface,
}
_KINDS = tuple(_READ)

for _kind, _read in _READ.items():
    hooks.register(_kind, wire=str, build=build_address, read=_read)
