"""Every type and every attribute that a declaration can have."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, NewType, Optional

import mpipc
from mpipc import Field, Float32, Int8, Int32, Raises, UInt16, UInt64
from tests.declarations.shapes import Color, Point, Shape, Tree

if TYPE_CHECKING:
    from tests.declarations.later import Later

Height = NewType("Height", int)
Hash = bytes
Done = Annotated[Callable[[bool], None], mpipc.interface(name="Done", wrap="ProxyCallback<Done>")]


class Found(mpipc.Results):
    """Several results."""

    reason: str
    size: UInt64 | None
    result: bool


@mpipc.interface
class Base(ABC):
    """What others extend."""

    @abstractmethod
    def base_method(self) -> None: ...


class Between(Base):
    """No interface by itself."""

    def helper(self) -> int:
        return 1


@mpipc.interface(wrap="demo::Every", name="EveryOne")
class Every(Between):
    """One method for each rule."""

    LIMIT = 10

    def _private(self) -> int:
        return self.LIMIT

    @abstractmethod
    def primitives(self, a: bool, b: int, c: float, d: Int8, e: Float32, f: Height) -> UInt16: ...

    @abstractmethod
    def texts(self, a: str, b: Hash, c: "str", d: timedelta) -> bytes: ...  # noqa: UP037

    @abstractmethod
    def lists(
        self,
        a: list[Int8],
        b: tuple[str, ...],
        c: set[bytes],
        d: frozenset[int],
        e: Sequence[Point],
        f: typing.List[bool],  # noqa: UP006
        g: list[list[str]],
    ) -> None: ...

    @abstractmethod
    def maps(
        self, a: dict[str, Int32], b: Mapping[bytes, list[str]], c: dict[str, dict[str, Int32]]
    ) -> dict[str, Int32]: ...

    @abstractmethod
    def optionals(
        self,
        a: Int32 | None,
        b: Optional[str],  # noqa: UP045
        c: Annotated[bool | None, Field(name="seeIt")],
        d: Annotated[Shape | None, Field(has_flag=True)],
        e: Color | None = None,
        f: Int8 = 5,
    ) -> Int32 | None: ...

    @abstractmethod
    def structs(self, shape: Shape, tree: Tree, later: Later) -> Point: ...

    @abstractmethod
    def objects(self, every: Every, base: Base | None) -> list[Base]: ...

    @abstractmethod
    def several(self) -> Found: ...

    @abstractmethod
    def on_done(self, callback: Done, other: Done | None) -> None: ...

    @abstractmethod
    def on_tip(
        self, callback: Callable[[Annotated[Int32, Field(name="height")], Point], str]
    ) -> Callable[[], None]: ...

    @mpipc.method(name="isRBFOptIn", context=False, raises=ValueError)
    @abstractmethod
    def is_rbf_opt_in(self, tx: Annotated[bytes, Field(1)], a: bool) -> bool:
        """Said `isRBFOptIn`.

        With a second paragraph.
        """

    @mpipc.method(raises=[Raises(KeyError, "keyError", "demo::key", ordinal=1), OSError])
    @abstractmethod
    def raising(self) -> Found: ...


@mpipc.interface(destroy=False)
class Visitor(ABC):
    """An object that is called."""

    @abstractmethod
    def __call__(self, point: Point) -> bool: ...


@mpipc.interface(root=True)
class Root(ABC):
    @abstractmethod
    def make_every(self) -> Every: ...


@mpipc.interface(root=True)
class MoreRoot(Root):
    @abstractmethod
    def make_visitor(self) -> Visitor: ...
