"""Two types with one name in the schema."""

from __future__ import annotations

from abc import ABC

import msgspec

import mpipc


@mpipc.struct
class Thing(msgspec.Struct):
    a: int


@mpipc.interface(name="Thing")
class Other(ABC):  # noqa: B024
    """Also called Thing."""
