"""Parameters that travel as one, and some that do not travel."""

from __future__ import annotations

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
