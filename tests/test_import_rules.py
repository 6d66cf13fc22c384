"""Which layer may import which (docs/how-it-works.md), and what a running program never imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mpipc"

# What each layer may import at the top of its modules. Within functions a few more are loaded when
# they are first needed: `LATER` says which.
ALLOWED = {
    "errors": set[str](),
    "temporary": set[str](),
    "declare": set[str](),
    "hooks": set[str](),
    "standard": {"hooks", "declare"},
    "model": set[str](),
    "derive": {"declare", "hooks", "standard", "model", "errors"},
    "schema": {"derive", "model", "errors", "temporary"},
    "capnp": {"errors"},
    "generate": {"capnp", "model", "errors", "declare"},
    "launch": {"errors", "temporary"},
    "introspection": {"declare", "capnp"},
    "observe": {"introspection", "capnp", "errors"},
    "recording": {"observe", "generate", "capnp", "schema", "derive", "model", "errors"},
    "ipc": {"hooks", "observe", "introspection", "generate", "capnp", "declare", "errors"},
    "supervisor": {"ipc", "launch", "generate", "capnp", "errors", "temporary"},
    "aio": {"ipc", "generate", "capnp", "errors"},
    "evolution": {"derive", "schema", "model", "errors", "generate", "declare"},
    "jsonrpc": {"ipc", "derive", "model", "declare", "errors"},
    "cli": {
        "derive",
        "schema",
        "model",
        "errors",
        "generate",
        "evolution",
        "ipc",
        "introspection",
        "capnp",
        "recording",
        "temporary",
    },
    "testing": {
        *("standard", "derive", "schema", "model", "declare", "errors", "generate", "capnp"),
        "ipc",
    },
    "pytest_plugin": set[str](),
}
LATER = {
    "generate": {"derive", "schema"},  # generating in memory, when there is no up-to-date file
    "ipc": {"launch"},  # a sandbox
    "cli": {"generate", "evolution", "schema", "derive"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of mpipc and its layer."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in ("__init__", "__main__"):
            yield parts[0], path


def imported(node: ast.AST) -> Iterator[str]:
    """Full names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield from (
            f"mpipc.{alias.name}" if node.module == "mpipc" else node.module for alias in node.names
        )


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports, and whether only within a function. What only type
    checkers import does not count."""
    tree = ast.parse(path.read_text())
    late: set[ast.AST] = set()
    never: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            late.update(ast.walk(node))
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            never.update(ast.walk(node))
    for node in ast.walk(tree):
        if node not in never:
            for name in imported(node):
                yield name, node in late


@pytest.mark.parametrize("layer", sorted({layer for layer, _ in modules()}))
def test_a_layer_imports_only_from_the_layers_above_it(layer: str) -> None:
    assert layer in ALLOWED, f"mpipc/{layer} has no place in the order of layers"
    for found, path in modules():
        if found != layer:
            continue
        for name, late in imports(path):
            if not name.startswith("mpipc."):
                continue
            other = name.split(".")[1]
            allowed = ALLOWED[layer] | (LATER.get(layer, set()) if late else set())
            assert other == layer or other in allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_pycapnp_is_imported_by_the_schema_layer_alone_and_only_when_used() -> None:
    found = {
        layer: late
        for layer, path in modules()
        for name, late in imports(path)
        if name.partition(".")[0] == "capnp"
    }
    assert found == {"schema": True}


PROGRAM = """
import sys
from pathlib import Path

import mpipc
from interfaces.echo import Echo
from interfaces.init import Init
from interfaces.mining import Mining

class EchoHere(Echo):
    def echo(self, echo: str) -> str:
        return echo

class InitHere(Init):
    def make_echo(self) -> Echo:
        return EchoHere()

    def make_mining(self) -> Mining:
        raise NotImplementedError

with mpipc.serve("unix:s", InitHere(), datadir=sys.argv[1]) as server:
    with mpipc.connect(server.address, Init) as init:
        print(init.make_echo().echo("hello"))
print(sorted({"capnp", "asyncio"} & {name.partition(".")[0] for name in sys.modules}))
"""


def test_a_program_with_generated_modules_imports_neither_pycapnp_nor_asyncio(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=50, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["hello", "[]"]


def test_importing_mpipc_loads_no_generator() -> None:
    program = "import sys, mpipc; print([n for n in sys.modules if n.startswith('mpipc.')])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=True
    )
    for layer in ("derive", "schema", "model", "generate.module", "cli", "testing", "evolution"):
        assert f"mpipc.{layer}" not in done.stdout
