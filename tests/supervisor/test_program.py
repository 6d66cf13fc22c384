"""A supervisor as a program: signals, systemd, and being killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.support import PATIENCE, children, eventually
from tests.supervisor.conftest import ROOT, alive

PROGRAM = """
import os, sys
import mpipc
from tests.supervisor.worker import Worker

argv = [sys.executable, "-m", "tests.supervisor.worker"]
options = {"env": {**os.environ, **({"STUBBORN": "1"} if "stubborn" in sys.argv else {})}}
node = mpipc.Component("node", argv, Worker, options=options, stop_timeout=PATIENCE)
wallet = mpipc.Component("wallet", argv, Worker, after=["node"])

def tell(event):
    print(event.kind, event.component, event.pid, flush=True)

mpipc.Supervisor([node, wallet], on_event=tell).run()
print("over", flush=True)
""".replace("PATIENCE", str(PATIENCE))


class Program:
    def __init__(self, *arguments: str, text: str = PROGRAM, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", text, *arguments],
            cwd=ROOT, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pids: dict[str, int] = {}
        self.lines: list[str] = []

    def until(self, last: str) -> None:
        """Read what it says up to a line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            words = line.split()
            if words[0] == "ready":
                self.pids[words[1]] = int(words[2])
            if line.startswith(last):
                return
        raise AssertionError(f"it never said {last}: {self.lines}")


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(*arguments: str, **options: Any) -> Program:
        started.append(Program(*arguments, **options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
        assert each.process.stdout is not None
        each.process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(start: Callable[..., Program], number: int) -> None:
    program = start()
    program.until("ready wallet")
    program.process.send_signal(number)
    program.until("over")
    assert program.process.wait() == 0
    assert [line.split()[:2] for line in program.lines[-5:-1]] == [
        ["stopping", "wallet"], ["stopped", "wallet"], ["stopping", "node"], ["stopped", "node"]
    ]  # fmt: skip
    assert not any(map(alive, program.pids.values()))


def test_while_it_starts_as_well(start: Callable[..., Program]) -> None:
    program = start()
    program.until("starting node")
    program.process.send_signal(signal.SIGTERM)
    program.until("over")
    assert program.process.wait() == 0


# Sends itself a signal as soon as the first component's thread runs, when that of the second may
# not be started yet: the first is not to wait for the second then.
SIGNALLED = PROGRAM.replace("def tell(event):", """def tell(event):
    if event.kind == "starting":
        os.kill(os.getpid(), int(sys.argv[1]))""")  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_when_the_next_is_not_begun_yet(start: Callable[..., Program], number: int) -> None:
    program = start(str(int(number)), text=SIGNALLED)
    program.until("over")
    assert program.process.wait() == 0


# The signal does not interrupt the main thread, as when it comes just before that begins to wait.
UNHEARD = """
import signal, threading
from mpipc.supervisor.signals import listening

heard = threading.Event()
with listening(lambda number, count: heard.set()):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    print("waiting", flush=True)
    heard.wait()
print("over", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_wakes_who_already_waits(start: Callable[..., Program], number: int) -> None:
    program = start(text=UNHEARD)
    program.until("waiting")
    program.process.send_signal(number)
    program.until("over")
    assert program.process.wait() == 0


def test_ctrl_c_where_it_is_an_exception(start: Callable[..., Program]) -> None:
    program = start(str(int(signal.SIGINT)), text=SIGNALLED.replace(
        "mpipc.Supervisor([node, wallet], on_event=tell).run()", """\
try:
    with mpipc.Supervisor([node, wallet], on_event=tell):
        print("begun", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)"""))  # fmt: skip
    program.until("over")
    assert program.process.wait() == 0
    assert "begun" not in program.lines
    assert "interrupted" in program.lines


def test_a_second_signal_is_impatient(start: Callable[..., Program]) -> None:
    program = start("stubborn")
    program.until("ready wallet")
    program.process.send_signal(signal.SIGINT)
    program.until("stopping node")
    program.process.send_signal(signal.SIGINT)
    program.until("over")
    assert program.process.wait() == 0
    assert not any(map(alive, program.pids.values()))


def test_killed_it_leaves_nothing_behind(start: Callable[..., Program]) -> None:
    program = start("stubborn")
    program.until("ready wallet")
    program.process.kill()
    program.process.wait()
    eventually(lambda: not any(map(alive, program.pids.values())))


def test_what_a_killed_one_left_is_removed_by_the_next(
    start: Callable[..., Program], tmp_path: Path
) -> None:
    """Its directory; that of one that lives is left alone."""
    killed, living = (start(TMPDIR=str(tmp_path)) for _ in range(2))
    for each in (killed, living):
        each.until("ready wallet")
    both = set(tmp_path.iterdir())
    assert len(both) == 2
    killed.process.kill()
    killed.process.wait()
    assert set(tmp_path.iterdir()) == both
    third = start(TMPDIR=str(tmp_path))
    third.until("ready wallet")
    there = set(tmp_path.iterdir())
    assert len(there) == 2
    assert len(there & both) == 1
    for each in (third, living):
        each.process.send_signal(signal.SIGTERM)
        each.until("over")
    assert not [*tmp_path.iterdir()]


def test_killed_while_it_starts_it_leaves_nothing_behind(start: Callable[..., Program]) -> None:
    """At a moment when a child may not even have become its program."""
    for _ in range(3):
        program = start()
        program.until("starting node")
        found = eventually(partial(children, program.process.pid))
        program.process.kill()
        program.process.wait()
        eventually(lambda found=found: not any(map(alive, found)))  # type: ignore[misc]


def test_systemd_is_told(start: Callable[..., Program], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.settimeout(PATIENCE)
        notified.bind(f"{tmp_path}/notify")
        program = start(NOTIFY_SOCKET=f"{tmp_path}/notify", WATCHDOG_USEC="200000")
        # Its children say nothing there.
        assert notified.recv(100) == b"READY=1"
        for _ in range(3):
            assert notified.recv(100) == b"WATCHDOG=1"
        program.process.send_signal(signal.SIGTERM)
        said = {b"WATCHDOG=1"}
        while b"STOPPING=1" not in said:
            said.add(notified.recv(100))
        assert said == {b"WATCHDOG=1", b"STOPPING=1"}
        program.until("over")


def test_a_component_that_fails_ends_it(start: Callable[..., Program]) -> None:
    text = """
import mpipc
try:
    mpipc.Supervisor([mpipc.Component("one", ["false"], restart="never")]).run()
except mpipc.ComponentFailed as e:
    print(e, flush=True)
"""
    program = start(text=text)
    program.until("one failed: it ended with exit status 1")
