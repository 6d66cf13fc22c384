"""`mpipc top` in a real terminal, and who may look."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

import mpipc
from mpipc.cli import main
from mpipc.introspection.api import Introspection, Snapshot
from tests.runtime.program import RealRoot
from tests.runtime.support import ROOT, Running, ServerProcess
from tests.runtime.test_peers import SOMEBODY_ELSE, as_root, place

__all__ = ["place"]
SECRET = "this is an argument"


@pytest.fixture
def looked_at(start: Callable[..., ServerProcess]) -> ServerProcess:
    return start("--introspect")


class Terminal:
    """A terminal with a command in it."""

    def __init__(self, *arguments: str) -> None:
        self._fd, theirs = pty.openpty()
        environment = {**os.environ, "COLUMNS": "120", "LINES": "30"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mpipc", *arguments], cwd=ROOT, env=environment,
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.shown = ""

    def expect(self, text: str) -> None:
        """Wait until the text was written."""
        deadline = time.monotonic() + 30
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._fd], [], [], 1)[0]:
                try:
                    self.shown += os.read(self._fd, 1 << 16).decode()
                except OSError:  # nobody has the other end any more
                    assert text in self.shown, self.shown

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def run(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


def test_it_shows_calls_again_and_again_until_q(
    looked_at: ServerProcess, terminal: Callable[..., Terminal]
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def step(value: int) -> int:
        entered.set()
        assert leave.wait(50)
        return value

    with looked_at.connect() as root:
        running = Running(lambda: root.callbacks().call(step, 1), name="long caller")
        try:
            assert entered.wait(30)
            top = terminal("top", "--interval", "0.1", looked_at.address)
            top.expect("RUNNING CALL")
            top.expect("long caller")
            root.values().optional(1, SECRET)
            top.expect("Values.optional")
            top.expect(f"({looked_at.pid})")
            top.type("q")
            top.expect("\x1b[?1049l")  # back on the screen that was there before
            assert top.process.wait(30) == 0
            assert SECRET not in top.shown
        finally:
            leave.set()
        running.result()


def test_it_ends_in_order_when_the_server_does(
    looked_at: ServerProcess, terminal: Callable[..., Terminal]
) -> None:
    top = terminal("top", "--interval", "0.1", looked_at.address)
    top.expect("METHOD")
    looked_at.close_input()
    top.expect("the other end closed")
    assert top.process.wait(30) == 1
    assert top.shown.index("\x1b[?1049l") < top.shown.index("the other end closed")


def test_once_as_json(looked_at: ServerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    with looked_at.connect() as root:
        root.values().optional(1, SECRET)
        assert main(["top", "--once", "--json", looked_at.address]) == 0
    out = capsys.readouterr().out
    snapshot = msgspec.json.decode(out, type=Snapshot)
    assert snapshot.pid == looked_at.pid
    assert {each.method for each in snapshot.methods} == {"values", "optional"}
    assert SECRET not in out
    assert main(["top", "--once", looked_at.address]) == 0
    assert "Values.optional" in capsys.readouterr().out


def test_a_server_tells_nothing_unless_it_is_asked_to(
    server: ServerProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["top", "--once", server.address]) == 1
    assert "introspect=True" in capsys.readouterr().err
    with server.connect() as root:
        assert root.values().small(1, 2) == 3


@as_root
def test_it_tells_nothing_to_another_user(place: Path, script: Callable[..., Any]) -> None:
    with mpipc.serve(
        f"unix:{place}/s", RealRoot(), peers=["root", "nobody"], introspect=True
    ) as server:
        try:
            program = f"""
from mpipc.introspection.api import Introspection
generated_for(Introspection)
{SOMEBODY_ELSE}
with mpipc.connect(sys.argv[1], Root, peers=["root"]) as root:
    print(root.values().small(1, 2))
with mpipc.connect(sys.argv[1], Introspection, peers=["root"]) as root:
    try:
        print(root.snapshot())
    except mpipc.Unimplemented:
        print("nothing")
"""
            program = "from mpipc.generate.load import generated_for\n" + program
            done = script(program, server.address)
            assert done.stdout.split() == ["3", "nothing"], done.stderr
            with mpipc.connect(server.address, Introspection) as ours:
                assert ours.snapshot().accepted == 3
        finally:
            mpipc.metrics.disable()
