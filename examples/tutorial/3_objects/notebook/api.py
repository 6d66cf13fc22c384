"""A struct, which is copied, and interfaces, which are not."""

from abc import ABC, abstractmethod

import msgspec

import mpipc
from mpipc import Int32


class Note(msgspec.Struct, frozen=True):
    text: str
    stars: Int32 | None = None


@mpipc.interface
class Notebook(ABC):
    @abstractmethod
    def add(self, note: Note) -> None: ...

    @abstractmethod
    def notes(self) -> list[Note]: ...


@mpipc.interface(root=True)
class Shelf(ABC):
    @abstractmethod
    def make(self, title: str) -> Notebook: ...

    @abstractmethod
    def find(self, title: str) -> Notebook | None: ...

    @abstractmethod
    def copy(self, source: Notebook, target: Notebook) -> None: ...
