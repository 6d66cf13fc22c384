"""Generated code is as tidy as handwritten: linters, formatter and type checker have no complaint,
and nothing about generated files is excepted."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mpipc.derive import derive
from mpipc.generate.module import module_source
from mpipc.schema import compile_layouts
from tests.codecs.declarations import generics, lengthy, methods, service, shapes, streams, unions

ROOT = Path(__file__).parents[2]
PACKAGE = "tests.codecs.declarations"

needs_ruff = pytest.mark.skipif(not importlib.util.find_spec("ruff"), reason="no ruff here")
needs_mypy = pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="no mypy here")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the declarations, with what is generated for them."""
    root = tmp_path_factory.mktemp("tidy")
    declarations = root.joinpath(*PACKAGE.split("."))
    shutil.copytree(
        Path(__file__).parent / "declarations",
        declarations,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for package in (root / "tests", root / "tests" / "codecs"):
        (package / "__init__.py").touch()
    target = declarations / "generated"
    target.mkdir()
    (target / "__init__.py").touch()
    modules = (service, lengthy, shapes, unions, methods, generics, streams)
    model = derive([each.__name__ for each in modules])
    layouts = compile_layouts(model)
    for name in model.modules:
        path = target / f"{name.rpartition('.')[2]}.py"
        path.write_text(module_source(model, layouts, name))
    return target


def committed() -> list[str]:
    paths = [*ROOT.glob("*/generated/*.py"), *ROOT.glob("*/*/generated/*.py")]
    paths += ROOT.glob("*/*/*/generated/*.py")
    return [str(path) for path in paths]


def run(*arguments: str, cwd: Path = ROOT) -> str:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=55)
    return done.stdout + done.stderr if done.returncode else ""


def test_there_is_something_to_check() -> None:
    assert len(committed()) > 6


@needs_ruff
@pytest.mark.parametrize("action", [["check"], ["format", "--diff"]])
def test_ruff(action: list[str], generated: Path) -> None:
    settings = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    assert run("ruff", *action, *settings, *committed(), str(generated)) == ""


@needs_mypy
def test_mypy(generated: Path) -> None:
    """Only a NewType, which the model does not know, asks for an exception."""
    # Below the copy are the declarations only; mpipc is found where it is installed or below ROOT.
    root = generated.parents[len(PACKAGE.split("."))]
    for name in ("mpipc", "pyproject.toml"):
        (root / name).symlink_to(ROOT / name)
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    assert run("mypy", *cache, "-p", f"{PACKAGE}.generated", cwd=root) == ""
    for path in generated.glob("*.py"):
        exceptions = [line for line in path.read_text().splitlines() if "mypy:" in line]
        assert len(exceptions) == (path.stem in ("service", "values"))
        assert "type: ignore" not in path.read_text() and "noqa" not in path.read_text()


def test_nothing_about_generated_files_is_excepted() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    assert "generated/" not in settings
