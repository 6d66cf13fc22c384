"""The same methods twice: what they give, and what that travels as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

import mpipc
from mpipc import Int32, Microseconds, Seconds, hooks


class Shy:
    """Nobody can make one of what arrived."""


def build_shy(value: Shy) -> str:
    return "somebody"


def read_shy(text: str) -> Shy:
    raise SystemError(f"{text} is not at home")


hooks.register(Shy, wire=str, build=build_shy, read=read_shy)


@mpipc.interface
class Leaves(ABC):
    """As declared."""

    @abstractmethod
    def uuid(self) -> UUID: ...

    @abstractmethod
    def decimal(self) -> Decimal: ...

    @abstractmethod
    def moment(self) -> datetime: ...

    @abstractmethod
    def naive(self) -> Annotated[datetime, msgspec.Meta(tz=False)]: ...

    @abstractmethod
    def day(self) -> date: ...

    @abstractmethod
    def clock(self) -> time: ...

    @abstractmethod
    def seconds(self) -> Seconds: ...

    @abstractmethod
    def microseconds(self) -> Microseconds: ...

    @abstractmethod
    def path(self) -> Path: ...

    @abstractmethod
    def address(self) -> IPv4Address: ...

    @abstractmethod
    def address6(self) -> IPv6Address: ...

    @abstractmethod
    def network(self) -> IPv4Network: ...

    @abstractmethod
    def point(self) -> complex: ...

    @abstractmethod
    def shy(self) -> Shy: ...

    @abstractmethod
    def shy_list(self) -> list[Shy]: ...


@mpipc.interface
class Wire(ABC):
    """As it travels."""

    @abstractmethod
    def uuid(self) -> bytes: ...

    @abstractmethod
    def decimal(self) -> str: ...

    @abstractmethod
    def moment(self) -> int: ...

    @abstractmethod
    def naive(self) -> int: ...

    @abstractmethod
    def day(self) -> Int32: ...

    @abstractmethod
    def clock(self) -> int: ...

    @abstractmethod
    def seconds(self) -> int: ...

    @abstractmethod
    def microseconds(self) -> int: ...

    @abstractmethod
    def path(self) -> str: ...

    @abstractmethod
    def address(self) -> str: ...

    @abstractmethod
    def address6(self) -> str: ...

    @abstractmethod
    def network(self) -> str: ...

    @abstractmethod
    def point(self) -> list[float]: ...

    @abstractmethod
    def shy(self) -> str: ...

    @abstractmethod
    def shy_list(self) -> list[str]: ...


class Key(NamedTuple):
    number: int
    id: UUID


class Unread(NamedTuple):
    number: int
    id: bytes


@mpipc.interface
class Keyed(ABC):
    """With keys."""

    @abstractmethod
    def key(self, value: UUID) -> None: ...

    @abstractmethod
    def keys(self, value: list[Key]) -> None: ...

    @abstractmethod
    def keyed(self, value: dict[str, UUID]) -> None: ...

    @mpipc.method(raises=ValueError)
    @abstractmethod
    def raising(self, value: UUID) -> None: ...


@mpipc.interface
class Unkeyed(ABC):
    """As it travels."""

    @abstractmethod
    def key(self, value: bytes) -> None: ...

    @abstractmethod
    def keys(self, value: list[Unread]) -> None: ...

    @abstractmethod
    def keyed(self, value: dict[str, bytes]) -> None: ...

    @mpipc.method(raises=ValueError)
    @abstractmethod
    def raising(self, value: bytes) -> None: ...
