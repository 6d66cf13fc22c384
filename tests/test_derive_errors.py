"""Every mistake in a declaration is reported: where, what, and what to write instead."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import mpipc.derive
from mpipc.derive import derive
from mpipc.derive.lock import Lock, Locks, no_lock
from mpipc.derive.mistakes import Mistake
from mpipc.errors import SchemaError
from mpipc.model import Reserved

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "data" / "errors.txt"
WRONG = [
    ["tests.declarations.wrong"],
    ["tests.declarations.wrong_constants", "tests.declarations.wrong_constant_names"],
    ["tests.declarations.wrong_groups"],
    ["tests.declarations.wrong_hashes"],
    ["tests.declarations.wrong_parameters"],
    ["tests.declarations.wrong_shapes"],
    ["tests.declarations.wrong_streams"],
    ["tests.declarations.wrong_uses"],
    ["tests.declarations.wrong_together"],
    ["tests.declarations.wrong_values"],
    ["tests.declarations.wrong_slips"],
    [
        "tests.declarations.wrong_id",
        "tests.declarations.wrong_names",
        "tests.declarations.wrong_schema",
        "tests.declarations.wrong_file_id",
        "tests.declarations.wrong_include",
        "tests.declarations.no_such_module",
    ],
    ["interfaces.mining", "tests.declarations.same_id"],
]


def reported() -> str:
    texts = [text for modules in WRONG for text in problems(modules)]
    texts += problems(["tests.declarations.plain"], committed)
    script = ModuleType("__mp_main__")
    script.__file__ = str(ROOT / "tests" / "declarations" / "plain.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, script.__name__, script)
        texts += problems([script.__name__])
    return "\n".join(texts) + "\n"


def problems(modules: list[str], locks: Locks = no_lock) -> list[str]:
    with pytest.raises(SchemaError) as raised:
        derive(modules, locks)
    return [str(problem) for problem in raised.value.problems]


def committed(module: str) -> Lock:
    """A schema in which a method has the ordinal that `destroy` has."""
    return {"Plain": [Reserved("leaves", 1), Reserved("destroy", 1)]}


def test_every_mistake_has_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where in the source of `derive` a Mistake is made, and where one was."""
    seen: set[tuple[str, int]] = set()
    make = Mistake.__init__

    def noting(self: Mistake, what: str, instead: str) -> None:
        frame = sys._getframe(1)
        seen.add((frame.f_code.co_filename, frame.f_lineno))
        make(self, what, instead)

    monkeypatch.setattr(Mistake, "__init__", noting)
    reported()
    never = [
        each for each in _mistakes() if not each.lines & {n for f, n in seen if f == each.file}
    ]
    assert never == []


class _Made(NamedTuple):
    """An expression that makes a Mistake."""

    file: str
    lines: frozenset[int]
    text: str


def _mistakes() -> Iterator[_Made]:
    for path in Path(mpipc.derive.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Mistake":
                lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                yield _Made(str(path), frozenset(lines), ast.unparse(node))


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


def test_the_decorator_of_a_method_needs_parentheses() -> None:
    with pytest.raises(TypeError, match=r"needs parentheses: @mpipc.method\(\)"):
        mpipc.method(len)  # type: ignore[arg-type]
