"""Unions of structs, and of everything else."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple
from uuid import UUID

import msgspec
from typing_extensions import TypeAliasType

import mpipc
from mpipc import Field, Float32, Int8, Int32, UInt8, Void
from tests.codecs.declarations.kinds import Defined, Options
from tests.codecs.declarations.values import Color, Rights, Row


class Circle(msgspec.Struct, frozen=True):
    radius: Int32


@dataclass(frozen=True)
class Square:
    side: float
    name: str


@dataclass(frozen=True)
class Cube(Square):
    """A Square, too."""

    depth: Int8 = 0


class Level(enum.IntEnum):
    """Its members are int."""

    LOW = 0
    HIGH = 1


class Point(NamedTuple):
    """A tuple."""

    x: Int32
    y: Int32


Shape = Circle | Square
Optionally = Shape | None
Same = Square | Circle
Number = int | float | bool | Level
Small = Annotated[Int8 | Float32, mpipc.struct(name="SmallNumber")]
Everything = TypeAliasType(
    "Everything",
    "Shape | str | bytes | timedelta | Annotated[Level, UInt8] | Rights | list[Shape] | set[int]"
    "| tuple[str, ...] | frozenset[bytes] | Options | Cube | Point | Defined",
)
Limited = Literal["a", "b"] | Annotated[int, msgspec.Meta(ge=0)] | Literal[Color.RED]
Json = TypeAliasType("Json", "list[Json] | dict[str, Json] | str | int | float | bool")


class Leaf(msgspec.Struct):
    value: int


class Node(msgspec.Struct):
    left: Tree
    right: Tree
    more: list[Tree]


Tree = Node | Leaf


@dataclass(kw_only=True)
class Picture:
    """Fields of unions."""

    shape: Shape
    frame: Shape | None
    title: Annotated[str, Field(name="plain")] | Row
    shapes: dict[Int8, Shape]
    marked: Annotated[Shape | None, Field(has_flag=True)]
    number: Annotated[Shape | UInt8, mpipc.struct(name="ShapeOrNumber")]


class Drawn(mpipc.Results):
    shape: Shape
    error: str | Rights | None


@mpipc.interface
class Canvas(ABC):
    @abstractmethod
    def shape(self, value: Shape) -> Shape: ...

    @abstractmethod
    def maybe(self, value: Optionally) -> Shape | None: ...

    @abstractmethod
    def same(self, value: Same) -> Same: ...

    @abstractmethod
    def number(self, value: Number) -> Number: ...

    @abstractmethod
    def small(self, value: Small) -> Small: ...

    @abstractmethod
    def shapes(self, value: list[Shape]) -> tuple[Shape, ...]: ...

    @abstractmethod
    def frozen(self, value: frozenset[Shape]) -> set[Shape]: ...

    @abstractmethod
    def tree(self, value: Tree) -> list[Tree]: ...

    @abstractmethod
    def json(self, value: Json) -> Json: ...

    @abstractmethod
    def picture(self, value: Picture) -> Picture: ...

    @abstractmethod
    def pictures(self, value: list[Picture]) -> dict[str, Picture]: ...

    @abstractmethod
    def drawn(self, value: int | str) -> Drawn: ...

    @abstractmethod
    def limited(self, value: Limited) -> list[Limited]: ...

    @abstractmethod
    def nothing(self, value: list[Shape | Void]) -> dict[str, UUID | datetime | Void]: ...

    @abstractmethod
    def sequence(self, value: Sequence[int] | Mapping[str, int]) -> None: ...


@mpipc.interface
class AllKinds(ABC):
    """Generated code with many alternatives."""

    @abstractmethod
    def everything(self, value: Everything) -> Everything: ...


@mpipc.interface
class Holder(ABC):
    """Objects among the alternatives."""

    @abstractmethod
    def objects(
        self, value: Canvas | str | Callable[[Shape], None], more: list[Canvas | Circle]
    ) -> Canvas | Circle | None: ...
