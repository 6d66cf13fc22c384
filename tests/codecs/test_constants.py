"""Constants of a module, as the official compiler reads them."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpipc
from mpipc import Float32, Int8, UInt64
from mpipc.derive import derive
from mpipc.schema import module_text
from mpipc.schema.compiled import Sources, read_compiled
from mpipc.schema.source import read_outline

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "flag": (bool, st.booleans()),
    "small": (Int8, st.integers(-128, 127)),
    "large": (UInt64, st.integers(0, 2**64 - 1)),
    "ratio": (float, st.floats(allow_nan=False)),
    "half": (Float32, st.floats(width=32, allow_nan=False)),
    "text": (str, TEXTS),
    "data": (bytes, st.binary(max_size=20)),
}
_numbers = itertools.count()


def module_with(values: dict[str, Any]) -> Iterator[str]:
    """A module that declares them."""
    name = f"constants_{next(_numbers)}"
    module = sys.modules[name] = ModuleType(name)
    vars(module).update(values)
    module.__annotations__ = {
        each: Final[Annotated[KINDS[each][0], mpipc.Const()]] for each in values
    }
    yield name
    del sys.modules[name]


def test_the_compiler_reads_what_was_declared(tmp_path: Path) -> None:
    drawn: list[dict[str, Any]] = []
    paths: list[Path] = []

    @given(st.fixed_dictionaries({name: values for name, (_, values) in KINDS.items()}))
    def collect(values: dict[str, Any]) -> None:
        for name in module_with(values):
            path = tmp_path / f"{name}.capnp"
            path.write_text(module_text(derive([name]), name), encoding="utf-8")
            assert read_outline(path) == {}
        drawn.append(values)
        paths.append(path)

    collect()
    sources = [Sources((str(path),)) for path in paths]
    for values, [file] in zip(drawn, read_compiled(sources), strict=True):
        read = {name: eval(each, {"inf": math.inf}) for name, each in file.constants.items()}
        assert read == values


def test_its_id_is_stated_and_follows_from_file_and_name() -> None:
    for name in module_with({"flag": True}):
        before = module_text(derive([name]), name)
        assert " @0x" in before and before == module_text(derive([name]), name)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_the_compiler_does_not_take_is_refused(value: str) -> None:
    for name in module_with({"text": value}):
        with pytest.raises(mpipc.SchemaError, match="is no Text"):
            derive([name])
