"""Structs whose fields lie among those of others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import msgspec
from typing_extensions import TypedDict

import mpipc
from mpipc import Field, Float32, Int8, Int32, UInt8


class Point(msgspec.Struct, frozen=True):
    x: Int32
    y: Annotated[Int32, Field(wire_default=-7)]
    z: Int8 | None = None


@dataclass(frozen=True)
class Span:
    first: Annotated[Point, Field(group=True)]
    length: UInt8


class Names(NamedTuple):
    left: str
    others: list[str]
    right: bool


class Options(TypedDict):
    weight: Float32
    label: str | None


class Box(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    origin: Annotated[Point, Field(group=True)]
    sealed: bool
    span: Annotated[Span, Field(group=True)]
    names: Annotated[Names, Field(group=True, name="called")]
    options: Annotated[Options, Field(group=True)]
    corners: list[Point]
    inside: Box | None = None


@mpipc.interface
class Groups(ABC):
    @abstractmethod
    def one(self, box: Box) -> Box: ...

    @abstractmethod
    def many(self, boxes: list[Box], spans: list[Span]) -> dict[str, Box]: ...

    @abstractmethod
    def either(self, value: Span | Names | None) -> tuple[Span, Int32]: ...
