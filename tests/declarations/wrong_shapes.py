"""Mistakes in the shape of structs, interfaces and methods, as in `wrong.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Generic, TypeVar

import attrs
import msgspec
from typing_extensions import NotRequired, TypedDict, overload

import mpipc
from mpipc import Field, Int8, Int32


@mpipc.interface
class Methods(ABC):
    """One wrong method after the other."""

    def forgotten(self) -> None:  # noqa: B027
        """Its body is only this."""

    @mpipc.method(raises=[LookupError, mpipc.Raises(KeyError, "missing")])
    @abstractmethod
    def never_raised(self) -> None: ...


@mpipc.struct
class Both(TypedDict):
    a: NotRequired[int | None]
    b: NotRequired[mpipc.Void]


class Options(TypedDict):
    a: int


NoName = TypedDict("NoName", {"a-b": int})
mpipc.struct(NoName)


class Other(TypedDict):
    b: int


@mpipc.interface
class Unions(ABC):
    """Unions whose alternatives cannot be told apart, or that have one name."""

    @abstractmethod
    def integers(self, a: Int8 | Int32) -> None: ...
    @abstractmethod
    def dicts(self, a: list[Options | Other]) -> None: ...
    @abstractmethod
    def lists(self, a: list[int] | list[str]) -> None: ...
    @abstractmethod
    def nothing(self, a: list[int | str | None]) -> None: ...
    @abstractmethod
    def names(self, a: dict[int | str, int | bytes]) -> None: ...
    @abstractmethod
    def anything(self, a: int | object) -> None: ...
    @abstractmethod
    def field_names(self, a: Annotated[int, Field(name="text")] | str) -> None: ...


@mpipc.struct
@attrs.define
class Untyped:
    a = attrs.field()  # type: ignore[var-annotated]


@mpipc.interface
class MoreMethods(ABC):
    """One wrong method after the other."""

    @property
    @abstractmethod
    def settable(self) -> int: ...
    @settable.setter
    @abstractmethod
    def settable(self, value: int) -> None: ...

    @property
    @mpipc.method(name="isOpen")
    def local(self) -> int:
        return 1

    @overload
    def overloaded(self, a: int) -> int: ...
    @overload
    def overloaded(self, a: str) -> str: ...
    @abstractmethod
    def overloaded(self, a: int | str) -> int | str: ...

    @overload
    @abstractmethod
    def no_implementation(self, a: int) -> int: ...
    @overload
    @abstractmethod
    def no_implementation(self, a: str) -> str: ...


@mpipc.interface
class Left(ABC):
    @abstractmethod
    def get(self) -> int: ...


@mpipc.interface
class Right(ABC):
    @abstractmethod
    def get(self) -> int: ...


@mpipc.interface
class TwoSides(Left, Right):
    pass


T = TypeVar("T")


class Pair(msgspec.Struct, Generic[T]):
    left: T
    other: list[Unbound]  # type: ignore[valid-type]


Unbound = TypeVar("Unbound")


@mpipc.interface
class Store(ABC, Generic[T]):
    @abstractmethod
    def get(self) -> T: ...


@mpipc.interface(root=True)
class GenericRoot(ABC, Generic[T]):
    @abstractmethod
    def get(self) -> T: ...


@mpipc.interface
class Generics(ABC):
    @abstractmethod
    def nothing(self, a: Pair[int | None]) -> None: ...
    @abstractmethod
    def unbound(self, a: Pair[int]) -> None: ...
    @abstractmethod
    def bare(self, a: Store) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def root(self, a: GenericRoot[int]) -> None: ...
    @abstractmethod
    def free(self, a: T) -> T: ...
    @abstractmethod
    def one_name(self, a: Annotated[Store[int], mpipc.interface(name="One")]) -> None: ...
    @abstractmethod
    def same_name(self, a: Annotated[Store[str], mpipc.interface(name="One")]) -> None: ...


@mpipc.interface
class Bare(Store):  # type: ignore[type-arg]
    pass
