from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evolution.support import Package


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """An empty package `demo`, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))  # for programs that believe it
    monkeypatch.syspath_prepend(str(tmp_path))
    package = Package(tmp_path)
    yield package
    package.forget()
