"""Mistakes in types of values, for the golden file `data/errors.txt`."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

import mpipc
from mpipc import Int8, hooks


class ByLambda:
    pass


class Never:
    pass


class First:
    pass


class Second:
    pass


class ToUnknown:
    pass


def build(value: object) -> str:
    return ""


def read(text: str) -> object:
    return text


hooks.register(ByLambda, wire=str, build=lambda value: "", read=read)
hooks.register(Never, wire=str | None, build=build, read=read)
hooks.register(First, wire=list[Second], build=build, read=read)
hooks.register(Second, wire=First, build=build, read=read)
hooks.register(ToUnknown, wire=object, build=build, read=read)


@mpipc.interface
class Hooks(ABC):
    """One wrong hook in each method."""

    @abstractmethod
    def by_lambda(self, a: ByLambda) -> None: ...
    @abstractmethod
    def never(self, a: Never) -> None: ...
    @abstractmethod
    def circle(self, a: First) -> None: ...
    @abstractmethod
    def to_unknown(self, a: ToUnknown) -> None: ...


class Color(enum.Enum):
    RED = 1


@mpipc.interface
class Constraints(ABC):
    """One wrong constraint or Literal in each method."""

    @abstractmethod
    def length_of_int(self, a: Annotated[int, Meta(min_length=1)]) -> None: ...
    @abstractmethod
    def least_bool(self, a: Annotated[bool, Meta(ge=0)]) -> None: ...
    @abstractmethod
    def least_text(self, a: list[Annotated[str, Meta(ge=0)]]) -> None: ...
    @abstractmethod
    def least_decimal(self, a: Annotated[Decimal, Meta(ge=0)]) -> None: ...
    @abstractmethod
    def several(self, a: Literal["a", 1]) -> None: ...
    @abstractmethod
    def only_none(self, a: Literal[None]) -> None: ...
    @abstractmethod
    def large(self, a: Annotated[Literal[1, 1000], Int8]) -> None: ...
    @abstractmethod
    def wrong_alias(self, a: Annotated[Literal["a"], Int8]) -> None: ...


@mpipc.enum
class NoEnum:
    pass


@mpipc.enum
class Flags(enum.Flag):
    A = 1


@mpipc.enum
class Empty(enum.Enum):
    pass


@mpipc.enum
class Twice(enum.Enum):
    LATE_SUMMER = 1
    lateSummer = 2


@mpipc.enum(name="season")
class LowerCase(enum.Enum):
    A = 1


@mpipc.enum
class Underscore(enum.Enum):
    _1 = 1


@mpipc.enum
class Season(enum.Enum):
    SPRING = 1


class Mixed(enum.Enum):
    A = "a"
    B = 2


@mpipc.interface
class Enums(ABC):
    """One wrong use of an Enum in each method."""

    @abstractmethod
    def alias(self, a: Annotated[Season, Int8]) -> None: ...
    @abstractmethod
    def default(self, a: Annotated[Season, mpipc.Field(wire_default=1)]) -> None: ...
    @abstractmethod
    def mixed(self, a: Mixed) -> None: ...


@mpipc.struct
class Inner(NamedTuple):
    x: int


@mpipc.interface
class Nothing(ABC):
    """None where there is no room for it, in each method."""

    @abstractmethod
    def numbers(self, a: list[int | None]) -> None: ...
    @abstractmethod
    def structs(self, a: tuple[Inner | None, ...]) -> None: ...
    @abstractmethod
    def tuples(self, a: list[tuple[int] | None]) -> None: ...
    @abstractmethod
    def hooked_numbers(self, a: set[date | None]) -> None: ...
    @abstractmethod
    def keys(self, a: dict[str | None, int]) -> None: ...
    @abstractmethod
    def attributes(self, a: tuple[Annotated[int, mpipc.Field(name="b")], str]) -> None: ...


@mpipc.interface
class Containers(ABC):
    """Containers that are not those of the table."""

    @abstractmethod
    def collection(self, a: Collection[int]) -> None: ...
    @abstractmethod
    def queue(self, a: deque[int]) -> None: ...
    @abstractmethod
    def abstract_set(self, a: AbstractSet[str]) -> None: ...
    @abstractmethod
    def ordered(self, a: OrderedDict[str, int]) -> None: ...
    @abstractmethod
    def void(self, a: list[mpipc.Void]) -> None: ...
