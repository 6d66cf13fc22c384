"""Everything in one process: the same interfaces, and no socket between them; the node's for
others, where it is told to listen."""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pytest

import mpipc
from examples.bitcoin.common.chainparams import COIN
from interfaces.proposed import ProposedInit
from tests.bitcoin.recorder import Recorder
from tests.bitcoin.rpc import Rpc, RpcError
from tests.bitcoin.support import Program, Start


def start_all(start: Start, datadir: Path) -> tuple[Program, Rpc]:
    program = start("all", "-server", "-rpcport=0")
    program.wait_for("JSON-RPC at")
    return program, Rpc("bitcoin", program.log, datadir)


def test_wallets_pay_and_the_page_shows_in_one_process(start: Start, datadir: Path) -> None:
    program, rpc = start_all(start, datadir)
    for name in ("alice", "bob"):
        rpc.createwallet(name)
    alice, bob = rpc.getnewaddress("alice"), rpc.getnewaddress("bob")
    rpc.generatetoaddress(101, alice)
    program.until(lambda: rpc.getbalances("alice")["balance"] == 50 * COIN)
    paid = rpc.send(wallet="alice", payment_id="1", address=bob, amount=COIN)
    assert paid in rpc.getrawmempool()
    (tip,) = rpc.generatetoaddress(1, bob)
    program.until(lambda: rpc.getbalances("bob")["balance"] == COIN)
    program.until(lambda: rpc.getindexinfo()["bestblockhash"] == tip)
    link = (datadir / "gui.link").read_text().strip()
    with urllib.request.urlopen(link.partition("#")[0], timeout=50) as page:
        assert page.status == 200
    assert list(datadir.glob("*.sock")) == []

    node = start("node")
    assert node.wait() == 1
    assert "another node runs" in node.output
    assert program.terminate() == 0
    assert "Traceback" not in program.output

    program, rpc = start_all(start, datadir)
    assert rpc.getblockcount() == 102
    program.until(lambda: rpc.getbalances("bob")["balance"] == COIN)
    assert program.press_ctrl_c() == 0


def test_the_node_asks_the_index_of_its_own_process(start: Start, datadir: Path) -> None:
    """It must not be asked any more when it is closed, which is before the node."""
    program, rpc = start_all(start, datadir)
    rpc.createwallet("alice")
    tip = rpc.generatetoaddress(3, rpc.getnewaddress("alice"))[-1]
    program.until(lambda: (rpc.call("blockFilters.getTip") or {}).get("height") == 3)
    assert rpc.call("chain.hasBlockFilterIndex", "BASIC") is True
    hash = rpc.call("chain.getBlockHash", 3)
    assert bytes.fromhex(hash)[::-1].hex() == tip
    nobody = "0014" + "00" * 20
    assert rpc.call("chain.blockFilterMatchesAny", "BASIC", hash, [nobody]) is False
    rpc.rescanblockchain("alice")
    assert rpc.getbalances("alice")["immature"] == 150 * COIN
    assert program.terminate() == 0
    assert "Traceback" not in program.output


def test_interfaces_are_called_by_json_under_their_own_names(start: Start, datadir: Path) -> None:
    program, rpc = start_all(start, datadir)
    rpc.createwallet("alice")
    hashes = rpc.generatetoaddress(3, rpc.getnewaddress("alice"))
    program.until(lambda: rpc.getwalletinfo("alice")["height"] == 3)
    assert rpc.call("chain.getHeight") == 3
    assert rpc.call("chain.get_block_hash", height=3) == bytes.fromhex(hashes[2])[::-1].hex()
    assert rpc.call("node.isInitialBlockDownload") is False
    assert rpc.call("mining.isTestChain") is True
    assert rpc.call("walletLoader.listWalletDir") == {"alice": "sqlite"}
    assert rpc.call("wallet.getBalances", "alice")["immatureBalance"] == 150 * COIN
    assert rpc.call("wallet.get_balances", wallet="alice")["balance"] == 0
    program.until(lambda: (rpc.call("blockFilters.getTip") or {}).get("height") == 3)
    for name, params, code, text in (
        ("chain.handleNotifications", [1], -32601, "an object or a callable"),
        ("node.mapPort", [True], -32601, "does not offer Node.map_port"),
        ("wallet.getBalances", ["bob"], -18, "'bob'"),
        ("wallet.getBalances", [], -32602, "wallet: missing"),
    ):
        with pytest.raises(RpcError, match=text) as caught:
            rpc.call(name, *params)
        assert caught.value.code == code
    listed = {each["name"] for each in rpc.call("rpc.discover")["methods"]}
    assert {"getblockcount", "chain.getHeight", "node.getNumBlocks", "wallet.getBalance"} <= listed
    assert "chain.handleNotifications" not in listed
    assert program.terminate() == 0


@pytest.mark.parametrize("how", ["terminate", "press_ctrl_c"])
def test_it_serves_the_node_where_it_is_told(
    how: str, start: Start, datadir: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.sock"
    addresses = "unix", f"unix:{second}"
    program = start("all", *(f"-ipcbind={each}" for each in addresses))
    program.wait_for(f"listening on unix:{second}")
    assert (datadir / "node.sock").is_socket()
    for address in addresses:
        miner = start("mine", f"-ipcconnect={address}")
        assert miner.wait() == 0, miner.output
    inits = [mpipc.connect(each, ProposedInit, datadir=datadir, name="node") for each in addresses]
    for init in inits:
        assert init.make_chain().get_height() == 2
    # A client that is still there, and is called by the node, keeps it from nothing.
    handler = inits[0].make_chain().handle_notifications(Recorder())
    assert getattr(program, how)() == 0
    assert handler is not None
    for init in inits:
        mpipc.close(init)
    assert "Traceback" not in program.output
    assert not second.exists()
    assert list(datadir.glob("*.sock*")) == []


def test_spawned_it_serves_the_node_to_its_parent_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.bitcoin.all", f"-datadir={tmp_path}"]
    with mpipc.spawn(command, ProposedInit) as init:
        assert init.make_chain().get_height() == 0
        assert list(tmp_path.glob("*.sock")) == []
