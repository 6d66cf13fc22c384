"""Iterators that cannot travel, and places where none can stand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from typing import Annotated

import msgspec

import mpipc


class Table(msgspec.Struct):
    rows: Iterator[int]


@mpipc.interface
class Streams(ABC):
    @abstractmethod
    def bare(self, rows: Iterator) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def sent(self) -> Generator[int, str, None]: ...
    @abstractmethod
    def in_list(self, rows: list[Iterator[int]]) -> None: ...
    @abstractmethod
    def in_dict(self) -> dict[str, Iterable[int]]: ...
    @abstractmethod
    def in_stream(self) -> Iterator[Iterator[int]]: ...
    @abstractmethod
    def in_union(self, rows: Iterator[int] | str) -> None: ...
    @abstractmethod
    def in_struct(self, table: Table) -> None: ...
    @abstractmethod
    def nothing(self) -> Iterator[mpipc.Void]: ...
    @abstractmethod
    def missing(self) -> Iterator[int | None]: ...
    @abstractmethod
    def a(self, a: Annotated[Iterator[int], mpipc.interface(name="Rows")]) -> None: ...
    @abstractmethod
    def b(self, b: Annotated[Iterator[str], mpipc.interface(name="Rows")]) -> None: ...
