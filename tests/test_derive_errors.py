"""Every mistake in a declaration is reported: where, what, and what to write instead."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpipc.derive import derive
from mpipc.errors import SchemaError

GOLDEN = Path(__file__).parent / "data" / "errors.txt"
WRONG = [
    ["tests.declarations.wrong"],
    ["tests.declarations.wrong_shapes"],
    ["tests.declarations.wrong_together"],
    ["tests.declarations.wrong_values"],
    [
        "tests.declarations.wrong_id",
        "tests.declarations.wrong_names",
        "tests.declarations.wrong_schema",
        "tests.declarations.no_such_module",
    ],
    ["interfaces.mining", "tests.declarations.same_id"],
]


def reported() -> str:
    texts = []
    for modules in WRONG:
        with pytest.raises(SchemaError) as raised:
            derive(modules)
        texts += [str(problem) for problem in raised.value.problems]
    return "\n".join(texts) + "\n"


def test_every_mistake_reads_as_in_the_golden_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """`UPDATE_GOLDEN=1` writes the file; read it then: a person must understand every entry."""
    monkeypatch.chdir(Path(__file__).parents[1])
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(reported())
    assert reported() == GOLDEN.read_text()


def test_each_problem_names_its_place_and_a_remedy() -> None:
    with pytest.raises(SchemaError) as raised:
        derive(["tests.declarations.wrong"])
    problems = raised.value.problems
    assert len(problems) > 50
    assert len({problem.where for problem in problems}) > 50
    for problem in problems:
        assert problem.where.startswith("tests.declarations.wrong.")
        assert "wrong.py:" in problem.where
        assert problem.what and problem.instead


def test_a_module_that_cannot_import_something_else_says_so_itself() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        derive(["tests.declarations.broken"])
