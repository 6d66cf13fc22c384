"""The property tests of `mpipc.testing` notice when a single rule of the conversions is broken.

Each mutant is a copy of mpipc with one change, in a process of its own. Most are consistent: what
they write, they read as the same value again. Only pycapnp knows better.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_docs import ROOT

RULES = """
from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from mpipc import Field, Int8, Int32, UInt16, UInt32


class Color(enum.Enum):
    RED = 1
    GREEN = 7


@mpipc.enum
class Season(enum.Enum):
    SPRING = "blossoms"
    AUTUMN = "leaves"


class Span(msgspec.Struct, frozen=True):
    first: Int32
    last: Int32


class Piece(msgspec.Struct, frozen=True):
    where: Annotated[Span, Field(group=True)]
    season: Season


class Row(msgspec.Struct, frozen=True):
    small: Int8
    flag: bool
    other: bool
    number: UInt32
    text: str
    data: bytes
    color: Color
    maybe: Int32 | None
    shifted: Annotated[Int32, Field(wire_default=-5)]


@mpipc.interface
class Rules(ABC):
    @abstractmethod
    def row(self, value: Row) -> Row: ...

    @abstractmethod
    def lists(self, rows: list[Row], numbers: list[Int32], texts: list[str]) -> list[UInt16]: ...

    @abstractmethod
    def pieces(self, piece: Piece, texts: list[str | None]) -> Span | Piece: ...

    @abstractmethod
    def several(self, first: str, second: str, wait: timedelta) -> dict[str, Int32]: ...
"""
CHECK = """
from hypothesis import Phase, settings
from mpipc import testing
from rules import Rules

settings.register_profile(
    "mutants", phases=[Phase.generate], max_examples=40, derandomize=True, database=None
)
settings.load_profile("mutants")
for check in (testing.roundtrip, testing.differential):
    try:
        check(Rules)
    except Exception as error:
        print("found by", check.__name__)
print("checked")
"""


class Mutant(NamedTuple):
    """A change of one place in the source."""

    rule: str
    file: str
    before: str
    after: str


MUTANTS = [
    Mutant(
        "offsets of numbers",
        "generate/records.py",
        "numbers.append(Number(offset * size, code, slot))",
        "numbers.append(Number((offset ^ (size < 8)) * size, code, slot))",
    ),
    Mutant(
        "the order of pointers",
        "generate/records.py",
        "for number in self.numbers] + pointers",
        "for number in self.numbers] + pointers[::-1]",
    ),
    Mutant(
        "defaults of the schema",
        "generate/records.py",
        'return f"{value} ^ {default}"',
        'return f"{value} ^ {default ^ 1}"',
    ),
    Mutant(
        "a text ends with NUL",
        "capnp/writer.py",
        "return (position - at - 1) << 2 | LIST_OF_BYTES | (size + 1) << 35",
        "return (position - at - 1) << 2 | LIST_OF_BYTES | size << 35",
    ),
    Mutant("signedness", "generate/records.py", '"UInt32": "I"', '"UInt32": "i"'),
    Mutant(
        "the bits of Bools",
        "generate/records.py",
        "bits.setdefault(offset >> 3, []).append((offset & 7, slot))",
        "bits.setdefault(offset >> 3, []).append((offset + 1 & 7, slot))",
    ),
    Mutant(
        "the unit of durations",
        "capnp/conversions.py",
        "else duration / timedelta(milliseconds=1)",
        "else duration / timedelta(seconds=1)",
    ),
    Mutant("values of an Enum", "generate/conversions.py", '{value}.value"', '{value}.value + 1"'),
    Mutant(
        "flags beside optional values",
        "generate/fields.py",
        "        return record.number(field.flag)\n",
        '        return "True"\n',
    ),
    Mutant(
        "the element size of lists",
        "generate/conversions.py",
        "_ELEMENT = {1: 2, 2: 3, 4: 4, 8: 5}",
        "_ELEMENT = {1: 2, 2: 4, 4: 3, 8: 5}",
    ),
    Mutant(
        "optional values that are there",
        "generate/fields.py",
        'return f"{value} is not None"',
        'return f"bool({value})"',
    ),
    Mutant(
        "tags of unions",
        "schema/compile.py",
        "{field.name: field.discriminantValue for",
        "{field.name: field.discriminantValue ^ 1 for",
    ),
    Mutant(
        "ordinals of declared enums",
        "generate/checks.py",
        "members = model.enumeration(key).members",
        "members = [(n, o ^ 1) for n, o in model.enumeration(key).members]",
    ),
    Mutant(
        "fields of groups",
        "generate/fields.py",
        "(unpacked(e, record, pointer_of(e, record), convert) for e in field.group)",
        "(unpacked(e, record, pointer_of(e, record), convert) for e in field.group[::-1])",
    ),
    Mutant(
        "None in lists",
        "capnp/columns.py",
        "return lambda w, at, value: 0 if value is None else write(w, at, value)",
        'return lambda w, at, value: write(w, at, value or "")',
    ),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with mpipc and the interface to check."""
    directory = tmp_path_factory.mktemp("mutants")
    shutil.copytree(ROOT / "mpipc", directory / "mpipc")
    (directory / "rules.py").write_text(RULES)
    return directory


def checked(directory: Path) -> list[str]:
    """What the checks say."""
    run = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    *found, last = run.stdout.splitlines() or [""]
    assert last == "checked", run.stderr
    return found


def test_nothing_is_found_in_what_is_sound(copy: Path) -> None:
    assert checked(copy) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.rule)
def test_a_broken_rule_is_found(copy: Path, mutant: Mutant) -> None:
    file = copy / "mpipc" / mutant.file
    source = file.read_text()
    assert source.count(mutant.before) == 1, "the source has changed: so must the mutant"
    file.write_text(source.replace(mutant.before, mutant.after))
    try:
        assert checked(copy)
    finally:
        file.write_text(source)
