"""Mistakes that only show once every declaration of the module is fine by itself."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

import mpipc
from mpipc import Int8, Int32


@mpipc.struct
class Self(msgspec.Struct):
    inner: Self


@mpipc.struct
class Ping(msgspec.Struct):
    a: int
    pong: Pong


@mpipc.struct
class Pong(msgspec.Struct):
    ping: Ping


class Area(msgspec.Struct):
    width: Int32
    height: Int32


@mpipc.interface
class Packed(ABC):
    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def another_type(self, width: Int8, height: Int32) -> None: ...

    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def may_be_none(self, width: Int32, height: Int32 | None) -> None: ...
