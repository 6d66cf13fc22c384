"""Generic structs: what is declared, what is refused, and that their values travel."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mpipc import ConversionError, SchemaError, testing
from mpipc.derive import derive
from mpipc.evolution.describe import describe
from mpipc.schema import module_text

HEAD = """
from abc import ABC, abstractmethod
from typing import Annotated, Generic, TypeVar
import msgspec
import mpipc
from mpipc import Field, Int32, Raises, UInt8, UInt32, Void
from dataclasses import dataclass

K = TypeVar("K")
V = TypeVar("V")

@mpipc.struct(generic=True)
class Row(msgspec.Struct, Generic[K, V], frozen=True):
    key: K
    value: V

@mpipc.struct(generic=True)
class Numbered(msgspec.Struct, Generic[K], frozen=True):
    key: K
    value: Int32

@mpipc.struct(generic=True)
class Other(msgspec.Struct, Generic[K], frozen=True):
    inside: K | None
    row: Row[str, bytes]

@dataclass(eq=False)
class Refused(Exception):
    reason: str
    rows: list[Row[str, str]]
"""
METHOD = """
@mpipc.interface
class Example(ABC):
    @mpipc.method(raises=Refused)
    @abstractmethod
    def f(self, x: {0}) -> {0}: ...
"""
_numbers = itertools.count()


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module that declares something more."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def declared(text: str) -> Any:
        name = f"generics_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(HEAD + text)
        return __import__(name)

    return declared


TYPES = {
    "Row[str, str]": "Row(Text, Text)",
    "list[Row[str, list[int]]]": "List(Row(Text, List(Int64)))",
    "Row[Row[str, bytes], Numbered[str]]": "Row(Row(Text, Data), Numbered(Text))",
    "Other[Row[str, str]]": "Other(Row(Text, Text))",
    "Annotated[dict[str, bytes], Row]": "List(Row(Text, Data))",
    "Annotated[dict[str, Int32], Numbered]": "List(Numbered(Text))",
    "Annotated[dict[str, Annotated[dict[str, Int32], Numbered]], Row]":
        "List(Row(Text, List(Numbered(Text))))",
    "Row[str, str] | None": "Row(Text, Text)",
}  # fmt: skip


@pytest.mark.parametrize("annotation", TYPES)
def test_a_generic_struct_is_one_in_the_schema_and_its_values_travel(
    annotation: str, declared: Callable[[str], Any]
) -> None:
    module = declared(METHOD.format(annotation))
    text = module_text(derive([module.__name__]), module.__name__)
    assert "struct Row @" in text and " (K, V) {" in text
    assert f"x :{TYPES[annotation]}" in re.sub(r"\s+", " ", text)
    assert testing.roundtrip(module.Example, max_examples=30)["f"]
    assert testing.differential(module.Example, max_examples=30)["f"]


def test_a_use_is_described_as_it_is_written(declared: Callable[[str], Any]) -> None:
    module = declared(METHOD.format("list[Row[str, list[Numbered[str]]]]"))
    described = describe(derive([module.__name__]).modules[module.__name__])
    [parameter] = described.interfaces[0].methods[1].parameters
    assert parameter.type == "list[Row[str, list[Numbered[str]]]]"


REFUSED = {
    "Row": "Row without type arguments",
    "Row[str, int]": "Int64 cannot stand for a type parameter of Row",
    "Annotated[dict[str, int], Row]": "Int64 cannot stand for a type parameter of Row",
    "Annotated[dict[str, int], Numbered]": "other types than those of this dict",
    "Annotated[dict[str, str], Other]": "Other is no struct of the fields key and value",
    "Annotated[dict[str, str], int]": "int is no struct of the fields key and value",
    "Annotated[Row[str, str] | bytes, mpipc.struct(generic=True)]":
        "a generic union is only declared for C++",
    "V": "nothing says what the type parameter V stands for",
    "Row[str | None, str]": "None cannot stand for a type parameter",
}  # fmt: skip


@pytest.mark.parametrize("annotation", REFUSED)
def test_what_cannot_be_is_refused(annotation: str, declared: Callable[[str], Any]) -> None:
    module = declared(METHOD.format(annotation))
    with pytest.raises(SchemaError) as caught:
        derive([module.__name__])
    assert {REFUSED[annotation]} <= {
        found[0]
        for each in caught.value.problems
        if (found := re.search(re.escape(REFUSED[annotation]), each.what))
    }


def test_a_value_that_does_not_fit_is_named(declared: Callable[[str], Any]) -> None:
    module = declared(METHOD.format("list[Row[str, Numbered[str]]]"))

    class Here(module.Example):  # type: ignore[misc, name-defined]
        def f(self, x: Any) -> Any:
            return x

    with testing.connected(Here(), module.Example) as client:
        right = module.Row("a", module.Numbered("b", 1))
        assert client.f([right]) == [right]
        wrong = module.Row("a", module.Numbered("b", 2**31))
        with pytest.raises(ConversionError, match=r"x\[1\]\.value\.value: 2147483648 is out of"):
            client.f([right, wrong])
        with pytest.raises(ConversionError, match=r"x\[0\]\.key: expected str, got int 5"):
            client.f([module.Row(5, right.value)])


def test_a_generic_union_is_declared(declared: Callable[[str], Any]) -> None:
    module = declared("Either = Annotated[K | V, mpipc.struct(generic=True)]\n")
    text = module_text(derive([module.__name__]), module.__name__)
    assert re.search(
        r"struct Either @0x\w+ \(K, V\) \{\s+union \{\s+k @0 :K;\s+v @1 :V;\s+\}\s+\}", text
    )


FIELDS = {
    "list[K]": "the type parameter K inside of another type",
    "dict[str, K]": "the type parameter K inside of another type",
    "Row[K, str]": "the type parameter K inside of another type",
    "tuple[str, K]": "the type parameter K inside of another type",
    "Callable[[K], None]": "nothing says what the type parameter K stands for",
    "K | str": "is a union of type parameters",
}


@pytest.mark.parametrize("annotation", FIELDS)
def test_what_the_schema_cannot_say_is_refused(
    annotation: str, declared: Callable[[str], Any]
) -> None:
    module = declared(f"""
from collections.abc import Callable

@mpipc.struct(generic=True)
class Box(msgspec.Struct, Generic[K], frozen=True):
    inside: {annotation}
""")
    with pytest.raises(SchemaError) as caught:
        derive([module.__name__])
    assert FIELDS[annotation] in caught.value.problems[0].what.replace("typing.", "")
