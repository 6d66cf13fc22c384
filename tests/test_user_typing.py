"""Type checkers know what users write: a sample passes their strictest settings, and wrong calls
are reported, at the lines that are marked and at no others."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLE = Path(__file__).parent / "user_typing"

needs_mypy = pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="no mypy here")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project, which has no configuration but the strictest, with what was generated."""
    root = tmp_path_factory.mktemp("project")
    package = root / "user"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("sample.py", "named.py"):
        (package / name).write_text((SAMPLE / name).read_text())
    built = run(root, "mpipc", "build", "user")
    assert built.returncode == 0, built.stderr
    (package / "wrong.py").write_text((SAMPLE / "wrong.py.txt").read_text())
    settings = {"typeCheckingMode": "strict", "include": ["user"], "extraPaths": [str(ROOT)]}
    (root / "pyrightconfig.json").write_text(json.dumps(settings))
    return root


def marked() -> set[int]:
    lines = (SAMPLE / "wrong.py.txt").read_text().splitlines()
    return {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )


def mypy_errors(project: Path) -> Iterator[tuple[str, int]]:
    cache = ["--cache-dir", str(ROOT / ".mypy_cache" / "users")]
    done = run(project, "mypy", "--strict", *cache, "-p", "user")
    for found in re.finditer(r"^user/(\w+)\.py:(\d+): error", done.stdout, re.MULTILINE):
        yield found[1], int(found[2])
    assert "Found" in done.stdout, done.stdout + done.stderr


def pyright_errors(project: Path) -> Iterator[tuple[str, int]]:
    done = run(project, "pyright", "--outputjson", "--pythonpath", sys.executable)
    if not done.stdout.startswith("{"):
        pytest.skip(f"pyright does not run here: {done.stderr[-200:]}")
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        yield Path(found["file"]).stem, found["range"]["start"]["line"] + 1


def test_there_is_something_wrong() -> None:
    assert len(marked()) > 20


@needs_mypy
def test_mypy(project: Path) -> None:
    assert {*mypy_errors(project)} == {("wrong", line) for line in marked()}


@pytest.mark.timeout(240)  # which it may take to install itself
@pytest.mark.skipif(not importlib.util.find_spec("pyright"), reason="no pyright here")
def test_pyright(project: Path) -> None:
    assert {*pyright_errors(project)} == {("wrong", line) for line in marked()}


def test_the_sample_runs() -> None:
    """What type checkers accept works, too."""
    program = """
from mpipc import testing
from tests.user_typing.sample import Init, RealInit, use
with testing.connected(RealInit(), Init) as init:
    print(use(init))
"""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert (done.stdout.splitlines()[-1:], done.stderr) == (["4"], "")
