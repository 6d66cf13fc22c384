"""Components, and what has happened to them."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.runtime.support import children, descriptors, eventually
from tests.supervisor.worker import Worker

ROOT = Path(__file__).parents[2]
QUICK = mpipc.Backoff(first=0.01, most=0.1, attempts=5, steady=0.0)


def worker(name: str = "worker", **attributes: Any) -> mpipc.Component[Worker]:
    """A component that serves a `Worker`."""
    argv = [sys.executable, "-m", "tests.supervisor.worker", name]
    made: mpipc.Component[Worker] = component(name, argv, Worker, **attributes)
    return made


def component(name: str, argv: Any, root: Any = None, **attributes: Any) -> Any:
    environment = {**os.environ, **attributes.pop("env", {})}
    attributes.setdefault("backoff", QUICK)
    options = {"cwd": ROOT, "env": environment, **attributes.pop("options", {})}
    return mpipc.Component(name, argv, root, options=options, **attributes)


class Events(list[mpipc.ComponentEvent]):
    """What a supervisor has told."""

    def kinds(self, component: str | None = None) -> list[str]:
        return [each.kind for each in self if component in (None, each.component)]

    def of(self, kind: str) -> list[str]:
        return [each.component for each in self if each.kind == kind]


@pytest.fixture
def events() -> Events:
    return Events()


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended may wait for whoever has adopted it."""
    try:
        return "Z (zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No descriptor, no child and no directory is left behind."""
    before, files = children(), descriptors()
    yield
    eventually(lambda: children() <= before)
    gc.collect()
    eventually(lambda: descriptors() <= files, lambda: os.listdir("/proc/self/fd"))
