"""Every mistake that a declaration can have, for the golden file `data/errors.txt`."""

from __future__ import annotations

import datetime
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec

import mpipc
from mpipc import Field, Float32, Int8, Int32

if TYPE_CHECKING:
    from tests.declarations.nowhere import Missing  # type: ignore

T = TypeVar("T")


class Undecorated(ABC):
    @abstractmethod
    def ping(self) -> None: ...


@mpipc.interface
class Types(ABC):
    """One wrong type in each method."""

    @abstractmethod
    def unknown_name(self, a: Missing) -> None: ...
    @abstractmethod
    def union(self, a: Int8 | Int32) -> None: ...
    @abstractmethod
    def any(self, a: Any) -> None: ...
    @abstractmethod
    def none(self, a: None) -> None: ...
    @abstractmethod
    def mutable(self, a: bytearray) -> None: ...
    @abstractmethod
    def bare_list(self, a: list) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def bare_dict(self, a: dict) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def bare_callable(self, a: Callable) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def any_arguments(self, a: Callable[..., None]) -> None: ...
    @abstractmethod
    def no_items(self) -> tuple[()]: ...
    @abstractmethod
    def none_inside(self, a: list[int | None]) -> None: ...
    @abstractmethod
    def field_inside(self, a: list[Annotated[int, Field(name="b")]]) -> None: ...
    @abstractmethod
    def wrong_alias(self, a: Annotated[float, Int32.__metadata__[0]]) -> None: ...
    @abstractmethod
    def wrong_ticks(self, a: Annotated[datetime.timedelta, Float32]) -> None: ...
    @abstractmethod
    def undecorated(self, a: Undecorated) -> None: ...
    @abstractmethod
    def implementation(self, a: Implementation) -> None: ...
    @abstractmethod
    def generic(self, a: Box) -> None: ...  # type: ignore[type-arg]
    @abstractmethod
    def results_inside(self, a: list[Found]) -> None: ...
    @abstractmethod
    def optional_results(self) -> Found | None: ...
    @abstractmethod
    def text_enum(self, a: Word) -> None: ...
    @abstractmethod
    def big_enum(self, a: Annotated[Number, Int8]) -> None: ...
    @abstractmethod
    def nested(self, a: Outer.Inner) -> None: ...
    @abstractmethod
    def callback(self, a: Callable[[int, object], None]) -> None: ...


class Box(msgspec.Struct, Generic[T]):
    value: T


class Found(mpipc.Results):
    result: bool


class Word(enum.Enum):
    YES = ("yes",)


class Number(enum.Enum):
    BIG = 1000


class Outer:
    class Inner(msgspec.Struct):
        a: int


class Implementation(Types):
    pass


@mpipc.interface
class Parameters(ABC):
    """One wrong parameter list or attribute in each method."""

    @abstractmethod
    def no_type(self, a) -> None: ...  # type: ignore[no-untyped-def]
    @abstractmethod
    def no_return_type(self): ...  # type: ignore[no-untyped-def]
    @abstractmethod
    def any_number(self, *a: int) -> None: ...
    @abstractmethod
    def any_name(self, **a: int) -> None: ...
    @abstractmethod
    def by_keyword(self, *, a) -> None: ...  # type: ignore[no-untyped-def]
    @abstractmethod
    def without_self() -> None: ...  # type: ignore[misc]
    @property
    @abstractmethod
    async def asynchronous(self) -> int: ...
    @classmethod
    @abstractmethod
    def prop(cls) -> int: ...
    @staticmethod
    @abstractmethod
    def static() -> None: ...
    @abstractmethod
    def _private(self) -> None: ...
    @mpipc.method(context=False)  # noqa: B027
    def not_abstract(self) -> None: ...
    @abstractmethod
    def context(self, context: int) -> None: ...
    @mpipc.method(raises=[ValueError, KeyError])
    @abstractmethod
    def same_exception(self) -> None: ...
    @abstractmethod
    def no_annotation(self, a: 3) -> None: ...  # type: ignore[valid-type]
    @abstractmethod
    def no_expression(self, a: "list[") -> None: ...  # type: ignore[valid-type] # noqa: F722
    @abstractmethod
    def same_name(self, a_b: int, aB: int) -> None: ...
    @abstractmethod
    def flag_name(self, a: int | None, has_a: bool) -> None: ...
    @abstractmethod
    def equal_ordinals(self, a: Annotated[int, Field(1)], b: Annotated[int, Field(1)]) -> None: ...
    @abstractmethod
    def gap(self, a: Annotated[int, Field(5)]) -> None: ...
    @abstractmethod
    def flag_of_nothing(self, a: Annotated[str, Field(has_flag=True)]) -> None: ...
    @abstractmethod
    def no_flag(self, a: Annotated[int | None, Field(has_flag=False)]) -> None: ...
    @abstractmethod
    def bad_default(self, a: Annotated[Int8, Field(wire_default=300)]) -> None: ...
    @abstractmethod
    def text_default(self, a: Annotated[str, Field(wire_default="x")]) -> None: ...
    @abstractmethod
    def schema_name(self, a: Annotated[int, Field(name="a_b")]) -> None: ...


@mpipc.interface
class EqualOrdinals(ABC):
    @mpipc.method(1)
    @abstractmethod
    def a(self) -> None: ...
    @mpipc.method(1)
    @abstractmethod
    def b(self) -> None: ...


@mpipc.interface
class Gap(ABC):
    @mpipc.method(3)
    @abstractmethod
    def a(self) -> None: ...


@mpipc.interface
class DestroyOrdinal(ABC):
    @mpipc.method(0)
    @abstractmethod
    def a(self) -> None: ...


@mpipc.interface
class SameMethodName(ABC):
    @abstractmethod
    def get_it(self) -> None: ...
    @abstractmethod
    def getIt(self) -> None: ...


@mpipc.interface
class Destroys(ABC):
    @abstractmethod
    def destroy(self) -> None: ...


@mpipc.interface(root=True)
class Constructs(ABC):
    @abstractmethod
    def construct(self) -> None: ...


@mpipc.interface
class NoAbc:
    pass


@mpipc.interface
class PlainBase(Undecorated):
    pass


@mpipc.interface
class Again(DestroyOrdinal):
    @abstractmethod
    def a(self) -> None: ...


@mpipc.interface(name="lower")
class LowerCase(ABC):  # noqa: B024
    pass


@mpipc.interface
class Text(ABC):  # noqa: B024
    pass


@mpipc.struct
class NoStruct:
    pass


@mpipc.struct
class Fields(msgspec.Struct):
    a: object
    b: Annotated[int, Field(name="c")]
    c: int


@mpipc.struct
@dataclass
class InitOnly:
    a: InitVar[int]
    b: int = 0


@mpipc.struct
@dataclass(init=False)
class OwnInit:
    a: int

    def __init__(self, *, a: int, twice: bool = False) -> None:
        self.a = a


@mpipc.struct
class same_case(msgspec.Struct):
    a: int


@mpipc.interface
class CallbackNames(ABC):
    @abstractmethod
    def a(self, a: Annotated[Callable[[int], None], mpipc.interface(name="Done")]) -> None: ...
    @abstractmethod
    def b(self, b: Annotated[Callable[[str], None], mpipc.interface(name="Done")]) -> None: ...
