"""The claims of docs/security.md: the tests that hold them exist, and the source is as it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_docs import DOCS, ROOT

PAGE = (DOCS / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[^`]+::[^`]+)`", PAGE)))
PACKAGE = ROOT / "mpipc"
# What a peer sends comes through these; the layers above see only the user's own declarations.
BYTES_ARRIVE = ["capnp", "ipc"]
MAKES_CODE = {"eval", "exec", "compile", "__import__"}
UNPICKLES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "multiprocessing"}


def definitions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    """The functions and classes of a module, as pytest names them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from definitions(node, f"{prefix}{node.name}::")


@pytest.mark.parametrize("name", NAMED)
def test_a_test_that_is_named_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert function in definitions(ast.parse((ROOT / path).read_text()))
    assert function.rpartition("::")[2].startswith("test_")


def test_each_claim_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    claims = [row for row in rows if "Held by" not in row and "::" in row]
    tables = PAGE.split("Held by |")[1:]
    for table in tables:
        for row in table.strip().splitlines()[1:]:
            if not row.startswith("|"):
                break
            assert "`tests/" in row, row
    assert len(claims) > 30


def modules(layers: list[str]) -> Iterator[tuple[Path, ast.Module]]:
    for layer in layers:
        for path in sorted((PACKAGE / layer).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def test_nothing_unpickles() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            assert not UNPICKLES & {name.partition(".")[0] for name in names}, path


def test_no_code_is_made_where_bytes_arrive() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in modules(BYTES_ARRIVE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in MAKES_CODE
    ]
    assert found == []
