"""Parameters that cannot be packed, or filled in by the other side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec

import mpipc
from mpipc import Field, Int32


class Area(msgspec.Struct):
    width: Int32
    height: Int32


class Nothing(msgspec.Struct):
    pass


class User:
    pass


class Origin(msgspec.Struct):
    x: Int32


def origin() -> Origin:
    return Origin(0)


class Moved(msgspec.Struct):
    by: Int32
    origin: Origin | None = None


mpipc.hooks.supply(User, lambda peer: User())
mpipc.hooks.fill_in(Area, lambda: Area(1, 1))
mpipc.hooks.fill_in(Origin, origin)


@mpipc.interface
class Packed(ABC):
    @mpipc.method(packed={"area": int})
    @abstractmethod
    def no_struct(self, width: Int32) -> None: ...

    @mpipc.method(packed={"nothing": Nothing})
    @abstractmethod
    def no_fields(self, width: Int32) -> None: ...

    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def one_is_missing(self, width: Int32) -> None: ...

    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def one_is_between(self, width: Int32, depth: Int32, height: Int32) -> None: ...

    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def attributes(self, width: Annotated[Int32, Field(1)], height: Int32) -> None: ...

    @mpipc.method(packed={"moved": Moved})
    @abstractmethod
    def filled_in(self, by: Int32, origin: Origin | None = None) -> None: ...

    @mpipc.method(packed={"area": Area})
    @abstractmethod
    def names(self, width: Int32, height: Int32, area: int) -> None: ...


@mpipc.interface
class Supplied(ABC):
    @abstractmethod
    def by_position(self, peer: mpipc.Peer | None = None) -> None: ...

    @abstractmethod
    def without_none(self, *, peer: mpipc.Peer) -> None: ...

    @abstractmethod
    def without_default(self, *, peer: mpipc.Peer | None) -> None: ...

    @abstractmethod
    def callback(self, callback: Callable[[mpipc.Peer], None]) -> None: ...

    @abstractmethod
    def by_lambda(self, *, user: User | None = None) -> None: ...

    @abstractmethod
    def filled_in_by_lambda(self, area: Area | None = None) -> None: ...
