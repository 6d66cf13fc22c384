"""Programs of the example for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.bitcoin.node.chainstate import Chainstate
from tests.bitcoin import chains
from tests.bitcoin.support import Program, Start


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    """The data directory of the programs that a test starts."""
    return tmp_path / "data"


@pytest.fixture
def start(tmp_path: Path, datadir: Path) -> Iterator[Start]:
    """Starts a program of the example on the data directory: start("node", "-server")."""
    programs: list[Program] = []

    def start(name: str, *arguments: str) -> Program:
        log = tmp_path / f"{name}-{len(programs)}.log"
        programs.append(Program(name, log, f"-datadir={datadir}", *arguments))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with a chain that has coins to spend."""
    directory = tmp_path_factory.mktemp("prepared")
    chains.prepare(directory)
    return directory


@pytest.fixture
def mature(prepared: Path, datadir: Path) -> Path:
    """A copy of it for one test: its data directory."""
    shutil.copytree(prepared, datadir)
    return datadir


@pytest.fixture
def state(mature: Path) -> Iterator[Chainstate]:
    """A chain that has coins to spend."""
    state = Chainstate(mature)
    yield state
    state.close()
