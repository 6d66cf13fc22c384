"""Sets and dicts of what has no hash, for the golden file `data/errors.txt`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypedDict

import msgspec
from msgspec import Meta

import mpipc
from mpipc import hooks


class Mutable(msgspec.Struct):
    x: int


@dataclass
class MutableToo:
    x: int


class WithList(msgspec.Struct, frozen=True):
    xs: list[int]


@dataclass(frozen=True)
class Around:
    inner: WithList


class Row(NamedTuple):
    cells: tuple[dict[str, int], ...]


class Keys(TypedDict):
    x: int


class Vector:
    __hash__ = None  # type: ignore[assignment]


def build(value: Vector) -> str:
    return ""


def read(text: str) -> Vector:
    return Vector()


hooks.register(Vector, wire=str, build=build, read=read)


@mpipc.interface
class Hashes(ABC):
    """One wrong set or dict in each method."""

    @abstractmethod
    def lists(self, a: set[list[int]]) -> None: ...
    @abstractmethod
    def sets(self, a: frozenset[set[str]]) -> None: ...
    @abstractmethod
    def dicts(self, a: list[set[dict[str, int]]]) -> None: ...
    @abstractmethod
    def buffers(self, a: set[memoryview]) -> None: ...
    @abstractmethod
    def key(self, a: dict[list[int], str]) -> None: ...
    @abstractmethod
    def key_in_tuple(self, a: dict[tuple[int, list[int]], str]) -> None: ...
    @abstractmethod
    def checked(self, a: set[Annotated[list[int], Meta(max_length=3)]]) -> None: ...
    @abstractmethod
    def optional(self) -> set[list[int] | None]: ...
    @abstractmethod
    def mutable(self, a: frozenset[Mutable]) -> None: ...
    @abstractmethod
    def mutable_dataclass(self) -> set[MutableToo]: ...
    @abstractmethod
    def with_list(self, a: set[WithList]) -> None: ...
    @abstractmethod
    def around(self, a: set[Around]) -> None: ...
    @abstractmethod
    def row(self, a: dict[Row, int]) -> None: ...
    @abstractmethod
    def typed_dict(self, a: set[Keys]) -> None: ...
    @abstractmethod
    def union(self, a: set[list[int] | str]) -> None: ...
    @abstractmethod
    def hooked(self, a: set[Vector]) -> None: ...
    @abstractmethod
    def items(self) -> Iterator[set[Mutable]]: ...
