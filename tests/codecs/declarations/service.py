"""Interfaces whose methods take and give everything there is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from typing_extensions import Buffer

import mpipc
from mpipc import Field, Float32, Int8, Int32, Raises, UInt16, UInt64
from tests.codecs.declarations.values import (
    Bits,
    Checked,
    Color,
    Country,
    Deep,
    Defaults,
    Empty,
    Enums,
    Hash,
    Height,
    Hooked,
    Kinds,
    Level,
    Lists,
    Mixed,
    Mode,
    Nested,
    Numbers,
    Optionals,
    Ordered,
    Point,
    Port,
    Rights,
    Row,
    Season,
    Standard,
    StructLists,
    Tables,
    Texts,
    Tree,
    Views,
)

ORIGIN = Point(0, 0)


class NotThere(Exception):
    """Declared, so it travels as a result."""


class Found(mpipc.Results):
    """Several results."""

    reason: str
    size: UInt64 | None
    row: Row
    result: bool


@mpipc.interface
class Echo(ABC):
    """Each method returns what it is given: `tests.codecs` calls them all."""

    @abstractmethod
    def nothing(self) -> None: ...

    @abstractmethod
    def boolean(self, value: bool) -> bool: ...

    @abstractmethod
    def number(self, value: int) -> int: ...

    @abstractmethod
    def real(self, value: Float32) -> Float32: ...

    @abstractmethod
    def text(self, value: str) -> str: ...

    @abstractmethod
    def data(self, value: bytes) -> bytes: ...

    @abstractmethod
    def color(self, value: Color) -> Color: ...

    @abstractmethod
    def rights(self, value: Annotated[Rights, UInt64]) -> Rights: ...

    @abstractmethod
    def wait(self, value: timedelta) -> timedelta: ...

    @abstractmethod
    def height(self, value: Height) -> Height: ...

    @abstractmethod
    def hash(self, value: Hash) -> Hash: ...

    @abstractmethod
    def maybe_number(self, value: Int8 | None) -> Int8 | None: ...

    @abstractmethod
    def maybe_boolean(self, value: bool | None) -> bool | None: ...

    @abstractmethod
    def maybe_text(self, value: str | None) -> str | None: ...

    @abstractmethod
    def maybe_row(self, value: Row | None = None) -> Row | None: ...

    @abstractmethod
    def marked_row(
        self, value: Annotated[Row | None, Field(has_flag=True)]
    ) -> Annotated[Row | None, Field(has_flag=True)]: ...

    @abstractmethod
    def numbers(self, value: Numbers) -> Numbers: ...

    @abstractmethod
    def bits(self, value: Bits) -> Bits: ...

    @abstractmethod
    def texts(self, value: Texts) -> Texts: ...

    @abstractmethod
    def row(self, value: Row) -> Row: ...

    @abstractmethod
    def empty(self, value: Empty) -> Empty: ...

    @abstractmethod
    def kinds(self, value: Kinds) -> Kinds: ...

    @abstractmethod
    def optionals(self, value: Optionals) -> Optionals: ...

    @abstractmethod
    def defaults(self, value: Defaults) -> Defaults: ...

    @abstractmethod
    def ordered(self, value: Ordered) -> Ordered: ...

    @abstractmethod
    def tree(self, value: Tree) -> Tree: ...

    @abstractmethod
    def nested(self, value: Nested) -> Nested: ...

    @abstractmethod
    def lists(self, value: Lists) -> Lists: ...

    @abstractmethod
    def struct_lists(self, value: StructLists) -> StructLists: ...

    @abstractmethod
    def deep(self, value: Deep) -> Deep: ...

    @abstractmethod
    def tables(self, value: Tables) -> Tables: ...

    @abstractmethod
    def standard(self, value: Standard) -> Standard: ...

    @abstractmethod
    def standards(self, value: list[Standard]) -> list[Standard]: ...

    @abstractmethod
    def hooked(self, value: Hooked) -> Hooked: ...

    @abstractmethod
    def moment(self, value: datetime) -> datetime: ...

    @abstractmethod
    def country(self, value: Country | None) -> Country | None: ...

    @abstractmethod
    def ids(self, value: dict[UUID, list[UUID]]) -> dict[UUID, list[UUID]]: ...

    @abstractmethod
    def enums(self, value: Enums) -> Enums: ...

    @abstractmethod
    def season(self, value: Season | None) -> Season: ...

    @abstractmethod
    def mixed_values(self, value: Mixed) -> Mixed: ...

    @abstractmethod
    def mixed_list(self, value: list[Mixed]) -> list[Mixed]: ...

    @abstractmethod
    def pair(self, value: tuple[int, str]) -> tuple[int, str]: ...

    @abstractmethod
    def pairs(self, value: list[tuple[int, str | None]]) -> list[tuple[int, str | None]]: ...

    @abstractmethod
    def texts_or_none(self, value: list[str | None]) -> list[str | None]: ...

    @abstractmethod
    def checked(self, value: Checked) -> Checked: ...

    @abstractmethod
    def many_checked(self, value: list[Checked]) -> list[Checked]: ...

    @abstractmethod
    def port(self, value: Port) -> Port: ...

    @abstractmethod
    def mode(self, value: Mode) -> Mode: ...

    @abstractmethod
    def modes(self, value: Sequence[Mode] | None) -> None: ...

    @abstractmethod
    def sequence(self, value: Sequence[Row]) -> list[Row]: ...

    @abstractmethod
    def mapping(self, value: Mapping[Int8, Color]) -> dict[Int8, Color]: ...

    @abstractmethod
    def trees(self, value: list[Tree]) -> list[Tree]: ...

    @abstractmethod
    def view(self, value: memoryview) -> memoryview: ...

    @abstractmethod
    def maybe_view(self, value: Buffer | None) -> memoryview | None: ...

    @abstractmethod
    def reals(self, value: Annotated[Buffer, Float32]) -> Annotated[memoryview, Float32]: ...

    @abstractmethod
    def views(self, value: Views) -> Views: ...

    @mpipc.method(context=False)
    @abstractmethod
    def without_context(self, value: list[Point]) -> list[Point]: ...


@mpipc.interface
class Many(ABC):
    """Parameters and results of several kinds at once."""

    @abstractmethod
    def mixed(
        self,
        a: bool,
        text: str,
        b: bool | None,
        number: Annotated[Int8, Field(wire_default=-7)],
        level: Annotated[Level, UInt16],
        real: Annotated[float | None, Field(wire_default=1.5)],
        points: list[Point],
        c: Annotated[bool, Field(wire_default=True)],
        table: dict[str, Rights],
    ) -> None: ...

    @abstractmethod
    def results(self, value: Int32) -> Found: ...

    @mpipc.method(raises=[NotThere, Raises(KeyError, "keyError", "demo::key", ordinal=2)])
    @abstractmethod
    def raising(self, which: Int32) -> bytes: ...

    @mpipc.method(raises=ValueError)
    @abstractmethod
    def only_raising(self) -> None: ...

    @abstractmethod
    def defaulted(
        self,
        number: int = -1,
        text: str = 'it\'s "quoted"',
        wait: timedelta = timedelta.max,
        point: Point = ORIGIN,
        nothing: Row | None = None,
    ) -> bool: ...


@mpipc.interface
class Objects(ABC):
    """Objects by reference."""

    @abstractmethod
    def objects(self, one: Many, maybe: Many | None, all: list[Many]) -> list[Many]: ...

    @abstractmethod
    def table(self, value: dict[str, Many]) -> dict[str, Many]: ...

    @abstractmethod
    def call(self, function: Callable[[Int32, Row], str]) -> Callable[[], None] | None: ...


@mpipc.interface(destroy=False)
class Clashing(ABC):
    """Names that generated code might use itself."""

    @abstractmethod
    def e(self, e: Int8, duration: timedelta, misfit: str, list: list[int]) -> timedelta: ...

    @abstractmethod
    def params_out(self, Writer: bool, len: list[Row], dict: dict[str, Int8]) -> Color: ...

    @abstractmethod
    def get(self, BIT: bool, zip: list[Row], Struct: Point) -> tuple[bool, ...]: ...

    @abstractmethod
    def get_serve(self, row: Row, value: int, values: list[str]) -> bool | None:
        r"""Ends in a quote: "\n" and in "quotes" """

    @abstractmethod
    def id(self, lo_result: Int8, hi_result: Int8, bits_0: bool, service: bool) -> Int8:
        """ "Begins" and ends with "quotes"."""
