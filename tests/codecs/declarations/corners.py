"""Types where they are seldom seen: each is allowed wherever there is room for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Annotated, Generic, Literal, TypeVar

import msgspec
from typing_extensions import NotRequired, TypedDict

import mpipc
from mpipc import Int8, Int32

V = TypeVar("V")


class Mark(msgspec.Struct, frozen=True):
    number: Int8


@mpipc.interface
class Bell(ABC):
    @abstractmethod
    def ring(self) -> None: ...


class Keys(msgspec.Struct, frozen=True):
    """Dicts whose keys are lists on the wire."""

    tuples: dict[tuple[int, ...], str]
    sets: dict[frozenset[str], Int32]
    deeper: dict[tuple[tuple[int, ...], str], bool]


class Found(mpipc.Results):
    keys: dict[tuple[int, ...], Mark]
    bell: Bell | Mark


class Given(TypedDict):
    name: str
    bell: NotRequired[Bell]
    call: NotRequired[Callable[[int], None]]


class Pair(msgspec.Struct, Generic[V], frozen=True):
    both: dict[frozenset[str], V]


@mpipc.interface
class Corners(ABC):
    @abstractmethod
    def keys(self, keys: Keys, more: list[Keys]) -> Pair[Keys]: ...

    @abstractmethod
    def found(self) -> Found: ...

    @abstractmethod
    def given(self, given: Given) -> Given: ...

    @abstractmethod
    def literal(self, value: Literal[1, 2, None] | Mark) -> Literal["a", None] | Mark | bytes: ...

    @abstractmethod
    def optional(self, value: Annotated[int | None, msgspec.Meta(ge=0)] | Mark) -> None: ...

    @abstractmethod
    def objects(self, value: Bell | Mark | None, some: list[Bell | Mark]) -> int | Bell: ...

    @abstractmethod
    def empty_places(self, value: list[Bell | None]) -> dict[str, list[Bell | None]]: ...

    @abstractmethod
    def items(self, keys: Iterator[Keys]) -> Iterator[dict[tuple[int, ...], Bell | Mark]]: ...
