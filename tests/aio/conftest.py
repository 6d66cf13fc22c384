"""Server processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aio.support import start, stop


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server for all tests of a module, which leave it as they found it."""
    address = f"unix:{tmp_path_factory.mktemp('shared')}/s.sock"
    process = start("tests.aio.program", address)
    yield address
    stop(process)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a server for this test alone."""
    address = f"unix:{tmp_path}/s.sock"
    process = start("tests.aio.program", address)
    yield address
    stop(process)
