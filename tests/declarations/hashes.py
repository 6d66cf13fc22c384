"""Sets and dicts of what has a hash, for other reasons than that it is frozen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import NamedTuple

import attrs
import msgspec

import mpipc


class Written(msgspec.Struct):
    """With a hash that somebody wrote."""

    name: str
    items: list[int]

    def __hash__(self) -> int:
        return hash(self.name)


class Tree(msgspec.Struct, frozen=True):
    """It contains others of its own kind."""

    name: str
    inner: tuple[Tree, ...]


class Pair(NamedTuple):
    left: int
    right: frozenset[str]


@dataclass(unsafe_hash=True)
class Marked:
    """Its list does not count."""

    name: str
    items: list[int] = field(hash=False)


@attrs.frozen
class Fixed:
    x: int
    y: tuple[str, ...]


@mpipc.interface
class Hashed(ABC):
    @abstractmethod
    def written(self, values: set[Written]) -> frozenset[Written]: ...
    @abstractmethod
    def trees(self, values: frozenset[Tree]) -> dict[Tree, str]: ...
    @abstractmethod
    def pairs(self, values: dict[Pair, list[int]]) -> set[Pair]: ...
    @abstractmethod
    def marked(self, values: set[Marked]) -> dict[Marked, Fixed]: ...
    @abstractmethod
    def fixed(self, values: set[Fixed]) -> set[Fixed | str]: ...
    @abstractmethod
    def keys(self, values: dict[tuple[int, ...], str]) -> dict[frozenset[str], int]: ...
