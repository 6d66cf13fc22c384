"""Aliases of types are what they stand for; constants of an interface stay in Python."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from mpipc.derive import derive
from mpipc.model import CheckedType, HookedType, ListType, MapType, Primitive, TextType, Type
from mpipc.testing.loopback import Loopback

HEADER = """
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Final, Generic, NewType, TypeVar
from uuid import UUID
from msgspec import Meta
from typing_extensions import TypeAlias, TypeAliasType
import mpipc

"""


def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> list[Type]:
    """The types of the parameters of the methods that a module declares."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / f"{name}.py").write_text(HEADER + text)
    [interface] = derive([name]).modules[name].interfaces
    return [field.type for method in interface.methods for field in method.parameters]


def test_aliases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = declared(
        tmp_path,
        monkeypatch,
        "old_aliases",
        """
T = TypeVar("T")
Name: TypeAlias = str
Names = TypeAliasType("Names", list[Name])
Many = TypeAliasType("Many", list[T], type_params=(T,))
Id = NewType("Id", UUID)
Port = NewType("Port", int)
Small = Annotated[Port, Meta(le=9), mpipc.UInt8]

@mpipc.interface(destroy=False)
class Example(ABC):
    @abstractmethod
    def f(self, a: Name, b: Names, c: Many[Name], d: Id, e: Small) -> None: ...
""",
    )
    names = ListType(TextType(), "list")
    assert types[:3] == [TextType(), names, names]
    assert isinstance(types[3], HookedType) and types[3].name == "UUID"
    assert isinstance(types[4], CheckedType) and types[4].wire == Primitive("UInt8")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the `type` statement is new in 3.12")
def test_type_statements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    types = declared(
        tmp_path,
        monkeypatch,
        "new_aliases",
        """
type Name = str
type Table[K] = dict[K, list[Later]]
type Later = mpipc.Int8

@mpipc.interface(destroy=False)
class Example(ABC):
    @abstractmethod
    def f(self, a: Name, b: Table[Name]) -> None: ...
""",
    )
    assert types[0] == TextType()
    assert isinstance(types[1], MapType)
    assert types[1].value == ListType(Primitive("Int8"), "list")


def test_constants_of_an_interface_stay_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = declared(
        tmp_path,
        monkeypatch,
        "with_constants",
        """
LIMIT = 7

@mpipc.interface(destroy=False)
class Example(ABC):
    PORT = 8332
    NAMES: ClassVar[list[str]] = ["a"]
    ANYTHING: Final = object()
    _private: int = 1

    @mpipc.method(context=False)
    @abstractmethod
    def f(self, a: int = PORT) -> int: ...

class Here(Example):
    def f(self, a: int = 0) -> int:
        return a
""",
    )
    assert types == [Primitive("Int64")]
    module = importlib.import_module("with_constants")
    client = Loopback(module.Example, module.Here()).client
    assert client.f() == client.PORT == 8332
    assert client.NAMES is module.Example.NAMES and client.ANYTHING is module.Example.ANYTHING


def test_a_wire_default_of_a_value_with_constraints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "constrained_default"
    declared(
        tmp_path,
        monkeypatch,
        name,
        """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False)
    @abstractmethod
    def f(self, a: Annotated[int, Meta(ge=5), mpipc.Field(wire_default=7)]) -> int: ...

class Here(Example):
    def f(self, a: int) -> int:
        return a
""",
    )
    module = importlib.import_module(name)
    loop = Loopback(module.Example, module.Here())
    assert loop.client.f(6) == 6
    assert loop.params[16:24] == (6 ^ 7).to_bytes(8, "little")
