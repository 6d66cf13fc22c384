"""Mistakes that only show once every declaration of the module is fine by itself."""

from __future__ import annotations

import msgspec

import mpipc


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
