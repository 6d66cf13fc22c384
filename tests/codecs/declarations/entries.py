"""Dicts in a module that has structs for their entries."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc
from interfaces.common import Pair, PairInt64, PairUInt64
from mpipc import Int32, UInt64

__all__ = ["Pair", "PairInt64", "PairUInt64"]


@mpipc.interface
class Entries(ABC):
    @abstractmethod
    def texts(self, x: dict[str, list[bytes]]) -> dict[str, list[bytes]]: ...
    @abstractmethod
    def integers(self, x: dict[bytes, int]) -> dict[bytes, int]: ...
    @abstractmethod
    def counts(self, x: dict[str, UInt64]) -> dict[str, UInt64]: ...
    @abstractmethod
    def within(self, x: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]: ...
    @abstractmethod
    def keys(self, x: dict[int, str]) -> dict[int, str]: ...
    @abstractmethod
    def small(self, x: dict[str, Int32]) -> dict[str, Int32]: ...
    @abstractmethod
    def maybe(self, x: dict[str, str | None]) -> dict[str, str | None]: ...
