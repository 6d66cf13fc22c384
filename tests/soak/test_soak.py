"""A few seconds of it; CI runs some minutes, and `python -m tests.soak --minutes 60` an hour."""

from __future__ import annotations

from pathlib import Path

from tests.soak.run import Soak


def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    soak = Soak(tmp_path, clients=3, pace=0.005, kills=1.0, seed=1)
    assert soak.run(6) == [], soak.report()
