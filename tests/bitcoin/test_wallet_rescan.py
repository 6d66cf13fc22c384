"""Looking through the chain again, with a node in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from examples.bitcoin.common.process import Shutdown
from examples.bitcoin.node.main import NodeOptions, open_node, parser
from examples.bitcoin.wallet.follower import Follower
from examples.bitcoin.wallet.keys import Account
from examples.bitcoin.wallet.ledger import Ledger
from examples.bitcoin.wallet.open_wallet import create_file
from examples.bitcoin.wallet.store import Store
from interfaces.chain import Chain
from interfaces.proposed import ProposedInit
from tests.bitcoin.chains import MATURE

SECONDS = 50.0


@pytest.fixture
def chain(mature: Path) -> Iterator[Chain]:
    """The chain of a node in this process."""
    options = parser().parse_args([f"-datadir={mature}"], NodeOptions())
    with open_node(options, Shutdown()) as part:
        assert isinstance(part.init, ProposedInit)
        yield part.init.make_chain()


def test_a_rescan_says_how_far_it_is_and_can_be_stopped(chain: Chain, tmp_path: Path) -> None:
    create_file(tmp_path / "wallet.sqlite", b"")
    store = Store(tmp_path / "wallet.sqlite")
    ledger = Ledger(store, Account(store.meta("fingerprint"), store.meta("xpub")))
    shown: list[int] = []

    def progress(title: str, percent: int) -> None:
        if title == "Rescanning":
            shown.append(percent)
            if percent == stop_at:
                follower.abort.set()

    follower = Follower("rescanned", ledger, lambda txids: None, progress)
    follower.attach(chain)
    deadline = time.monotonic() + SECONDS
    while not follower.is_synced:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop_at = 101
    assert follower.rescan(1) == MATURE
    assert shown[0] == 0 and shown[-1] == 100 and shown == sorted(shown)
    stop_at = 50
    last = follower.rescan(1)
    assert last is not None and MATURE // 2 <= last <= MATURE // 2 + 1
    follower.close()
    store.close()
