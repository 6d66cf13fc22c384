"""Mistakes in how declared types are used, as in `wrong.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Generic, TypeVar

import msgspec

import mpipc
from mpipc import Field
from tests.declarations import plain

K = TypeVar("K")
V = TypeVar("V")


class Leaf(msgspec.Struct):
    """Called like one of `plain`."""

    value: str


@mpipc.struct(generic=True)
class Row(msgspec.Struct, Generic[K, V]):
    key: K
    value: V


@mpipc.struct(generic=True)
class Texts(msgspec.Struct, Generic[K]):
    key: K
    value: str


@mpipc.interface
class Uses(ABC):
    @abstractmethod
    def reserved(self, reserved1_get: int) -> None: ...
    @abstractmethod
    def flag(self, a: Annotated[int | None, Field(has_flag=str)]) -> None: ...
    @abstractmethod
    def number(self, a: Row[int, str]) -> None: ...
    @abstractmethod
    def first_row(self, a: Row[Leaf, str]) -> None: ...
    @abstractmethod
    def second_row(self, a: Row[plain.Leaf, str]) -> None: ...
    @abstractmethod
    def first_dict(self, a: dict[str, Leaf]) -> None: ...
    @abstractmethod
    def second_dict(self, a: dict[str, plain.Leaf]) -> None: ...
    @abstractmethod
    def bits(self, a: Annotated[memoryview, mpipc.Void]) -> None: ...
    @abstractmethod
    def no_entry(self, a: Annotated[dict[str, int], Leaf]) -> None: ...
    @abstractmethod
    def other_entry(self, a: Annotated[dict[str, bytes], Texts]) -> None: ...
    @abstractmethod
    def generic_union(self, a: Annotated[int | str, mpipc.struct(generic=True)]) -> None: ...
    @abstractmethod
    def type_parameters(self, a: K | V) -> None: ...


@mpipc.struct(generic=True)
class Inside(msgspec.Struct, Generic[K]):
    key: K
    more: dict[str, K]
