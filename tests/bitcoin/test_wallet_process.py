"""The wallet as a user has it: a process beside a node, each of which may end at any time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from tests.bitcoin import recount
from tests.bitcoin.rpc import Rpc, RpcError, Unreachable
from tests.bitcoin.support import Program, Start

SECONDS = 50.0
AMOUNT = 20_0000_0000
SMALLEST_SUBSIDY = 12_5000_0000
NOBODY = "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202"
"""The address of a key that nobody has."""

ELSEWHERE = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
"""An address of another network."""


class Processes:
    """A node and a wallet on one data directory, for all tests here: to start them, and to mine
    what can be spent, takes time."""

    def __init__(self, directory: Path) -> None:
        self._directory, self.datadir = directory, directory / "data"
        self._programs: list[Program] = []
        self.node_process, self.node = self.start("node")
        self.wallet_process, self.wallet = self.start("wallet")
        eventually(lambda: self.wallet.createwallet("bank"))
        self.mine(20, self.wallet.getnewaddress("bank"))
        self.mine(100)

    def start(self, name: str) -> tuple[Program, Rpc]:
        number = len(self._programs)
        log, datadir = self._directory / f"{name}-{number}.log", f"-datadir={self.datadir}"
        self._programs.append(Program(name, log, datadir, "-server", "-rpcport=0"))
        return self._programs[-1], Rpc(name, log, self.datadir)

    def stop(self) -> None:
        for program in self._programs:
            program.stop()

    def restart_node(self) -> None:
        self.node_process, self.node = self.start("node")

    def restart_wallet(self) -> None:
        self.wallet_process, self.wallet = self.start("wallet")

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
        copy = self.datadir / f"copy-{time.monotonic_ns()}"
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


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("wallet"))
    yield processes
    processes.stop()


def funded(processes: Processes, name: str) -> None:
    """A wallet with one coin that it can spend."""
    wallet = processes.wallet
    wallet.createwallet(name)
    processes.synced("bank")
    wallet.send("bank", name, wallet.getnewaddress(name), AMOUNT)
    processes.mine(1)
    assert processes.synced(name)["balance"] == AMOUNT


def check(condition: bool) -> None:
    assert condition


def test_a_payment_from_one_wallet_to_another(processes: Processes) -> None:
    funded(processes, "tenant")
    wallet = processes.wallet
    wallet.createwallet("landlord")
    address = wallet.getnewaddress("landlord", "rent")
    txid = wallet.send("tenant", "rent for May", address, 3_0000_0000)
    assert processes.node.getrawmempool() == [txid]
    assert processes.synced("landlord")["unconfirmed"] == 3_0000_0000
    # It is the same payment, however often it is asked for; but not with another amount.
    assert wallet.send("tenant", "rent for May", address, 3_0000_0000) == txid
    with pytest.raises(RpcError, match="another payment"):
        wallet.send("tenant", "rent for May", address, 4_0000_0000)
    assert len(processes.node.getrawmempool()) == 1
    processes.mine(1)
    processes.recount("tenant")
    processes.recount("landlord")
    assert wallet.getbalances("landlord")["balance"] == 3_0000_0000
    sent, received = wallet.gettransaction("tenant", txid), wallet.gettransaction("landlord", txid)
    assert received["amount"] == 3_0000_0000 and received["confirmations"] == 1
    assert -3_0001_0000 < sent["amount"] < -3_0000_0000
    assert wallet.listaddresses("landlord") == [
        {"address": address, "label": "rent", "isMine": True}
    ]
    # The recipient can pay the fee, down to the last coin.
    rest, back = wallet.getbalances("tenant")["balance"], wallet.getnewaddress("landlord")
    wallet.send("tenant", "all", back, rest, None, True)
    processes.mine(1)
    assert processes.synced("tenant")["balance"] == 0
    assert 0 < AMOUNT - processes.synced("landlord")["balance"] < 10_000


def test_errors_have_the_codes_that_bitcoin_users_know(processes: Processes) -> None:
    funded(processes, "wrong")
    wallet = processes.wallet
    wallet.createwallet("locked", "open sesame")

    def code(method: str, *params: object) -> int:
        with pytest.raises(RpcError) as info:
            wallet.call(method, *params)
        return info.value.code

    assert code("getbalances", "nobody's") == -18
    assert code("loadwallet", "nobody's") == -18
    assert code("createwallet", "wrong") == -4
    assert code("createwallet", "../wrong") == -4
    assert code("send", "wrong", "1", "bcrt1qnonsense", 1000) == -5
    assert code("send", "wrong", "1", ELSEWHERE, 1000) == -5
    assert code("send", "wrong", "1", NOBODY, AMOUNT) == -6
    assert code("send", "wrong", "", NOBODY, 1000) == -8
    assert code("gettransaction", "wrong", "00" * 32) == -5
    assert code("gettransaction", "wrong", "nonsense") == -8
    assert code("bumpfee", "wrong", "00" * 32) == -4
    assert code("walletlock", "wrong") == -15
    assert code("send", "locked", "1", NOBODY, 1000) == -13
    assert code("walletpassphrase", "locked", "open barley", 60) == -14


def test_a_payment_that_was_made_is_told_of_while_the_wallet_is_locked(
    processes: Processes,
) -> None:
    funded(processes, "careful")
    wallet = processes.wallet
    wallet.encryptwallet("careful", "open sesame")
    wallet.walletpassphrase("careful", "open sesame", 3600)
    txid = wallet.send("careful", "1", NOBODY, 1_0000_0000)
    wallet.walletlock("careful")
    assert wallet.send("careful", "1", NOBODY, 1_0000_0000) == txid


def test_a_wallet_goes_on_when_the_node_comes_back(processes: Processes) -> None:
    funded(processes, "patient")
    wallet = processes.wallet
    processes.node_process.kill()
    # Without a node a wallet still knows what it has, makes addresses, and signs.
    address = wallet.getnewaddress("patient")
    eventually(lambda: check(not wallet.getwalletinfo("patient")["isSynced"]))
    txid = wallet.send("patient", "1", NOBODY, 1_0000_0000)
    assert wallet.send("patient", "1", NOBODY, 1_0000_0000) == txid
    processes.restart_node()
    eventually(lambda: check(txid in processes.node.getrawmempool()))
    processes.mine(1, address)
    processes.recount("patient")
    assert wallet.gettransaction("patient", txid)["confirmations"] == 1


def test_a_wallet_follows_the_chain_through_reorganisations(processes: Processes) -> None:
    funded(processes, "reorganised")
    wallet, node = processes.wallet, processes.node
    address = wallet.getnewaddress("reorganised")
    txid = wallet.send("reorganised", "1", NOBODY, 1_0000_0000)
    mined = processes.mine(2, address)
    assert processes.synced("reorganised")["immature"] > 2 * SMALLEST_SUBSIDY
    node.invalidateblock(mined[0])
    assert processes.synced("reorganised")["immature"] == 0
    assert wallet.gettransaction("reorganised", txid)["confirmations"] == 0
    processes.mine(3)
    processes.synced("reorganised")
    assert wallet.gettransaction("reorganised", txid)["confirmations"] == 3
    processes.recount("reorganised")
    # The same while the wallet is not there: it finds the fork by itself. And what it missed.
    processes.wallet_process.kill()
    node.invalidateblock(node.getblockhash(node.getblockcount() - 5))
    processes.mine(7, address)
    processes.restart_wallet()
    processes.recount("reorganised")
    assert processes.wallet.getbalances("reorganised")["immature"] > 7 * SMALLEST_SUBSIDY


def test_a_wallet_killed_at_once_has_what_it_has_told(processes: Processes) -> None:
    funded(processes, "killed")
    (coin,) = processes.wallet.listunspent("killed")
    processes.wallet.lockunspent("killed", coin["txid"], coin["index"])
    processes.wallet_process.kill()
    processes.restart_wallet()
    (coin,) = eventually(lambda: processes.wallet.listunspent("killed"))
    assert coin["isLocked"]
    processes.wallet.lockunspent("killed", coin["txid"], coin["index"], False)
    address = processes.wallet.getnewaddress("killed", "just now")
    txid = processes.wallet.send("killed", "a payment", NOBODY, 1_0000_0000)
    processes.wallet_process.kill()
    processes.restart_wallet()
    wallet = processes.wallet
    known = eventually(lambda: wallet.listaddresses("killed"))
    assert {"address": address, "label": "just now", "isMine": True} in known
    assert wallet.send("killed", "a payment", NOBODY, 1_0000_0000) == txid
    processes.mine(1)
    processes.recount("killed")


def test_wallets_are_loaded_again_unless_they_were_unloaded(processes: Processes) -> None:
    wallet = processes.wallet
    for name in ("", "kept", "put away"):
        wallet.createwallet(name)
    wallet.unloadwallet("put away")
    assert "put away" not in wallet.listwallets() and "put away" in wallet.listwalletdir()
    with pytest.raises(RpcError, match="is loaded"):
        wallet.getbalances("put away")
    assert processes.wallet_process.terminate() == 0
    processes.restart_wallet()
    loaded = eventually(lambda: processes.wallet.listwallets())
    assert {"", "kept"} <= set(loaded) and "put away" not in loaded
    processes.wallet.loadwallet("put away")
    assert "put away" in processes.wallet.listwallets()


def test_a_backup_finds_all_coins_that_came_since(processes: Processes, tmp_path: Path) -> None:
    funded(processes, "old")
    wallet = processes.wallet
    wallet.backupwallet("old", str(tmp_path / "backup"))
    for _ in range(25):  # more than the gap limit
        processes.mine(1, wallet.getnewaddress("old"))
    wallet.send("old", "1", NOBODY, 1_0000_0000)
    processes.mine(1)
    processes.recount("old")
    held = wallet.getbalances("old")
    wallet.restorewallet("new", str(tmp_path / "backup"))
    assert processes.synced("new") == held
    processes.recount("new")


def test_help_names_all_options(start: Start) -> None:
    program = start("wallet", "-help")
    assert program.wait() == 0
    for option in ("datadir", "ipcbind", "ipcconnect", "server", "rpcport", "debug"):
        assert f"-{option}" in program.output
