"""What all processes have in common."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest
from btclib.tx import TxOut
from btclib.tx.coin import Coin
from hypothesis import given
from hypothesis import strategies as st

import mpipc
from examples.bitcoin.common import subscribers
from examples.bitcoin.common.bitcoin import (
    address_of,
    locator_heights,
    pack_coin,
    pack_fee_rate,
    pack_locator,
    pack_undo,
    script_of,
    unpack_coin,
    unpack_fee_rate,
    unpack_locator,
    unpack_undo,
)
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.init import PartialInit
from examples.bitcoin.common.link import LocalLink, RemoteLink
from examples.bitcoin.common.lock import locked
from examples.bitcoin.common.options import Parser
from examples.bitcoin.common.subscribers import Subscribers
from interfaces.proposed import ProposedInit
from tests.bitcoin.support import ROOT, SECONDS, Key

WAIT = 50.0

coins = st.builds(
    lambda amount, script, height, coinbase: Coin(TxOut(amount, script), height, coinbase),
    st.integers(0, 21_000_000 * 100_000_000),
    st.binary(max_size=50),
    st.integers(0, 0x7FFFFFFF),
    st.booleans(),
)


# ------------------------------------------------------------------------------ serialized values


@given(coins)
def test_coins_travel(coin: Coin) -> None:
    assert unpack_coin(pack_coin(coin)) == coin


def test_a_coin_is_written_as_bitcoin_core_writes_it() -> None:
    """The first coin in Bitcoin Core's coins_tests.cpp."""
    script = bytes.fromhex("76a914816115944e077fe7c803cfa57f29b36bf87c1d3588ac")
    coin = Coin(TxOut(60_000_000_000, script), 203_998, False)
    assert pack_coin(coin).hex() == "97f23c835800816115944e077fe7c803cfa57f29b36bf87c1d35"


@given(st.lists(st.lists(coins, max_size=3), max_size=3))
def test_undo_data_travels(spent: list[list[Coin]]) -> None:
    assert unpack_undo(pack_undo(spent)) == spent


@given(st.binary(max_size=40))
def test_what_is_no_coin_is_a_value_error(data: bytes) -> None:
    for unpack in (unpack_coin, unpack_undo, unpack_locator, unpack_fee_rate):
        try:
            unpack(data)
        except ValueError:
            pass


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=100))
def test_locators_travel(hashes: list[bytes]) -> None:
    assert unpack_locator(pack_locator(hashes)) == hashes


def test_locators_get_sparse() -> None:
    assert locator_heights(0) == [0]
    assert locator_heights(20) == [*range(20, 10, -1), 9, 5, 0]
    assert len(locator_heights(1_000_000)) < 32
    with pytest.raises(ValueError, match="more than 101"):
        unpack_locator(pack_locator([bytes(32)] * 102))


@given(st.integers(0, 10**9))
def test_fee_rates_travel(rate: int) -> None:
    assert unpack_fee_rate(pack_fee_rate(rate)) == rate


def test_addresses_of_regtest_alone_are_taken() -> None:
    key = Key(7)
    assert script_of(key.address) == key.script
    assert address_of(key.script) == key.address
    for other in ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "", key.address[:-1]):
        with pytest.raises(ValueError):
            script_of(other)


# ------------------------------------------------------------------------------------------ links


class Followed:
    """What a link tells, one after the other."""

    def __init__(self) -> None:
        self.told: SimpleQueue[str] = SimpleQueue()

    def on_connect(self, root: ProposedInit) -> None:
        assert root.make_echo().echo("hello") == "hello"
        self.told.put("connected")

    def on_disconnect(self) -> None:
        self.told.put("disconnected")

    def next(self) -> str:
        return self.told.get(timeout=WAIT)


def test_a_link_follows_a_process_that_comes_and_goes(tmp_path: Path) -> None:
    link, followed = RemoteLink("unix", datadir=tmp_path, name="other"), Followed()
    link.follow(followed.on_connect, followed.on_disconnect)
    for _ in range(2):
        with mpipc.serve("unix", PartialInit(), datadir=tmp_path, name="other"):
            assert followed.next() == "connected"
            assert link.root is not None
        assert followed.next() == "disconnected"
    link.close()
    assert link.root is None
    assert followed.told.empty()


def test_a_link_that_is_closed_lets_go_at_once(tmp_path: Path) -> None:
    link, followed = RemoteLink("unix", datadir=tmp_path, name="other"), Followed()
    with mpipc.serve("unix", PartialInit(), datadir=tmp_path, name="other"):
        link.follow(followed.on_connect, followed.on_disconnect)
        assert followed.next() == "connected"
        link.close()
        assert followed.next() == "disconnected"
        assert followed.told.empty()


def test_a_link_to_nobody_can_be_closed(tmp_path: Path) -> None:
    link, followed = RemoteLink("unix", datadir=tmp_path, name="other"), Followed()
    link.follow(followed.on_connect, followed.on_disconnect)
    link.close()
    link.close()
    assert followed.told.empty()


def test_who_cannot_use_what_has_come_is_asked_again(tmp_path: Path) -> None:
    followed = Followed()
    attempts: SimpleQueue[int] = SimpleQueue()

    def on_connect(root: ProposedInit) -> None:
        attempts.put(1)
        if attempts.qsize() < 3:
            raise ValueError("not yet")
        followed.on_connect(root)

    link = RemoteLink("unix", datadir=tmp_path, name="other")
    with mpipc.serve("unix", PartialInit(), datadir=tmp_path, name="other"):
        link.follow(on_connect, followed.on_disconnect)
        assert [followed.next() for _ in range(3)] == ["disconnected", "disconnected", "connected"]
        link.close()


def test_a_part_of_the_same_process_is_there_until_it_ends() -> None:
    link, followed = LocalLink(PartialInit()), Followed()
    link.follow(followed.on_connect, followed.on_disconnect)
    assert followed.next() == "connected"
    link.close()
    link.close()
    assert followed.next() == "disconnected"
    assert followed.told.empty()


def test_what_a_process_does_not_offer_is_said(tmp_path: Path) -> None:
    with (
        mpipc.serve("unix:s", PartialInit(), datadir=tmp_path) as server,
        mpipc.connect(server.address, ProposedInit) as init,
        pytest.raises(mpipc.RemoteError, match=r"does not offer ProposedInit\.make_chain"),
    ):
        init.make_chain()


# ------------------------------------------------------------------------------------ subscribers


Callback = Callable[[int], None]


def test_subscribers_are_told_in_order_and_wait_tells_when() -> None:
    everybody = Subscribers[Callback]("numbers")
    heard: list[list[int]] = [[], []]
    handlers = [everybody.add(each.append, lambda tell: tell(-1)) for each in heard]
    for number in range(100):
        everybody.tell(lambda tell, number=number: tell(number))  # type: ignore[misc]
    everybody.wait(handlers)
    assert heard == [[-1, *range(100)]] * 2
    everybody.close()
    everybody.wait(handlers)  # does not hang


def test_who_is_too_far_behind_is_told_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "MAX_BEHIND", 10)
    everybody = Subscribers[Callback]("late numbers")
    begun, go_on = threading.Event(), threading.Event()
    heard: list[int] = []

    def slow(number: int) -> None:
        begun.set()
        assert go_on.wait(WAIT)
        heard.append(number)

    handler = everybody.add(slow)
    everybody.tell(lambda tell: tell(0))
    assert begun.wait(WAIT)
    for _ in range(20):
        everybody.tell(lambda tell: tell(1))
    thread = next(each for each in threading.enumerate() if each.name == "tell-late numbers")
    go_on.set()
    thread.join(WAIT)
    assert heard == [0]
    everybody.wait([handler])  # does not hang


def test_letting_go_of_the_handler_ends_it() -> None:
    everybody = Subscribers[Callback]("numbers")
    heard: list[int] = []
    other: list[int] = []
    handler = everybody.add(heard.append)
    kept = everybody.add(other.append)
    del handler
    gc.collect()
    everybody.tell(lambda tell: tell(1))
    everybody.wait([kept])
    assert (heard, other) == ([], [1])


# ------------------------------------------------------------------------------- locks and options


def test_a_lock_is_for_one_process_of_a_name(tmp_path: Path) -> None:
    with locked(tmp_path / "new", "node"):
        with pytest.raises(Failure, match="another node runs"), locked(tmp_path / "new", "node"):
            pass
        with locked(tmp_path / "new", "wallet"), locked(tmp_path, "node"):
            pass
    with locked(tmp_path / "new", "node"):
        pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_heard_whatever_the_main_thread_does(number: int) -> None:
    """Here it is not interrupted, as when the signal comes just before it begins to wait."""
    program = """
import signal
from examples.bitcoin.common.process import Shutdown

shutdown = Shutdown()
with shutdown.on_signals():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    print("waiting", flush=True)
    shutdown.wait()
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        with process.stdout as said:
            assert said.readline() == b"waiting\n"
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()


def test_options_are_written_as_in_bitcoin() -> None:
    parser = Parser("test", "")
    parser.listens()
    parser.connects()
    parser.offers_rpc(1234)
    options = parser.parse(["-server", "--rpcport=5", "-ipcbind", "unix", "-ipcbind=tcp:[::1]:5"])
    assert (options.server, options.rpcport) == (True, 5)
    assert options.ipcbind == ["unix", "tcp:[::1]:5"]
    assert (options.ipcconnect, options.rpcbind) == ("unix", "127.0.0.1")
    assert not parser.parse(["-server=0"]).server
    with pytest.raises(SystemExit):
        parser.parse(["-server=maybe"])
