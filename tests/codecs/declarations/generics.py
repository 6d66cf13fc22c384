"""Generic structs and interfaces, and what they are used with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Generic, NamedTuple, TypeVar

import attrs
import msgspec

import mpipc
from mpipc import Int8, Int32, UInt64
from tests.codecs.declarations.kinds import Options
from tests.codecs.declarations.values import Color, Row

T = TypeVar("T")
V = TypeVar("V")
E = TypeVar("E")


class Result(msgspec.Struct, Generic[T], frozen=True):
    """A value, or what went wrong."""

    value: T | None
    error: str = ""


@dataclass
class Expected(Generic[V, E]):
    value: V
    errors: list[E]
    by_name: dict[str, V] = field(default_factory=dict)
    either: V | E | None = None


@attrs.define
class Chain(Generic[T]):
    """Recursive."""

    head: T
    tail: Chain[T] | None
    others: list[Chain[T]]


class Base(msgspec.Struct, Generic[T], kw_only=True):
    inherited: T
    all: tuple[T, ...] = ()


class Derived(Base[Int8]):
    """Of a generic class, and not generic itself."""

    own: bool


class Twice(Base[dict[str, V]], Generic[V, T]):
    """Other parameters than its base, one of the same name."""

    t: T
    both: Result[Result[V]]


class Point(NamedTuple):
    x: Int32
    y: Int32


@mpipc.interface
class Store(ABC, Generic[T]):
    @abstractmethod
    def get(self, name: str) -> T | None: ...

    @abstractmethod
    def put(self, name: str, value: T, *, more: list[T]) -> Result[T]: ...

    @abstractmethod
    def watch(self, callback: Callable[[T], None]) -> Store[T]: ...

    @property
    @abstractmethod
    def count(self) -> UInt64: ...

    def local(self, name: str) -> str:
        return repr(self.get(name))


@mpipc.interface
class Rows(Store[Row]):
    """Extends one with type arguments."""

    @abstractmethod
    def sort(self, stores: dict[str, Store[Int32]]) -> list[Row]: ...


@mpipc.interface(destroy=False)
class Uses(ABC):
    @abstractmethod
    def result(self, value: Result[int]) -> Result[int]: ...

    @abstractmethod
    def results(self, value: list[Result[Row]]) -> dict[str, Result[Int32]]: ...

    @abstractmethod
    def expected(self, value: Expected[Point, str]) -> Expected[Color, Row]: ...

    @abstractmethod
    def chain(self, value: Chain[Point]) -> Chain[Result[bool]]: ...

    @abstractmethod
    def chains(self, value: list[Chain[str]]) -> Chain[Chain[bool]]: ...

    @abstractmethod
    def derived(self, value: Derived) -> Base[Options]: ...

    @abstractmethod
    def twice(self, value: Twice[str, bytes]) -> Twice[Int8, Int8]: ...

    @abstractmethod
    def union(self, value: Result[int | str] | Point) -> Result[Point] | str: ...

    @abstractmethod
    def named(
        self, value: Annotated[Result[float], mpipc.struct(name="Measured")]
    ) -> Annotated[Result[float], mpipc.struct(name="Measured")]: ...


@mpipc.interface
class Stores(ABC):
    @abstractmethod
    def of_texts(self, store: Store[str]) -> Store[Point]: ...

    @abstractmethod
    def of_rows(self, store: Rows | None) -> Store[Row]: ...

    @abstractmethod
    def of_unions(self, store: Store[int | str]) -> list[Store[list[int]]]: ...
