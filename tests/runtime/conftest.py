"""Server processes, clients, and waiting for what takes a moment."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.support import ROOT, ServerProcess


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts server processes, each on a socket of its own unless told otherwise."""
    started: list[ServerProcess] = []
    numbers = itertools.count()

    def start(*options: str, address: str = "") -> ServerProcess:
        number = next(numbers)
        address = address or f"unix:{tmp_path}/{number}.sock"
        started.append(ServerProcess(address, tmp_path / f"{number}.log", options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server process for all tests of a module, which leave it as they found it."""
    directory = tmp_path_factory.mktemp("shared")
    server = ServerProcess(f"unix:{directory}/s.sock", directory / "log", ())
    yield server
    server.stop()


@pytest.fixture
def server(start: Callable[..., ServerProcess]) -> ServerProcess:
    """A server process for this test alone."""
    return start()


@pytest.fixture
def root(shared: ServerProcess) -> Iterator[Root]:
    """A connection to the module's server."""
    with mpipc.connect(shared.address, Root) as root:
        yield root


@pytest.fixture
def root_alone(server: ServerProcess) -> Iterator[Root]:
    """A connection to a server process for this test alone, for whoever counts what it has."""
    with server.connect() as root:
        yield root


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python programs, given as text, and returns each once it has said `ready`."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", text, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        if line != "ready\n":
            process.kill()
            pytest.fail(f"{line}{process.communicate()[1]}")
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a Python program, given as text, to its end."""

    def run(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(text)
        return subprocess.run(
            [sys.executable, str(path), *arguments],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=50,
        )

    return run
