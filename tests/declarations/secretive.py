"""Secrets wherever they may stand."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, NamedTuple, TypeVar

import msgspec
from typing_extensions import TypedDict

import mpipc
from mpipc import Field, Int32, hooks

T = TypeVar("T")
Password = Annotated[str, Field(secret=True)]


class Pin(Exception):
    """A word of digits; what is none is refused with a text that shows it."""

    def __init__(self, digits: str) -> None:
        if not digits.isdigit():
            raise ValueError(f"{digits!r} are no digits")
        self.digits = digits


def build_pin(pin: Pin) -> str:
    return pin.digits


hooks.register(Pin, wire=str, build=build_pin, read=Pin)


SecretPin = Annotated[Pin, Field(secret=True)]


class Level(enum.Enum):
    """A secret can be a number, too."""

    LOW = 1
    HIGH = 2


class Login(msgspec.Struct, frozen=True):
    """One of its fields is secret."""

    user: str
    password: Password


@mpipc.struct(secret=True)
@dataclass(frozen=True)
class Key:
    """All of it is secret."""

    seed: bytes
    path: str


class Backup(msgspec.Struct, frozen=True):
    """Has secrets inside of what it has."""

    name: str
    logins: list[Login]
    key: Key | None


class Hints(TypedDict):
    """A dict like any other."""

    hint: Password


class Pair(NamedTuple):
    """A tuple like any other."""

    left: Annotated[Int32, Field(secret=True)]
    right: Int32


class Box(msgspec.Struct, Generic[T], frozen=True):
    """Holds something secret."""

    inside: Annotated[T, Field(secret=True)]


class Opened(mpipc.Results):
    """Several results, one of which is secret."""

    token: Password
    result: bool


@mpipc.interface(root=True)
class Safe(ABC):
    """Takes and gives secrets."""

    @abstractmethod
    def open(self, user: str, password: Password, *, pin: SecretPin) -> str:
        """A result that is none."""

    @abstractmethod
    def reveal(self, user: str) -> Password:
        """A secret result."""

    @abstractmethod
    def several(self, user: str) -> Opened:
        """A secret among the results."""

    @abstractmethod
    def login(self, login: Login) -> Login:
        """A struct."""

    @abstractmethod
    def key(self, key: Key) -> Backup:
        """Structs in structs."""

    @abstractmethod
    def many(
        self,
        passwords: list[Password],
        by_name: dict[str, Password],
        hints: Hints,
        pair: Pair,
        box: Box[str],
        either: Password | Int32,
        level: Annotated[Level, Field(secret=True)],
    ) -> None:
        """Secrets in everything."""

    @abstractmethod
    def back(self, tell: Callable[[Password], None]) -> None:
        """A callback that is told a secret."""

    @abstractmethod
    def pins(self) -> Annotated[dict[str, Pin], Field(secret=True)]:
        """Nothing but the result as a whole says that they are secrets."""

    @abstractmethod
    def pin(self) -> SecretPin:
        """What cannot always be read."""
