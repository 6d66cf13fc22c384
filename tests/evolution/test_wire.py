"""Old and new programs talk to each other, each change in turn: what `mpipc check` says of it is
what happens. Every program is a process of its own, with its own version of the package."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.evolution import breaking_cases, safe_cases
from tests.evolution.case import Case
from tests.evolution.support import HEADER

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "data" / "report.txt"
SECONDS = 50
CASES = [*safe_cases.CASES, *breaking_cases.CASES]
NAMES = [case.name for case in CASES]


@dataclass(frozen=True)
class Outcomes:
    """By case: what was said, and what old and new clients got; and all that was said."""

    report: str
    rules: Mapping[str, list[str]]
    old_client: Mapping[str, str]
    new_client: Mapping[str, str]


# Its fixture runs half a dozen programs, one after the other.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """All cases at once: building and starting programs is what takes time."""
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    _declare(old, {case.name: case.declarations(new=False) for case in CASES})
    _run(old, "-m", "mpipc", "build", "demo")
    shutil.copytree(old / "demo", new / "demo")
    _declare(new, {case.name: case.committed() for case in CASES})
    _run(new, "-m", "mpipc", "build", "demo")
    _declare(new, {case.name: case.declarations(new=True) for case in CASES})
    report = _run(new, "-m", "mpipc", "check", "demo", status=1)
    rules = _rules(_run(new, "-m", "mpipc", "check", "--json", "demo", status=1))
    _run(new, "-m", "mpipc", "build", "demo")
    with _serving(new, new=True) as sockets:
        old_client = _call(old, sockets, new=False)
    with _serving(old, new=False) as sockets:
        new_client = _call(new, sockets, new=True)
    return Outcomes(report, rules, old_client, new_client)


def _declare(directory: Path, modules: Mapping[str, str]) -> None:
    package = directory / "demo"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    for name, text in modules.items():
        (package / f"{name}.py").write_text(HEADER + text)


def _environment(directory: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}


def _run(directory: Path, *arguments: str, status: int = 0) -> str:
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=_environment(directory),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert run.returncode == status, run.stderr
    return run.stdout


def _rules(output: str) -> dict[str, list[str]]:
    (report,) = json.loads(output)
    found: dict[str, list[str]] = defaultdict(list)
    for each in report["findings"]:
        stem = Path(each["file"]).stem
        rule = each["rule"]
        found[stem].append(
            f"{rule}: {', '.join(each['breaks'])}" if each["breaks"] else f"safe {rule}"
        )
    return found


@contextmanager
def _serving(directory: Path, *, new: bool) -> Iterator[Path]:
    sockets = directory / "sockets"
    sockets.mkdir()
    serve = json.dumps({case.name: case.server(new=new) for case in CASES})
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.evolution.program", "serve", str(sockets), serve],
        cwd=directory,
        env=_environment(directory),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdin is not None and server.stdout is not None
    with server:
        try:
            ready, _, _ = select.select([server.stdout], [], [], SECONDS)
            assert ready and server.stdout.readline() == b"ready\n"
            yield sockets
        finally:
            server.kill()


def _call(directory: Path, sockets: Path, *, new: bool) -> dict[str, str]:
    call = json.dumps({case.name: case.client(new=new) for case in CASES})
    outcomes: dict[str, str] = json.loads(
        _run(directory, "-m", "tests.evolution.program", "call", str(sockets), call)
    )
    return {name: outcome.partition("\n")[0] for name, outcome in outcomes.items()}


def test_the_report_reads_as_in_the_golden_file(outcomes: Outcomes) -> None:
    """`UPDATE_GOLDEN=1` writes the file."""
    report = re.sub(r"  drift .*\n", "", outcomes.report)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(report)
    assert report == GOLDEN.read_text()


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_check_says_what_the_change_does(case: Case, outcomes: Outcomes) -> None:
    assert sorted(outcomes.rules.get(case.name, [])) == sorted(case.rules)


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_old_client_of_a_new_server(case: Case, outcomes: Outcomes) -> None:
    assert outcomes.old_client[case.name] == case.old_client


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_new_client_of_an_old_server(case: Case, outcomes: Outcomes) -> None:
    assert outcomes.new_client[case.name] == case.new_client
