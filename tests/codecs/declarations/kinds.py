"""Struct classes of every kind, made in every way that their makers allow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

import attrs
import msgspec
from typing_extensions import NotRequired, Required, TypedDict

from mpipc import Field, Int8, Int32, UInt16


@dataclass(kw_only=True)
class Named:
    """Built by names alone."""

    number: Int32
    text: str = "default"
    flag: bool


@dataclass(frozen=True, slots=True)
class Mixed:
    """Some by position, some by name, one not at all."""

    first: str
    named: Int8 = field(kw_only=True)
    second: list[int] = field(default_factory=list)
    size: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.second))


@dataclass
class Base:
    inherited: str
    more: UInt16 = 0


@dataclass
class Derived(Base):
    """The fields of its base come first."""

    own: bool = False


class Renamed(msgspec.Struct, rename="camel", tag="renamed", kw_only=True, omit_defaults=True):
    """What is meant for JSON does not disturb."""

    first_name: str
    last_name: str = ""


class MoreRenamed(Renamed, tag=7):
    age: Int8 | None = None
    numbers: list[Int8] = msgspec.field(default_factory=list, name="n")


@attrs.define
class Defined:
    number: Int32
    _private: str
    data: bytes = attrs.field(kw_only=True)
    size: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.data))


def as_tuple(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class Frozen(Defined):
    tags: tuple[str, ...] = attrs.field(factory=tuple, converter=as_tuple)


class Pair(NamedTuple):
    left: str
    right: Defined | None = None


class Options(TypedDict):
    """All keys must be there but one."""

    depth: Int8
    name: str
    limit: NotRequired[UInt16]
    root: str | None


class MoreOptions(Options, total=False):
    """No key of its own must be there but one."""

    flag: bool
    text: str
    kinds: list[Named]
    pair: Annotated[NotRequired[Pair], Field(name="couple")]
    must: Required[bytes]
    inner: Options


class Plain(TypedDict):
    a: Int32
    b: str


class Single(TypedDict):
    value: float


class Empty(TypedDict):
    pass


class Link(TypedDict, total=False):
    """Recursive, and each through the next."""

    next: Link
    by_name: dict[str, Chained]


@attrs.define
class Chained:
    links: list[Link]
    link: Link | None
    named: Folder | None


@dataclass(kw_only=True)
class Folder:
    chained: dict[str, Chained]
    folders: list[Folder]
