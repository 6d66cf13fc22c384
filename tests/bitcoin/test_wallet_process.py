"""The wallet as a user has it: a process beside a node, each of which may end at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from tests.bitcoin import recount
from tests.bitcoin.rpc import Rpc, RpcError, Unreachable
from tests.bitcoin.support import Program, Start

SECONDS = 50.0
NOBODY = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
"""The address of a key that nobody has."""

ELSEWHERE = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
"""An address of another network."""


class Processes:
    """A node and a wallet on one data directory."""

    def __init__(self, start: Start, datadir: Path) -> None:
        self._start, self._datadir = start, datadir
        self.node_process, self.node = self.start("node")
        self.wallet_process, self.wallet = self.start("wallet")

    def start(self, name: str, *arguments: str) -> tuple[Program, Rpc]:
        program = self._start(name, "-server", "-rpcport=0", *arguments)
        return program, Rpc(name, program.log, self._datadir)

    def restart_node(self) -> None:
        self.node_process, self.node = self.start("node")

    def restart_wallet(self, *arguments: str) -> None:
        self.wallet_process, self.wallet = self.start("wallet", *arguments)

    def mine(self, blocks: int, address: str = NOBODY) -> list[str]:
        found: list[str] = eventually(lambda: self.node.generatetoaddress(blocks, address))
        return found

    def synced(self, name: str) -> Any:
        """Wait until a wallet has the node's chain; returns its balances."""

        def look() -> Any:
            info = self.wallet.getwalletinfo(name)
            assert info["isSynced"] and info["block"] == self.node.getbestblockhash()
            return self.wallet.getbalances(name)

        return eventually(look)

    def recount(self, name: str) -> None:
        """A wallet holds what the chain says, and nothing waits."""
        held = self.synced(name)
        assert held["unconfirmed"] == held["outsideMempool"] == 0
        copy = self._datadir / f"copy-{time.monotonic_ns()}"
        scripts = recount.scripts_of(self.wallet, name, copy)
        counted = recount.total(recount.unspent(self.node).values(), scripts)
        assert held["balance"] + held["immature"] == counted


def eventually(look: Callable[[], Any]) -> Any:
    """What `look` returns once it raises nothing."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return look()
        except (AssertionError, RpcError, Unreachable):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.fixture
def processes(start: Start, datadir: Path) -> Processes:
    return Processes(start, datadir)


def funded(processes: Processes, name: str = "a") -> None:
    """A wallet with one coin that it can spend."""
    eventually(lambda: processes.wallet.createwallet(name))
    processes.mine(1, processes.wallet.getnewaddress(name))
    processes.mine(100)
    assert processes.synced(name)["balance"] == recount.SUBSIDY


def test_a_payment_from_one_wallet_to_another(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet
    wallet.createwallet("b")
    address = wallet.getnewaddress("b", "rent")
    txid = wallet.send("a", "rent for May", address, 3_0000_0000)
    assert processes.node.getrawmempool() == [txid]
    assert processes.synced("b")["unconfirmed"] == 3_0000_0000
    # It is the same payment, however often it is asked for; but not with another amount.
    assert wallet.send("a", "rent for May", address, 3_0000_0000) == txid
    with pytest.raises(RpcError, match="another payment"):
        wallet.send("a", "rent for May", address, 4_0000_0000)
    assert len(processes.node.getrawmempool()) == 1
    processes.mine(1)
    processes.recount("a")
    processes.recount("b")
    assert wallet.getbalances("b")["balance"] == 3_0000_0000
    sent, received = wallet.gettransaction("a", txid), wallet.gettransaction("b", txid)
    assert received["amount"] == 3_0000_0000 and received["confirmations"] == 1
    assert -3_0001_0000 < sent["amount"] < -3_0000_0000
    assert {"address": address, "label": "rent", "isMine": True} in wallet.listaddresses("b")


def test_errors_have_the_codes_that_bitcoin_users_know(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet

    def code(call: Callable[[], object]) -> int:
        with pytest.raises(RpcError) as info:
            call()
        return info.value.code

    assert code(lambda: wallet.getbalances("nobody's")) == -18
    assert code(lambda: wallet.loadwallet("nobody's")) == -18
    assert code(lambda: wallet.createwallet("a")) == -4
    assert code(lambda: wallet.createwallet("../a")) == -4
    assert code(lambda: wallet.send("a", "1", "bcrt1qnonsense", 1000)) == -5
    assert (
        code(lambda: wallet.send("a", "1", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 1)) == -5
    )
    assert code(lambda: wallet.send("a", "1", NOBODY, 51_0000_0000)) == -6
    assert code(lambda: wallet.send("a", "", NOBODY, 1000)) == -8
    assert code(lambda: wallet.walletlock("a")) == -15


def test_a_wallet_that_was_not_running_learns_what_it_missed(processes: Processes) -> None:
    funded(processes)
    address = processes.wallet.getnewaddress("a")
    assert processes.wallet_process.terminate() == 0
    processes.mine(3, address)
    processes.restart_wallet()
    assert processes.synced("a")["immature"] == 3 * recount.SUBSIDY
    processes.recount("a")


def test_a_wallet_goes_on_when_the_node_comes_back(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet
    processes.node_process.kill()
    processes.node_process.process.wait()
    # Without a node a wallet still knows what it has, makes addresses, and signs.
    address = wallet.getnewaddress("a")
    eventually(lambda: check(not wallet.getwalletinfo("a")["isSynced"]))
    txid = wallet.send("a", "1", NOBODY, 1_0000_0000)
    assert wallet.send("a", "1", NOBODY, 1_0000_0000) == txid
    processes.restart_node()
    eventually(lambda: check(processes.node.getrawmempool() == [txid]))
    processes.mine(1, address)
    processes.recount("a")
    assert wallet.gettransaction("a", txid)["confirmations"] == 1


def check(condition: bool) -> None:
    assert condition


def test_a_wallet_follows_the_chain_through_reorganisations(processes: Processes) -> None:
    funded(processes)
    wallet, node = processes.wallet, processes.node
    address = wallet.getnewaddress("a")
    txid = wallet.send("a", "1", NOBODY, 1_0000_0000)
    mined = processes.mine(2, address)
    assert wallet.gettransaction("a", txid)["confirmations"] == 2
    node.invalidateblock(mined[0])
    assert processes.synced("a")["immature"] == 0
    assert wallet.gettransaction("a", txid)["confirmations"] == 0
    processes.mine(3)
    assert wallet.gettransaction("a", txid)["confirmations"] == 3
    processes.recount("a")
    # The same while the wallet is not there: it finds the fork by itself.
    processes.wallet_process.kill()
    node.invalidateblock(node.getblockhash(102))
    processes.mine(4, address)
    processes.restart_wallet()
    processes.recount("a")


def test_a_wallet_killed_at_once_has_what_it_has_told(processes: Processes) -> None:
    funded(processes)
    addresses = []
    for number in range(3):
        addresses.append(processes.wallet.getnewaddress("a", f"number {number}"))
        txid = processes.wallet.send("a", f"payment {number}", NOBODY, 1_0000_0000)
        processes.wallet_process.kill()
        processes.restart_wallet()
        wallet = processes.wallet
        known = eventually(lambda w=wallet: w.listaddresses("a"))  # type: ignore[misc]
        assert {entry["address"] for entry in known} >= set(addresses)
        assert wallet.send("a", f"payment {number}", NOBODY, 1_0000_0000) == txid
        processes.mine(1)
        processes.recount("a")
    assert len(set(addresses)) == 3


def test_replacing_a_payment_by_one_that_pays_more(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet
    old = wallet.send("a", "1", NOBODY, 1_0000_0000)
    new = wallet.bumpfee("a", old)
    assert processes.node.getrawmempool() == [new]
    assert wallet.gettransaction("a", old)["replacedBy"] == new
    with pytest.raises(RpcError, match="given up"):
        wallet.bumpfee("a", old)
    processes.mine(1)
    assert wallet.gettransaction("a", new)["confirmations"] == 1
    assert wallet.gettransaction("a", old)["confirmations"] == -1
    # Whoever asks for the payment again gets the old id, and nothing is paid again.
    assert wallet.send("a", "1", NOBODY, 1_0000_0000) == old
    assert processes.node.getrawmempool() == []
    processes.recount("a")


def test_coins_that_are_locked_are_not_spent(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet
    (coin,) = wallet.listunspent("a")
    wallet.lockunspent("a", coin["txid"], coin["index"])
    with pytest.raises(RpcError, match="insufficient funds"):
        wallet.send("a", "1", NOBODY, 1_0000_0000)
    processes.wallet_process.terminate()
    processes.restart_wallet()
    (coin,) = eventually(lambda: processes.wallet.listunspent("a"))
    assert coin["isLocked"]
    processes.wallet.lockunspent("a", coin["txid"], coin["index"], False)
    processes.wallet.send("a", "1", NOBODY, 1_0000_0000)


def test_a_wallet_with_a_passphrase(processes: Processes, datadir: Path) -> None:
    # With the log of all calls, which must not show it.
    processes.wallet_process.terminate()
    processes.restart_wallet("-debug=ipc")
    wallet = processes.wallet
    eventually(lambda: wallet.createwallet("a", "open sesame"))
    processes.mine(1, wallet.getnewaddress("a"))
    processes.mine(100)
    processes.synced("a")
    with pytest.raises(RpcError) as info:
        wallet.send("a", "1", NOBODY, 1_0000_0000)
    assert info.value.code == -13
    with pytest.raises(RpcError) as info:
        wallet.walletpassphrase("a", "open barley", 60)
    assert info.value.code == -14
    wallet.walletpassphrase("a", "open sesame", 3600)
    txid = wallet.send("a", "1", NOBODY, 1_0000_0000)
    wallet.walletpassphrasechange("a", "open sesame", "open rye")
    wallet.walletlock("a")
    # A payment that was made is told of, also while the wallet is locked.
    assert wallet.send("a", "1", NOBODY, 1_0000_0000) == txid
    wallet.walletpassphrase("a", "open rye", 3600)
    assert "open " not in processes.wallet_process.output
    for file in (datadir / "wallets").iterdir():
        assert b"open " not in file.read_bytes()


def test_wallets_are_loaded_again_unless_they_were_unloaded(processes: Processes) -> None:
    wallet = processes.wallet
    for name in ("", "a", "b"):
        eventually(lambda n=name: wallet.createwallet(n))  # type: ignore[misc]
    wallet.unloadwallet("a")
    assert wallet.listwallets() == ["", "b"] and wallet.listwalletdir() == ["", "a", "b"]
    with pytest.raises(RpcError):
        wallet.getbalances("a")
    processes.wallet_process.kill()
    processes.restart_wallet()
    assert eventually(lambda: processes.wallet.listwallets()) == ["", "b"]
    processes.wallet.loadwallet("a")
    assert processes.wallet.listwallets() == ["", "b", "a"]


def test_a_backup_finds_all_coins_that_came_since(processes: Processes, tmp_path: Path) -> None:
    funded(processes)
    wallet = processes.wallet
    wallet.backupwallet("a", str(tmp_path / "backup"))
    for _ in range(30):  # more than the gap limit
        processes.mine(1, wallet.getnewaddress("a"))
    wallet.send("a", "1", NOBODY, 1_0000_0000)
    processes.mine(1)
    processes.recount("a")
    held = wallet.getbalances("a")
    wallet.restorewallet("b", str(tmp_path / "backup"))
    assert processes.synced("b") == held
    processes.recount("b")


def test_a_rescan_finds_nothing_new_and_loses_nothing(processes: Processes) -> None:
    funded(processes)
    held = processes.wallet.getbalances("a")
    assert processes.wallet.rescanblockchain("a") == 101
    assert processes.wallet.getbalances("a") == held
    assert processes.wallet.rescanblockchain("a", 90) == 101


def test_a_payment_that_the_recipient_pays_the_fee_of(processes: Processes) -> None:
    funded(processes)
    wallet = processes.wallet
    wallet.createwallet("b")
    everything = wallet.getbalances("a")["balance"]
    address = wallet.getnewaddress("b")
    wallet.send("a", "all", address, everything, None, True)
    processes.mine(1)
    assert processes.synced("a")["balance"] == 0
    assert 0 < everything - processes.synced("b")["balance"] < 10_000


def test_help_names_all_options(start: Start) -> None:
    program = start("wallet", "-help")
    assert program.wait() == 0
    for option in ("datadir", "ipcbind", "ipcconnect", "server", "rpcport", "debug"):
        assert f"-{option}" in program.output
