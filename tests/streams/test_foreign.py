"""Iterators between mpipc and pycapnp, which knows the schema alone."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest

import mpipc
from mpipc.derive import derive
from mpipc.schema import INCLUDE, module_text
from tests.codecs.declarations.streams import Streams
from tests.streams.program import RealStreams

ROOT = Path(__file__).parents[2]
MODULE = "tests.codecs.declarations.streams"


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("schema")
    copytree(INCLUDE, directory, dirs_exist_ok=True)
    (directory / "declarations.capnp").write_text(module_text(derive([MODULE]), MODULE))
    return directory


def peer(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.streams.foreign", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def address(schema: Path, tmp_path: Path) -> Iterator[str]:
    """Where pycapnp serves."""
    process = peer(schema, tmp_path / "s", "server")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield f"unix:{tmp_path}/s"
    process.kill()
    process.communicate()


def test_pycapnp_reads_and_gives_iterators(schema: Path, tmp_path: Path) -> None:
    with mpipc.serve(f"unix:{tmp_path}/s", RealStreams()):
        process = peer(schema, tmp_path / "s", "client")
        output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output


def test_pycapnp_serves_iterators(address: str) -> None:
    with mpipc.connect(address, Streams) as streams:
        numbers = streams.count(5)
        assert [*itertools.islice(numbers, 100)] == [*range(5, 105)]
        assert streams.closed() == 0
        numbers.close()
        assert streams.closed() == 1
        assert [*streams.fail_after(33)] == [*range(33)]
        assert [*streams.fail_after(0)] == []
