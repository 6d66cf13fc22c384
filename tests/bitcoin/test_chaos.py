"""Processes are killed at any moment, and no coin is lost or doubled: a short story in CI, and long
ones with `./tests/run -m slow`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from tests.bitcoin import chaos


@pytest.mark.timeout(300)
def test_a_few_blocks_and_payments(tmp_path: Path) -> None:
    found = chaos.run(tmp_path, blocks=12, payments=20, seed=1, pause=0.5, most=4)
    assert sum(found["kills"].values()) > 0


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20))
def test_200_blocks_and_500_payments(tmp_path: Path, seed: int) -> None:
    found = chaos.run(tmp_path, blocks=200, payments=500, seed=seed)
    print(found)
    assert len(found["kills"]) == len(chaos.PROCESSES)
