"""A short campaign; `python -m tests.hostile` runs long ones."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.attacks import ATTACKS
from tests.hostile.campaign import Campaign


def test_a_server_survives_hostile_clients(tmp_path: Path) -> None:
    report = Campaign(tmp_path, seconds=3, attackers=4, seed=1).run()
    assert set(report.connections) == set(ATTACKS)
    assert report.attacked.calls
