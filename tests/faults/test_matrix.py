"""Everything that can go wrong, while a client is in the middle of everything it can be.

Each cell of the table in docs/faults.md is a test. In each the client ends as the table says,
within a time limit; then nothing is left of it in this process, and the server is as it was before.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import mpipc
from tests.faults.moments import MOMENTS, Connecting, Spawning, Supervising
from tests.faults.scene import OtherProcess, Scene, nothing_is_left, outcome
from tests.rpc_peer import built
from tests.runtime.support import PATIENCE, ROOT, Running, eventually

PAGE = ROOT / "docs" / "faults.md"
# Made here, because pycapnp keeps the files of its schemas open.
REQUESTS = b"".join(
    built(lambda message, n=number: setattr(message.init("bootstrap"), "questionId", n))  # type: ignore[misc]
    for number in range(1000)
)
SOON = 0.3  # seconds until a deadline passes

Fault = Callable[[Scene], str]
FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    """Register what can go wrong; the function returns how the client ended."""

    def register(function: Fault) -> Fault:
        FAULTS[name] = function
        return function

    return register


# ------------------------------------------------------------------------------- of the other end


@fault("the peer is killed")
def killed(scene: Scene) -> str:
    scene.begin()
    scene.signal_peer(signal.SIGKILL)
    if not isinstance(scene.moment, Spawning):
        scene.server.process.wait(PATIENCE)
    return scene.outcome()


@fault("the peer ends in order")
def ended(scene: Scene) -> str:
    scene.begin()
    if isinstance(scene.moment, Spawning):
        scene.moment.say(b"exit")
    else:
        scene.server.close_input()
        scene.server.process.wait(PATIENCE)
    return scene.outcome()


@fault("the connection ends in the middle of a message")
def torn(scene: Scene) -> str:
    scene.begin()
    scene.said_by_peer(b"\0\0\0\0\x08\0\0\0half a message")
    return scene.outcome()


@fault("the peer says what is no message")
def garbage(scene: Scene) -> str:
    scene.begin()
    scene.said_by_peer(b"\xff" * 1000)
    return scene.outcome()


@fault("the peer floods")
def flood(scene: Scene) -> str:
    """With requests; then it ends, since its process knows nothing of them."""
    scene.begin()
    scene.said_by_peer(REQUESTS * 20)
    return scene.outcome()


@fault("the peer is stopped for a while")
def stopped(scene: Scene) -> str:
    scene.begin()
    scene.signal_peer(signal.SIGSTOP)
    with suppress(mpipc.Timeout), mpipc.timeout(0):
        # Whoever else waits for it has a way out.
        scene.observer.values()
    scene.signal_peer(signal.SIGCONT)
    scene.let_go()
    return scene.outcome()


@fault("the peer is slow")
def slow(scene: Scene) -> str:
    if isinstance(scene.moment, Spawning):
        # A child that takes its time is one that is stopped again and again.
        scene.begin()
        for _ in range(5):
            scene.signal_peer(signal.SIGSTOP)
            scene.signal_peer(signal.SIGCONT)
    else:
        scene.relay.piece = 509
        scene.begin()
    scene.let_go()
    return scene.outcome()


# ------------------------------------------------------------------------------- of this process


@fault("another thread closes the connection")
def closed(scene: Scene) -> str:
    scene.begin()
    mpipc.close(scene.moment.root)
    return scene.outcome()


@fault("several threads close it at once")
def closed_by_many(scene: Scene) -> str:
    scene.begin()
    closing = [Running(lambda: mpipc.close(scene.moment.root)) for _ in range(5)]
    for each in closing:
        each.result()
    return scene.outcome()


@fault("a deadline passes")
def deadline(scene: Scene) -> str:
    act = scene.moment.act
    if isinstance(scene.moment, Supervising):
        scene.moment.start_timeout = SOON  # the component's own; the child is not told when to go

    def act_in_time() -> object:
        with mpipc.timeout(SOON):
            return act()

    scene.moment.act = act_in_time  # type: ignore[method-assign]
    scene.begin()
    time.sleep(SOON)  # nobody can see a deadline passing
    return scene.outcome()


@fault("Ctrl-C")
def interrupt(scene: Scene) -> str:
    """It belongs to the main thread, which is the one that runs the tests."""

    def press() -> None:
        scene.wait_until_reached()
        os.kill(os.getpid(), signal.SIGINT)

    scene.moment.arm(scene.relay)
    pressing = Running(press)
    ended = outcome(scene.moment, scene.moment.act)
    pressing.result()
    return ended


@fault("the process forks")
def fork(scene: Scene) -> str:
    scene.begin()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if scene.moment.root:
                scene.moment.root.values()
        except mpipc.Disconnected:
            status = 0
        finally:
            os._exit(status if scene.moment.root else 0)
    eventually(lambda: os.waitpid(child, os.WNOHANG) == (child, 0))
    scene.let_go()
    return scene.outcome()


@fault("there are no descriptors")
def no_descriptors(scene: Scene) -> str:
    if not isinstance(scene.moment, (Connecting, Spawning)):
        scene.begin()
    used = max(map(int, os.listdir("/proc/self/fd")))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.open("/dev/null", os.O_RDONLY)]
    while spare[-1] < used:
        spare.append(os.open("/dev/null", os.O_RDONLY))
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[-1] + 1, limit[1]))
    try:
        if isinstance(scene.moment, (Connecting, Spawning)):
            return outcome(scene.moment, scene.moment.act)
        if scene.name != "callback":
            scene.let_go()
            return scene.outcome()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        for each in spare:
            os.close(each)
    scene.let_go()
    return scene.outcome()


@fault("the process is killed")
def we_are_killed(scene: Scene) -> str:
    other = OtherProcess(scene)
    other.begin()
    other.process.kill()
    scene.let_go()
    assert other.end()[0] == -signal.SIGKILL
    return "ended"


@fault("the main thread ends")
def interpreter_ends(scene: Scene) -> str:
    """While another thread, a daemon, is in the middle of it."""
    other = OtherProcess(scene)
    other.begin()
    assert other.process.stdin is not None
    other.process.stdin.close()
    assert other.process.wait(PATIENCE) == 0
    scene.let_go()
    assert other.end() == (0, "", "")
    return "ended"


@fault("the process is stopped for a while")
def we_are_stopped(scene: Scene) -> str:
    other = OtherProcess(scene)
    other.begin()
    other.process.send_signal(signal.SIGSTOP)
    with scene.server.connect() as honest:
        assert honest.values().small(1, 2) == 3  # nobody else notices
    scene.let_go()
    other.process.send_signal(signal.SIGCONT)
    assert other.process.stdout is not None
    expected = MOMENTS[scene.name].expected
    assert other.process.stdout.readline() == f"{expected}\n"
    status, _, errors = other.end()
    assert (status, errors) == (0, "")
    return "answer"


# -------------------------------------------------------------------------------------- the table


def table() -> dict[tuple[str, str], str]:
    """What the page says: (fault, moment) -> how it ends."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("|")
    ]
    head, rows = rows[0], [row for row in rows[2:] if len(row) == len(rows[0])]
    assert head[1:] == list(MOMENTS)
    return {
        (row[0], moment): re.sub("`", "", cell)
        for row in rows
        for moment, cell in zip(head[1:], row[1:], strict=True)
    }


TABLE = table()


def test_the_page_has_all_of_them() -> None:
    assert set(TABLE) == {(fault, moment) for fault in FAULTS for moment in MOMENTS}


@pytest.mark.parametrize(
    ("fault", "moment"), [cell for cell, ended in TABLE.items() if ended != "—"]
)
def test_fault(fault: str, moment: str, tmp_path: Path) -> None:
    with nothing_is_left(), Scene(moment, tmp_path) as scene:
        assert FAULTS[fault](scene) in TABLE[fault, moment].split(" or ")
