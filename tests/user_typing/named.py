"""What a user writes, with names for types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, NewType

import msgspec

import mpipc

Id = NewType("Id", int)
Name = NewType("Name", str)


class Person(msgspec.Struct, frozen=True):
    id: Id
    title: Literal["Dr", "Prof"] | None = None
    names: tuple[Name, ...] = ()


@mpipc.interface
class Directory(ABC):
    @abstractmethod
    def people(self, ids: dict[Name, list[Id]]) -> list[Person]: ...

    @abstractmethod
    def ids(self) -> dict[tuple[Id, Name], dict[Name, frozenset[Id]]]: ...


class RealDirectory(Directory):
    def people(self, ids: dict[Name, list[Id]]) -> list[Person]:
        return [Person(id, "Dr", (name,)) for name, found in ids.items() for id in found]

    def ids(self) -> dict[tuple[Id, Name], dict[Name, frozenset[Id]]]:
        return {}


def use(directory: Directory) -> Id:
    return directory.people({Name("Ada"): [Id(1)]})[0].id
