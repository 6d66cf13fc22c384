"""What a newcomer gets wrong, and what goes wrong around them: one line says it, the exit status
too, and nothing is left behind."""

from __future__ import annotations

import resource
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from examples.bitcoin.common.chainparams import COIN
from tests.bitcoin.rpc import Rpc, RpcError
from tests.bitcoin.support import SECONDS, Key, Program, Start

ALL = ["node", "wallet", "index", "gui", "all"]


def failed(program: Program, status: int = 1) -> str:
    """The last line of a program that has ended with this status; nothing is left of it."""
    assert program.wait() == status, program.output
    assert "Traceback" not in program.output
    assert not program.leftovers()
    return program.output.splitlines()[-1]


@pytest.mark.parametrize("name", ALL)
def test_a_data_directory_that_is_none(name: str, start: Start, datadir: Path) -> None:
    datadir.write_text("a file")
    assert f"cannot use the data directory {datadir}: File exists" in failed(start(name))


@pytest.mark.parametrize(
    ("name", "file"), [("node", "chain"), ("index", "index"), ("all", "chain")]
)
def test_a_file_of_another_program(name: str, file: str, start: Start, datadir: Path) -> None:
    datadir.mkdir()
    path = datadir / f"{file}.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE holiday(photo BLOB)")
    db.close()
    before = path.read_bytes()
    assert failed(start(name)).endswith(f"{path} is a file of another program")
    assert path.read_bytes() == before
    path.write_bytes(b"no database at all" * 1000)
    assert failed(start(name)).endswith(f"cannot use {path}: file is not a database")


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("node", ["-nonsense"], "unrecognized arguments: -nonsense"),
        ("node", ["-ipcbind=nonsense"], "--ipcbind: nonsense: expected unix, unix:PATH"),
        ("node", ["-blockfilters=tcp:x"], "tcp:x: expected tcp:HOST:PORT"),
        ("node", ["-connect-core=unix:" + "x" * 200], "can have 107 at most"),
        ("wallet", ["-ipcconnect=nonsense"], "--ipcconnect: nonsense: expected unix, unix:PATH"),
        ("index", ["-server", "-rpcport=99999"], "a port is a number from 0 to 65535"),
        ("gui", ["-guiport=-1"], "a port is a number from 0 to 65535"),
        ("gui", ["-walletconnect=nonsense"], "nonsense: expected unix, unix:PATH"),
        ("mine", ["-blocks=0"], "a number from 1 on"),
        ("all", ["-debug=everything"], "invalid choice: 'everything'"),
        ("all", ["-ipcbind=nonsense"], "--ipcbind: nonsense: expected unix, unix:PATH"),
    ],
)
def test_wrong_options(
    name: str, options: list[str], text: str, start: Start, datadir: Path
) -> None:
    assert text in failed(start(name, *options), 2)
    assert not datadir.exists()


def test_a_miner_without_a_node_or_an_address(start: Start, datadir: Path) -> None:
    assert failed(start("mine")) == f"mine: nobody listens on unix:{datadir}/node.sock"
    assert failed(start("mine", "-address=me")).startswith("mine: me is no address: ")


@pytest.mark.parametrize(
    ("name", "option"),
    [("node", "rpcport"), ("wallet", "rpcport"), ("gui", "guiport"), ("all", "guiport"),
     ("index", "ipcbind"), ("all", "ipcbind")],
)  # fmt: skip
def test_a_port_that_is_taken(name: str, option: str, start: Start, datadir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        value = f"tcp:127.0.0.1:{port}" if option == "ipcbind" else str(port)
        program = start(name, f"-{option}={value}", *(["-server"] if option == "rpcport" else []))
        line = failed(program)
    assert line.endswith("Address already in use")
    assert str(port) in line
    for left in ("*.sock", "*.link", "*.cookie"):
        assert not list(datadir.glob(left))


def test_a_node_whose_disk_is_full_keeps_what_it_has_acknowledged(
    start: Start, datadir: Path
) -> None:
    node = start("node", "-server", "-rpcport=0")
    node.wait_for("JSON-RPC at")
    rpc = Rpc("node", node.log, datadir)
    address = Key(1).address
    hashes = rpc.generatetoaddress(5, address)
    # No file may grow beyond this; SQLite is told the same as with a disk that is full.
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
    with pytest.raises(RpcError, match="cannot write to the disk") as caught:
        while True:
            hashes += rpc.generatetoaddress(1, address)
    assert caught.value.code == -20
    assert failed(node).startswith("node: cannot write to the disk: ")
    node = start("node", "-server", "-rpcport=0")
    node.wait_for("JSON-RPC at")
    rpc = Rpc("node", node.log, datadir)
    assert [rpc.getblockhash(height + 1) for height in range(len(hashes))] == hashes
    rpc.generatetoaddress(1, address)
    assert node.terminate() == 0


def test_wallet_and_index_go_on_when_there_is_room_again(start: Start, datadir: Path) -> None:
    programs = {name: start(name, "-server", "-rpcport=0") for name in ("node", "wallet", "index")}
    for each in programs.values():
        each.wait_for("JSON-RPC at")
    node, wallet, index = (Rpc(name, each.log, datadir) for name, each in programs.items())
    wallet.createwallet("savings")
    address = wallet.getnewaddress("savings")
    full = {"wallet": "savings: ", "index": "cannot index a block: "}
    unlimited = resource.RLIM_INFINITY
    for name in full:
        pid = programs[name].process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited))
    node.generatetoaddress(101, address)
    for name, text in full.items():
        programs[name].wait_for(text)
    with pytest.raises(RpcError, match="cannot write"):
        wallet.getnewaddress("savings")
    for name in full:
        pid = programs[name].process.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    programs["wallet"].until(lambda: wallet.getbalances("savings")["balance"] == 50 * COIN)
    programs["index"].until(lambda: index.getindexinfo()["syncedTo"] == 101)
    for each in programs.values():
        assert each.terminate() == 0
        assert "Traceback" not in each.output


@pytest.mark.parametrize("name", ALL)
def test_ctrl_c_while_it_starts(name: str, start: Start, datadir: Path) -> None:
    """At any time after the interpreter itself has started."""
    program = start(name)
    maps = Path(f"/proc/{program.process.pid}/maps")
    deadline = time.monotonic() + SECONDS
    while "_hashlib" not in maps.read_text() and program.process.poll() is None:
        assert time.monotonic() < deadline  # until it imports what is heavy
        time.sleep(0.001)
    assert program.press_ctrl_c() in (0, -signal.SIGINT)
    assert "Traceback" not in program.output
    assert not program.leftovers()
    for left in ("*.sock", "*.link", "*.cookie"):
        assert not list(datadir.glob(left))
