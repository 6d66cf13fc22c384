"""Structs and enums: every type, every attribute."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar, get_origin
from uuid import UUID

import msgspec

import mpipc
from mpipc import (
    Field,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Microseconds,
    Milliseconds,
    Seconds,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    hooks,
)

Height = NewType("Height", int)
Hash = NewType("Hash", bytes)
T = TypeVar("T")


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    NONE = 0
    NEGATIVE = -(2**31)


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 255


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2
    BOTH = 3
    LAST = 1 << 30


class Numbers(msgspec.Struct, frozen=True):
    a: Int8
    b: UInt64
    c: Int16
    d: UInt8
    e: Int32
    f: Float32
    g: UInt16
    h: Float64
    i: Int64
    j: UInt32
    k: int
    m: float
    n: Height


class Bits(NamedTuple):
    """More of them than fit into a byte, with a number in between."""

    a: bool
    b: bool
    c: bool
    number: UInt16
    d: bool
    e: bool
    f: bool
    g: bool
    h: bool
    i: bool


@dataclass(frozen=True)
class Texts:
    text: str
    data: bytes
    again: str
    hash: Hash


class Row(msgspec.Struct, frozen=True):
    number: int
    text: str
    value: float
    data: bytes


class Point(NamedTuple):
    x: Int32
    y: Int32


class Empty(msgspec.Struct, frozen=True):
    """A struct of no size."""


@mpipc.struct(wrap="demo::Kinds")
@dataclass
class Kinds:
    """What travels as a number, but is none."""

    color: Color
    level: Annotated[Level, UInt8]
    rights: Rights
    narrow_rights: Annotated[Rights, Int64]
    wait: timedelta


@dataclass
class Optionals:
    boolean: bool | None
    number: Int8 | None
    real: Float32 | None
    color: Color | None
    wait: timedelta | None
    text: str | None
    data: bytes | None
    numbers: list[Int16] | None
    point: Point | None
    empty: Empty | None
    table: dict[str, int] | None
    marked_text: Annotated[str | None, Field(has_flag=True)]
    marked_point: Annotated[Point | None, Field(has_flag=True)]


class Defaults(msgspec.Struct, kw_only=False):
    """Values that are XORed with the default in the schema."""

    yes: Annotated[bool, Field(wire_default=True)]
    no: Annotated[bool, Field(wire_default=False)]
    also: Annotated[bool, Field(wire_default=True)]
    signed: Annotated[Int8, Field(wire_default=-1)]
    unsigned: Annotated[UInt64, Field(wire_default=2**64 - 1)]
    plain: Annotated[int, Field(wire_default=-(2**63))]
    zero: Annotated[Int32, Field(wire_default=0)]
    double: Annotated[float, Field(wire_default=0.1)]
    single: Annotated[Float32, Field(wire_default=0.1)]
    infinite: Annotated[float, Field(wire_default=float("-inf"))]
    nothing: Annotated[float, Field(wire_default=float("nan"))]
    minus_zero: Annotated[float, Field(wire_default=-0.0)]
    color: Annotated[Color, Field(wire_default=Color.GREEN)]
    wait: Annotated[timedelta, Field(wire_default=timedelta(seconds=1))]
    maybe: Annotated[Int16 | None, Field(wire_default=7)]
    perhaps: Annotated[bool | None, Field(wire_default=True)]


class Ordered(msgspec.Struct):
    """Ordinals in another order than the fields."""

    text: Annotated[str, Field(3)]
    first: Annotated[Int64, Field(0, name="renamed")]
    flag: Annotated[bool, Field(2)]
    second: Annotated[UInt8, Field(1)]


class Tree(msgspec.Struct):
    label: str
    left: Tree | None
    children: list[Tree]
    named: dict[str, Tree]


@mpipc.struct(name="Everything")
class Nested(msgspec.Struct):
    numbers: Numbers
    bits: Bits
    texts: Texts
    empty: Empty
    kinds: Kinds
    optionals: Optionals
    tree: Tree


@dataclass
class Lists:
    booleans: list[bool]
    bytes_: Annotated[list[UInt8], Field(name="octets")]
    shorts: tuple[Int16, ...]
    numbers: set[Int32]
    longs: frozenset[UInt64]
    singles: list[Float32]
    doubles: tuple[float, ...]
    texts: list[str]
    text_set: set[str]
    datas: tuple[bytes, ...]
    data_set: frozenset[bytes]
    colors: list[Color]
    levels: set[Annotated[Level, UInt8]]
    rights: tuple[Rights, ...]
    waits: list[timedelta]
    wait_set: frozenset[timedelta]


@dataclass
class Views:
    bytes_: memoryview
    maybe: Annotated[memoryview, UInt8] | None
    numbers: Annotated[memoryview, Int64]
    list_: list[memoryview]
    rows: list[Samples]
    table: dict[str, Annotated[memoryview, UInt16]]


@dataclass
class Samples:
    rate: Int32
    values: Annotated[memoryview, Float64]
    raw: memoryview


@dataclass
class StructLists:
    rows: list[Row]
    points: tuple[Point, ...]
    point_set: set[Point]
    empties: list[Empty]
    numbers: frozenset[Numbers]
    bits: list[Bits]
    texts: list[Texts]
    kinds: list[Kinds]
    optionals: list[Optionals]
    defaults: list[Defaults]
    ordered: list[Ordered]
    lists: list[Lists]


@dataclass
class Deep:
    numbers: list[list[int]]
    texts: list[list[list[str]]]
    points: list[tuple[Point, ...]]
    sets: list[set[bytes]]
    tables: list[dict[str, Int32]]


@dataclass
class Tables:
    counts: dict[str, Int32]
    names: dict[bytes, str]
    bits: dict[bool, bool]
    colors: dict[Color, timedelta]
    rows: dict[int, Row]
    lists: dict[Int8, list[Point]]
    deep: dict[str, dict[UInt8, tuple[str, ...]]]


@dataclass
class Standard:
    """Types of the standard library."""

    id: UUID
    amount: Decimal
    point: complex
    path: Path
    pure_path: PurePath
    posix_path: PurePosixPath
    windows_path: PureWindowsPath
    address: IPv4Address
    address6: IPv6Address
    network: IPv4Network
    network6: IPv6Network
    interface: IPv4Interface
    interface6: IPv6Interface
    moment: datetime
    naive: Annotated[datetime, msgspec.Meta(tz=False)]
    day: date
    clock: time
    seconds: Seconds
    milliseconds: Milliseconds
    microseconds: Microseconds
    maybe: datetime | None
    perhaps: UUID | None
    ids: list[UUID]
    moments: tuple[datetime, ...]
    days: set[date]
    nested: list[list[Decimal]]
    by_id: dict[UUID, datetime]


class Code(str):
    """Derived classes of it travel as Data."""


class Country(Code):
    """One of them."""


def build_code(value: Code) -> bytes:
    return value.encode("latin-1")


C = TypeVar("C", bound=Code)


def read_code(cls: type[C], data: bytes) -> C:
    return cls(data.decode("latin-1"))


@dataclass(frozen=True)
class Money:
    """Travels as another struct."""

    cents: int

    @classmethod
    def from_point(cls, point: Point) -> Money:
        return cls(point.x << 32 | point.y & 0xFFFFFFFF)

    def to_point(self) -> Point:
        low = self.cents & 0xFFFFFFFF
        return Point(self.cents >> 32, low - (low >> 31 << 32))


hooks.register(Code, wire=bytes, build=build_code, read=read_code, subclasses=True)
hooks.register(Money, wire=Point, build=Money.to_point, read=Money.from_point)


class Box(Generic[T]):
    """What is in it is a number, whatever it is called."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)


def is_box(annotation: object, metadata: tuple[object, ...]) -> bool:
    return get_origin(annotation) is Box


def build_box(value: Box[T]) -> int:
    return value.value


def read_box(number: int) -> Box[Any]:
    return Box(number)


hooks.register_if(is_box, wire=UInt8, build=build_box, read=read_box, name="Box")


@dataclass
class Hooked:
    """Types that travel as others."""

    code: Code
    country: Country
    maybe: Country | None
    countries: tuple[Country, ...]
    money: Money
    all_money: list[Money]
    box: Box[Code]
    boxes: set[Box[Code]]
    table: dict[Country, Box[Code]]
    maybe_box: Annotated[Box[Code] | None, Field(has_flag=True)]


Port = Annotated[UInt16, msgspec.Meta(ge=1, lt=49152)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=8, pattern=r"^[a-z\"\\]+$")]
Even = Annotated[Int32, msgspec.Meta(multiple_of=2)]
Mode = Literal["fast", "it's", 'a "quote"']


@dataclass
class Checked:
    """Values that must fulfil constraints."""

    port: Port
    maybe_port: Port | None
    label: Label
    maybe_label: Label | None
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)]
    single: Annotated[Float32, msgspec.Meta(gt=-1.5, multiple_of=0.25)]
    evens: Annotated[tuple[Even, ...], msgspec.Meta(min_length=2, max_length=3)]
    labels: list[Label]
    label_set: Annotated[frozenset[Label], msgspec.Meta(min_length=1)]
    hash: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    ports: Annotated[dict[Label, Port], msgspec.Meta(max_length=2)]
    path: Annotated[Path, msgspec.Meta(max_length=5)]
    mode: Mode
    maybe_mode: Literal["on", "off", None]
    number: Annotated[Literal[1, -2], Int8]
    color: Literal[Color.RED, Color.GREEN]
    colors: set[Literal[Color.RED, Color.GREEN]]
    modes: tuple[Mode, ...]
    by_mode: dict[Mode, list[list[Even]]]
    key: Literal[b"a", b"b"]


@mpipc.enum
class Season(enum.Enum):
    """When it is."""

    SPRING = "blossoms"
    SUMMER_TIME = 3.5
    autumn = None
    ALSO_SPRING = "blossoms"  # noqa: PIE796


class Word(str, enum.Enum):
    YES = "yes"
    NO = "no, not at all"


class Bit(enum.Flag):
    A = 1
    B = 2


@dataclass
class Enums:
    """Enums of every kind."""

    season: Season
    maybe_season: Season | None
    seasons: list[Season]
    nested: tuple[tuple[Season, ...], ...]
    by_season: dict[Season, Word]
    summer: Literal[Season.SUMMER_TIME]
    word: Word
    maybe_word: Word | None
    words: set[Word]
    yes: Literal[Word.YES]
    bits: Bit
    wide_bits: Annotated[Bit, UInt64]
    many_bits: list[Bit]


@dataclass
class Mixed:
    """Tuples of several types, and None inside of containers."""

    pair: tuple[int, str]
    single: tuple[Color]
    triple: tuple[bool, Point, list[int]]
    pairs: list[tuple[int, str]]
    pair_set: set[tuple[int, str]]
    nested: tuple[tuple[int, str], tuple[UUID, datetime]]
    maybe_pair: tuple[int | None, str | None, Point | None] | None
    maybe_pairs: list[tuple[int | None, bool]]
    by_pair: dict[tuple[int, str], tuple[float]]
    texts: list[str | None]
    datas: tuple[bytes | None, ...]
    lists: list[list[int] | None]
    tables: list[dict[str, int] | None]
    paths: set[Path | None]
    counts: dict[str, int | None]
    names: dict[str, str | None]
    points: dict[int, Point | None]
    trees: tuple[Tree, int]
