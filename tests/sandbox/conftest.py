"""Sandboxes that the tests try to leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.sandbox.prisoner import Prisoner

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tests.sandbox.prisoner"]


def imprison(*, options: Any = None, **allowed: Any) -> Any:
    """A program in a sandbox, which can read the tests and what is `allowed`."""
    allowed["readable"] = [ROOT, *allowed.get("readable", [])]
    sandbox = mpipc.Sandbox(**allowed)
    return mpipc.spawn(PROGRAM, Prisoner, cwd=ROOT, sandbox=sandbox, **(options or {}))


@pytest.fixture
def imprisoned() -> Iterator[Callable[..., Prisoner]]:
    """Makes sandboxes that end with the test."""
    with ExitStack() as ending:
        yield lambda **allowed: ending.enter_context(imprison(**allowed))


@pytest.fixture(scope="session")
def prisoner() -> Iterator[Prisoner]:
    """A program in a sandbox in which nothing is allowed."""
    with imprison() as found:
        yield found
