"""What slips from the pen of somebody who is new to it, for the golden file `data/errors.txt`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Annotated, Protocol

import msgspec
from typing_extensions import Self

import mpipc
from mpipc import Field, Float32, Int32, UInt8


class Stopping(Protocol):
    def stop(self) -> None: ...


@mpipc.interface
class Attributes(ABC):
    @abstractmethod
    def no_parentheses(self, a: Annotated[int, Field]) -> None: ...
    @abstractmethod
    def none_of_meta(self, a: Annotated[int, msgspec.Meta]) -> None: ...
    @abstractmethod
    def of_elements(self, a: Annotated[list[int], UInt8]) -> None: ...
    @abstractmethod
    def no_ordinal(self, a: Annotated[int, Field("b")]) -> None: ...
    @abstractmethod
    def below_zero(self, a: Annotated[int | None, Field(-1)]) -> None: ...
    @abstractmethod
    def no_type(self, a: "Annotated[str, msgspec.Meta(ge='a')]") -> None: ...  # noqa: UP037


@mpipc.interface
class Named(ABC):
    @mpipc.method("get")  # type: ignore[arg-type]
    @abstractmethod
    def get_name(self) -> str: ...


@mpipc.interface
class Numbered(ABC):
    @mpipc.method(-1)
    @abstractmethod
    def get_name(self) -> str: ...


@mpipc.interface
class Exceptions(ABC):
    @mpipc.method(raises="ValueError")  # type: ignore[arg-type]
    @abstractmethod
    def by_name(self) -> None: ...
    @mpipc.method(raises=[int])  # type: ignore[list-item]
    @abstractmethod
    def no_exception(self) -> None: ...
    @mpipc.method(raises={ValueError})  # type: ignore[arg-type]
    @abstractmethod
    def in_a_set(self) -> None: ...


@mpipc.interface
class Defaults(ABC):
    @abstractmethod
    def nothing(self, a: str = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013
    @abstractmethod
    def too_large(self, a: UInt8 = 256, b: Int32 | None = 1 << 31) -> None: ...
    @abstractmethod
    def other_types(
        self,
        a: int = "1",  # type: ignore[assignment]
        b: Float32 = "1",  # type: ignore[assignment]
        c: bool = 1,  # type: ignore[assignment]
        d: str = b"",  # type: ignore[assignment]
        e: Annotated[int, Field(secret=True)] = "secret",  # type: ignore[assignment]
    ) -> None: ...


@mpipc.interface
class Types(ABC):
    @abstractmethod
    def awaited(self) -> Awaitable[int]: ...
    @abstractmethod
    def itself(self) -> Self: ...
    @abstractmethod
    def protocol(self, a: Stopping) -> None: ...
