"""Methods of every shape, and interfaces that extend others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Annotated, ClassVar

import mpipc
from mpipc import Field, Int8, Int32, UInt8


class Closed(Exception):
    """Declared, so it travels."""


class Moved(mpipc.Results):
    """An in-out parameter is a result of the same name."""

    position: Int32
    steps: UInt8 | None
    result: bool


@mpipc.interface
class Named(ABC):
    @property
    @abstractmethod
    def name(self) -> str:
        """A property."""

    @property
    @mpipc.method(name="isOpen", raises=Closed)
    @abstractmethod
    def open(self) -> bool | None: ...


@mpipc.interface
class Sized(Named):
    @abstractmethod
    def size(self) -> Int32: ...


@mpipc.interface
class Moving(Named):
    LIMIT: ClassVar[int] = 10
    unit = "m"

    @abstractmethod
    def move(self, position: Int32, by: Int8, /, steps: UInt8 | None = None) -> Moved: ...

    def step(self) -> Moved:
        """Local: what it calls is remote."""
        return self.move(0, 1, self.limit())

    @property
    def title(self) -> str:
        return f"{self.name} ({self.unit})"

    @staticmethod
    def limit() -> int:
        return Moving.LIMIT

    @classmethod
    def kind(cls) -> str:
        return cls.__mro__[-1].__name__

    def _hook(self) -> None: ...


@mpipc.interface
class Robot(Sized, Moving):
    """A diamond."""

    @abstractmethod
    def options(
        self,
        first: bool,
        second: str = "two",
        *,
        must: Int8,
        wait: timedelta = timedelta.max,
        count: Annotated[int | None, Field(name="number", wire_default=7)] = None,
    ) -> list[Robot]: ...

    @abstractmethod
    def keywords(self, *, a: bool, b: Robot | None) -> bool: ...


@mpipc.interface(root=True)
class Factory(ABC):
    @abstractmethod
    def make(self) -> Robot: ...
