"""Groups that cannot be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import msgspec
from typing_extensions import NotRequired, TypedDict

import mpipc
from mpipc import Field, Int32


class Point(msgspec.Struct):
    x: Int32


class Nothing(msgspec.Struct):
    pass


class Partial(TypedDict):
    x: NotRequired[Int32]


class Loop(msgspec.Struct):
    again: Annotated[Loop, Field(group=True)]


class Groups(msgspec.Struct):
    number: Annotated[int, Field(group=True)]
    maybe: Annotated[Point | None, Field(group=True)]
    fixed: Annotated[Point, Field(3, group=True)]
    nothing: Annotated[Nothing, Field(group=True)]
    partial: Annotated[Partial, Field(group=True)]


class Found(mpipc.Results):
    point: Annotated[Point, Field(group=True)]


@mpipc.interface
class Grouped(ABC):
    @abstractmethod
    def structs(self, groups: Groups, loop: Loop) -> None: ...
    @abstractmethod
    def parameter(self, point: Annotated[Point, Field(group=True)]) -> None: ...
    @abstractmethod
    def results(self) -> Found: ...
    @abstractmethod
    def result(self) -> Annotated[Point, Field(group=True)]: ...
