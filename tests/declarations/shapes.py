"""Struct classes of every kind, and an Enum, for `every.py` to import."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec

import mpipc
from mpipc import Field, Float32, Int32, UInt8, UInt64


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Point(NamedTuple):
    x: Int32
    y: Int32


@mpipc.struct(wrap="demo::Shape")
@dataclass
class Shape:
    """A shape."""

    line_width: Float32
    corners: list[Point]
    color: Color = Color.RED
    rights: Annotated[Rights, UInt8] = Rights.READ
    fill: Annotated[Color | None, UInt8] = None
    total_area: Annotated[UInt64, Field(name="area", cxx_name="m_area")] = 0
    plain_name: Annotated[int, Field(cxx_name="")] = 0


class Tree(msgspec.Struct):
    left: Tree | None
    children: list[Tree]


class Unused(msgspec.Struct):
    """Nothing refers to it, so the schema does not have it, and its fields may be anything."""

    a: object


@mpipc.struct(name="Renamed")
class Alone(msgspec.Struct):
    """Nothing refers to it, but it is decorated."""

    b: Annotated[bool, Field(1)]
    a: Annotated[Int32, Field(0, wire_default=-1)]
    c: Annotated[float, Field(wire_default=float("inf"))]
    d: Annotated[bool | None, Field(wire_default=True)]
