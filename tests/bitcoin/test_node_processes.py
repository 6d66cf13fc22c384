"""The node's programs as a user runs them: real processes, sockets and signals."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpipc
from examples.bitcoin.mine import mine
from examples.bitcoin.node.chainstate import Chainstate
from interfaces.enums import TxBroadcast
from interfaces.errors import RPCError
from interfaces.proposed import ProposedInit
from tests.bitcoin.chains import ALICE, MATURE, coins_of, payment
from tests.bitcoin.recorder import Recorder
from tests.bitcoin.rpc import Rpc, RpcError, Unreachable
from tests.bitcoin.support import ROOT, SECONDS, Program, Start

GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
PROGRAMS = ("node", "mine", "demo")


def connect(datadir: Path) -> Any:
    return mpipc.connect("unix", ProposedInit, datadir=datadir, name="node")


def start_node(start: Start, *arguments: str) -> Program:
    node = start("node", *arguments)
    node.wait_for("listening on")
    return node


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_lists_the_options(name: str) -> None:
    for flag in ("--help", "-help", "-h"):
        run = [sys.executable, "-m", f"examples.bitcoin.{name}", flag]
        result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
        assert result.returncode == 0
        assert "-datadir=DIR" in result.stdout
        assert result.stderr == ""


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_unknown_option_is_named(name: str, start: Start) -> None:
    program = start(name, "-nonsense=1")
    assert program.wait() == 2
    assert "-nonsense=1" in program.output


@pytest.mark.parametrize("how", ["terminate", "press_ctrl_c"])
def test_a_node_ends_cleanly(how: str, start: Start, datadir: Path) -> None:
    node = start_node(start, "-server", "-rpcport=0")
    node.wait_for("JSON-RPC at")
    with connect(datadir) as init:
        recorder = Recorder()
        handler = init.make_chain().handle_notifications(recorder)
        mine(init.make_mining())
        assert getattr(node, how)() == 0
        assert handler is not None
    assert "Traceback" not in node.output
    assert sorted(path.name for path in datadir.iterdir()) == [".node.lock", "chain.sqlite"]


def test_two_nodes_do_not_share_a_data_directory(start: Start, datadir: Path) -> None:
    start_node(start)
    other = start("node", "-ipcbind=unix:other.sock")
    assert other.wait() == 1
    assert f"another node runs in {datadir}" in other.output


@pytest.mark.parametrize("break_it", ["file", "database"])
def test_a_data_directory_that_cannot_be_used_is_named(
    break_it: str, start: Start, datadir: Path
) -> None:
    if break_it == "file":
        datadir.touch()
    else:
        datadir.mkdir()
        (datadir / "chain.sqlite").write_bytes(b"not a database, but long enough to look like one")
    node = start("node")
    assert node.wait() == 1
    assert str(datadir) in node.output
    assert "Traceback" not in node.output


def test_a_port_that_is_taken_is_named(start: Start, datadir: Path) -> None:
    node = start_node(start, "-server", "-rpcport=0")
    node.wait_for("JSON-RPC at")
    port = node.output.rpartition(":")[2].strip(" /\n")
    other = start("node", f"-datadir={datadir}-2", "-server", f"-rpcport={port}")
    assert other.wait() == 1
    assert port in other.output


def test_several_addresses_at_once(start: Start, datadir: Path) -> None:
    node = start_node(start, "-ipcbind=unix", "-ipcbind=unix:second.sock")
    node.wait_for("second.sock")
    for address in ("unix", "unix:second.sock"):
        miner = start("mine", f"-ipcconnect={address}")
        assert miner.wait() == 0, miner.output
    with connect(datadir) as init:
        assert init.make_chain().get_height() == 2


def test_a_spawned_node_serves_its_parent_and_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.bitcoin.node", f"-datadir={tmp_path}"]
    with mpipc.spawn(command, ProposedInit) as init:
        assert init.make_echo().echo("hello") == "hello"
        chain = init.make_chain()
        assert str(chain.get_block_hash(0)) == GENESIS


def test_debug_shows_the_calls(start: Start, datadir: Path) -> None:
    node = start_node(start, "-debug=ipc", "-debug=calls")
    with connect(datadir) as init:
        init.make_chain().get_height()
    node.wait_for("get_height() -> 0")
    assert "Chain.getHeight" in node.output or "Chain.get_height" in node.output


def test_a_miner_without_a_node_says_so(start: Start, datadir: Path) -> None:
    miner = start("mine")
    assert miner.wait() == 1
    assert str(datadir) in miner.output
    assert "Traceback" not in miner.output


# ------------------------------------------------------------------------------------- interfaces


def test_a_client_follows_the_chain_over_its_socket(start: Start, mature: Path) -> None:
    start_node(start)
    with connect(mature) as init:
        chain, recorder = init.make_chain(), Recorder()
        handler = chain.handle_notifications(recorder)
        hashes = [mine(init.make_mining(), ALICE.script) for _ in range(3)]
        node = init.make_node()
        node.execute_rpc("invalidateblock", json.dumps([str(hashes[1])]), "")
        chain.wait_for_notifications()
        assert recorder.told == [
            ("connected", 104), ("tip",), ("connected", 105), ("tip",), ("connected", 106),
            ("tip",), ("disconnected", 106), ("disconnected", 105), ("tip",),
        ]  # fmt: skip
        assert recorder.chain == hashes[:1]
        handler.disconnect()
        mine(init.make_mining())
        chain.wait_for_notifications()
        assert len(recorder.told) == 9


def test_the_mempool_is_told_to_who_asks(start: Start, mature: Path) -> None:
    state = Chainstate(mature)
    payments = [payment(state, height) for height in (1, 2, 3)]
    state.close()
    start_node(start)
    with connect(mature) as init:
        chain, recorder = init.make_chain(), Recorder()
        for each in payments:
            assert chain.broadcast_transaction(each, 10**8, TxBroadcast.MEMPOOL_NO_BROADCAST).result
        chain.request_mempool_transactions(recorder)
        assert [event[0] for event in recorder.told] == ["added"] * 3


def test_a_killed_client_leaves_the_node_to_the_others(start: Start, datadir: Path) -> None:
    start_node(start)
    program = (
        "import sys, mpipc\n"
        "from interfaces.proposed import ProposedInit\n"
        "from tests.bitcoin.recorder import Recorder\n"
        "init = mpipc.connect('unix', ProposedInit, datadir=sys.argv[1], name='node')\n"
        "handler = init.make_chain().handle_notifications(Recorder())\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", program, str(datadir)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    with client:
        assert client.stdout is not None and client.stdout.readline() == b"ready\n"
        client.kill()
    with connect(datadir) as init:
        for _ in range(3):
            mine(init.make_mining())
        assert init.make_chain().get_height() == 3


# ------------------------------------------------------------------------------------------- RPC


def rpc_of(node: Program, datadir: Path) -> Rpc:
    node.wait_for("JSON-RPC at")
    return Rpc("node", node.log, datadir)


def test_commands_over_http(start: Start, mature: Path) -> None:
    rpc = rpc_of(start_node(start, "-server=1", "-rpcport=0"), mature)
    hashes = rpc.generatetoaddress(nblocks=2, address=ALICE.address)
    assert rpc.getblockcount() == MATURE + 2
    block = rpc.getblock(hashes[0])
    assert (block["height"], block["nextblockhash"]) == (MATURE + 1, hashes[1])
    output = rpc.gettxout(block["tx"][0], 0)
    assert (output["address"], output["coinbase"]) == (ALICE.address, True)
    wrong: dict[int, Callable[[], object]] = {
        -8: lambda: rpc.getblockhash(1000),
        -5: lambda: rpc.getblock("00"),
        -26: lambda: rpc.sendrawtransaction("00"),
    }
    for code, call in wrong.items():
        with pytest.raises(RpcError) as caught:
            call()
        assert caught.value.code == code
    with pytest.raises(RpcError, match="nobody"):
        rpc.generatetoaddress(1, "nobody")
    names = [method["name"] for method in rpc.call("rpc.discover")["methods"]]
    assert {"getblockcount", "getblock", "stop"} <= set(names)
    (mature / "node.cookie").write_text("__cookie__:wrong")
    with pytest.raises(Unreachable, match="401"):
        rpc.getblockcount()


def test_the_command_stop_is_answered_and_ends_the_node(start: Start, datadir: Path) -> None:
    node = start_node(start, "-server", "-rpcport=0")
    assert rpc_of(node, datadir).stop() == "the node ends"
    assert node.wait() == 0


def test_a_user_interface_can_end_the_node(start: Start, datadir: Path) -> None:
    node = start_node(start)
    with connect(datadir) as init:
        interface = init.make_node()
        assert not interface.shutdown_requested()
        interface.start_shutdown()
        assert node.wait() == 0


def test_the_same_commands_over_the_interfaces(start: Start, datadir: Path) -> None:
    start_node(start)
    with connect(datadir) as init:
        node, rpc = init.make_node(), init.make_rpc()
        assert "getblockcount" in node.list_rpc_commands()
        assert node.execute_rpc("getblockcount", "[]", "") == "0"
        with pytest.raises(RPCError) as caught:
            node.execute_rpc("getblockhash", "[7]", "")
        assert caught.value.code == -8
        answer = rpc.execute_rpc('{"id": 3, "method": "getblockcount"}', "", "")
        assert json.loads(answer) == {"jsonrpc": "2.0", "id": 3, "result": 0}
        for broken in ("{}", "[", "7"):
            assert json.loads(rpc.execute_rpc(broken, "", ""))["error"]["code"] == -32600


# ----------------------------------------------------------------------------------------- crashes


def mine_until_killed(init: ProposedInit, node: Program, after: float) -> list[bytes]:
    """Mine until the node is killed, so many seconds later. Returns what it has acknowledged."""
    mining = init.make_mining()
    acknowledged: list[bytes] = []
    killer = threading.Timer(after, node.process.kill)
    killer.start()
    try:
        while True:
            acknowledged.append(mine(mining, ALICE.script))
    except mpipc.IpcError:
        killer.join()
        return acknowledged


def check_after_crash(datadir: Path, acknowledged: list[bytes]) -> None:
    """The store opens, has every acknowledged block, and its coins are those of its chain."""
    state = Chainstate(datadir)
    hashes = [block.hash for block in state.blocks.active]
    assert [hash for hash in acknowledged if hash not in hashes] == []
    blocks = [state.block_data(block) for block in state.blocks.active[1:]]
    coins = coins_of(state)
    state.close()
    again = datadir.with_name("recount")
    again.mkdir()
    recount = Chainstate(again)
    for data in blocks:
        recount.submit(data)
    assert coins_of(recount) == coins
    recount.close()
    for path in again.iterdir():
        path.unlink()
    again.rmdir()


def killed_again_and_again(start: Start, datadir: Path, rounds: int, seed: int) -> int:
    luck = random.Random(seed)
    acknowledged: list[bytes] = []
    for _ in range(rounds):
        node = start_node(start)
        init = connect(datadir)
        acknowledged += mine_until_killed(init, node, luck.uniform(0, 0.3))
        mpipc.close(init)
        assert node.process.wait(SECONDS) == -9
        check_after_crash(datadir, acknowledged)
    return len(acknowledged)


def test_a_killed_node_loses_no_block_that_it_has_acknowledged(start: Start, datadir: Path) -> None:
    assert killed_again_and_again(start, datadir, 3, 1) > 0


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_node_that_is_killed_fifty_times_loses_nothing(start: Start, datadir: Path) -> None:
    assert killed_again_and_again(start, datadir, 50, 2) >= 50
