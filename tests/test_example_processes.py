"""The example's programs as a user runs them: real processes, sockets and signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mpipc
from examples.bitcoin.interfaces.init import NodeInit

ROOT = Path(__file__).parents[1]
SECONDS = 30.0
GENESIS = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
PROGRAMS = ("node", "wallet", "demo")


class Program:
    """A program of the example with its output in a file; `stop` leaves nothing behind."""

    def __init__(self, name: str, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"examples.bitcoin.{name}", *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A group of its own: a signal to it is what Ctrl-C in a terminal does, and what
                # is left in it after the end is a leftover.
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait(self) -> int:
        return self.process.wait(SECONDS)

    def wait_for(self, text: str) -> None:
        self.until(lambda: text in self.output)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)

    def press_ctrl_c(self) -> int:
        os.killpg(self.process.pid, signal.SIGINT)
        return self.wait()

    def leftovers(self) -> bool:
        """Whether a process of its group still runs."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def stop(self) -> None:
        if self.leftovers():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Program]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    programs: list[Program] = []

    def start(name: str, *arguments: str) -> Program:
        log = tmp_path / f"{name}-{len(programs)}.log"
        programs.append(Program(name, log, f"-datadir={tmp_path / 'data'}", *arguments))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()


@pytest.fixture
def socket_path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "node.sock"


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


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


def test_the_demo_shows_the_whole_flow_and_exits_0(start: Start, socket_path: Path) -> None:
    demo = start("demo", "-mine=2")
    assert demo.wait() == 0, demo.output
    for text in ("interface Chain", "getBlockHash", f"block 0 is {GENESIS}", "heard of block 2"):
        assert text in demo.output
    assert not demo.leftovers()
    assert not socket_path.exists()


def test_the_demo_continues_the_chain_of_a_data_directory(start: Start) -> None:
    for height in (0, 1):
        demo = start("demo", "-mine=1")
        assert demo.wait() == 0, demo.output
        assert f"the node's height is {height}" in demo.output


def test_the_demo_removes_its_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "t"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    demo = Program("demo", tmp_path / "log", "-mine=0")
    try:
        assert demo.wait() == 0, demo.output
    finally:
        demo.stop()
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("to", ["group", "demo alone"])
def test_ctrl_c_ends_the_demo_with_130_and_leaves_nothing(
    to: str, start: Start, socket_path: Path
) -> None:
    demo = start("demo", "-mine=1000000")
    demo.wait_for("heard of block 3")
    if to == "group":
        assert demo.press_ctrl_c() == 130
    else:
        demo.process.send_signal(signal.SIGINT)
        assert demo.wait() == 130
    assert "Traceback" not in demo.output
    assert not demo.leftovers()
    assert not socket_path.exists()


def test_node_and_wallets_work_when_started_by_hand(start: Start, socket_path: Path) -> None:
    follower = start("wallet", "-mine=0", "-follow", "-wait=30")
    follower.wait_for("waiting up to 30 s")
    node = start("node", "-debug=calls")
    follower.wait_for(f"block 0 is {GENESIS}")
    node.wait_for("handle_tips(callback)")

    miner = start("wallet", "--mine", "3", "--ipcconnect", "unix")
    assert miner.wait() == 0, miner.output
    follower.wait_for("heard of block 3")

    node.process.terminate()
    assert node.wait() == 0, node.output
    follower.wait()
    assert "Traceback" not in node.output + follower.output
    assert not socket_path.exists()


@pytest.mark.parametrize("address", ["unix:other.sock", "tcp:127.0.0.1:{port}"])
def test_other_addresses(address: str, start: Start, unused_port: int) -> None:
    address = address.format(port=unused_port)
    node = start("node", f"-ipcbind={address}", "-ipcbind", "unix")
    for place in (address, "unix"):
        wallet = start("wallet", f"-ipcconnect={place}", "-mine=1")
        assert wallet.wait() == 0, wallet.output
    assert node.press_ctrl_c() == 130
    assert "Traceback" not in node.output


def test_ctrl_c_ends_a_following_wallet_with_130(start: Start) -> None:
    node = start("node")
    wallet = start("wallet", "-mine=1", "-follow")
    wallet.wait_for("heard of block 1")
    assert wallet.press_ctrl_c() == 130
    assert "Traceback" not in wallet.output
    assert start("wallet", "-mine=1").wait() == 0
    assert node.press_ctrl_c() == 130


def test_a_wallet_without_a_node_says_so(start: Start, socket_path: Path) -> None:
    wallet = start("wallet", "-wait=0.2")
    assert wallet.wait() == 1
    assert str(socket_path) in wallet.output
    assert "Traceback" not in wallet.output


def test_a_wallet_whose_node_is_killed_says_so(start: Start, socket_path: Path) -> None:
    node = start("node")
    wallet = start("wallet", "-mine=1", "-follow")
    wallet.wait_for("heard of block 1")
    node.process.kill()
    assert wallet.wait() == 1
    assert "Traceback" not in wallet.output

    again = start("node")
    again.wait_for("height 1")
    assert socket_path.is_socket()


def test_a_spawned_node_serves_its_parent_and_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "examples.bitcoin.node", f"-datadir={tmp_path}"]
    with mpipc.spawn(command, NodeInit) as init:
        assert init.make_echo().echo("hello") == "hello"
        assert init.make_chain().get_height() == 0


def test_debug_ipc_shows_the_messages(start: Start) -> None:
    node = start("node", "-debug=ipc")
    wallet = start("wallet", "-mine=1", "-debug=ipc")
    assert wallet.wait() == 0, wallet.output
    for program in (node, wallet):
        assert "Chain.getBlockHash" in program.output or "get_block_hash" in program.output
