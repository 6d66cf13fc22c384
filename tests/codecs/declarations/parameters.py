"""Parameters that travel as one, some that do not travel, and some that nobody has to pass."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec
from typing_extensions import TypedDict

import mpipc
from mpipc import Field, Int32, UInt32


class Area(msgspec.Struct, frozen=True):
    width: Int32
    height: Int32 = 1


@dataclass(frozen=True, kw_only=True)
class Login:
    name: str
    password: Annotated[str, Field(secret=True)]


class Outpoint(NamedTuple):
    hash: bytes
    output: UInt32 | None


class Options(TypedDict):
    fast: bool
    areas: list[Area]


class User(msgspec.Struct, frozen=True):
    uid: int | None


def user_of(peer: mpipc.Peer) -> User:
    if peer.uid == 0xFFFFFFFF:
        raise PermissionError("nobody")
    return User(peer.uid)


mpipc.hooks.supply(User, user_of)


@mpipc.interface(root=True)
class Packing(ABC):
    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def resize(self, width: Int32, height: Int32 = 1) -> Area: ...

    @mpipc.method(packed={"spent": Outpoint, "options": Options})
    @abstractmethod
    def spend(
        self,
        amount: int,
        hash: bytes,
        output: UInt32 | None,
        *,
        fast: bool,
        areas: list[Area],
        note: str = "",
    ) -> Outpoint: ...

    @mpipc.method(packed={"login": Login}, raises=ValueError)
    @abstractmethod
    async def log_in(
        self, name: str, password: Annotated[str, Field(secret=True)], *, user: User | None = None
    ) -> str: ...

    @abstractmethod
    def who(
        self, number: int, *, user: User | None = None, peer: mpipc.Peer | None = None
    ) -> int | None: ...

    @mpipc.method(context=False)
    @abstractmethod
    def whoever(self, *, peer: mpipc.Peer | None = None) -> int | None: ...


class Settings(msgspec.Struct, frozen=True):
    """What a process passes on to another one."""

    path: str
    level: Int32 = 0


class Zone(enum.Enum):
    """It does not travel behind a pointer."""

    UTC = 0
    CET = 1


HERE = Settings("/here", 2)


def settings() -> Settings:
    return HERE


def zone() -> Zone:
    return Zone.CET


mpipc.hooks.fill_in(Settings, settings)
mpipc.hooks.fill_in(Zone, zone)


@mpipc.interface(root=True)
class Starting(ABC):
    @abstractmethod
    def start(
        self, name: str, settings: Settings | None = None, *, zone: Zone | None = None
    ) -> list[str]: ...

    @abstractmethod
    async def start_later(self, *, settings: Settings | None = None) -> Settings | None: ...

    @abstractmethod
    def as_passed(self, settings: Settings, other: Settings | None) -> Settings | None:
        """Nothing is filled in here: callers have to say what they mean."""

    @mpipc.method(packed={"given": Settings})
    @abstractmethod
    def beside(self, path: str, level: Int32, *, settings: Settings | None = None) -> str: ...
