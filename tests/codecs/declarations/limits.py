"""The same methods twice: with and without constraints."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

import mpipc
from mpipc import Float32, Int8, UInt16

Port = Annotated[UInt16, Meta(ge=1, lt=49152)]
Name = Annotated[str, Meta(min_length=1, max_length=8, pattern="^[a-z]")]


class Mood(enum.Enum):
    GOOD = 1
    BAD = 2


class Pair(NamedTuple):
    x: Port
    y: Name


class Plain(NamedTuple):
    x: UInt16
    y: str


@mpipc.interface
class Limited(ABC):
    """Not every value."""

    @abstractmethod
    def port(self) -> Port: ...

    @abstractmethod
    def ratio(self) -> Annotated[float, Meta(gt=0, le=1)]: ...

    @abstractmethod
    def single(self) -> Annotated[Float32, Meta(le=0.1)]: ...

    @abstractmethod
    def even(self) -> Annotated[int, Meta(multiple_of=2)]: ...

    @abstractmethod
    def name(self) -> Name: ...

    @abstractmethod
    def hash(self) -> Annotated[bytes, Meta(min_length=32, max_length=32)]: ...

    @abstractmethod
    def names(self) -> Annotated[list[Name], Meta(min_length=1)]: ...

    @abstractmethod
    def pairs(self) -> list[Pair]: ...

    @abstractmethod
    def table(self) -> dict[Name, Port]: ...

    @abstractmethod
    def mode(self) -> Literal["fast", "slow"]: ...

    @abstractmethod
    def number(self) -> Annotated[Literal[1, 2], Int8]: ...

    @abstractmethod
    def mood(self) -> Literal[Mood.GOOD]: ...

    @abstractmethod
    def maybe(self) -> Port | None: ...


@mpipc.interface
class Unlimited(ABC):
    """Every value."""

    @abstractmethod
    def port(self) -> UInt16: ...

    @abstractmethod
    def ratio(self) -> float: ...

    @abstractmethod
    def single(self) -> Float32: ...

    @abstractmethod
    def even(self) -> int: ...

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def hash(self) -> bytes: ...

    @abstractmethod
    def names(self) -> list[str]: ...

    @abstractmethod
    def pairs(self) -> list[Plain]: ...

    @abstractmethod
    def table(self) -> dict[str, UInt16]: ...

    @abstractmethod
    def mode(self) -> str: ...

    @abstractmethod
    def number(self) -> Int8: ...

    @abstractmethod
    def mood(self) -> Mood: ...

    @abstractmethod
    def maybe(self) -> UInt16 | None: ...
