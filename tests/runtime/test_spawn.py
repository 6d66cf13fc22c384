"""`spawn` and `serve_spawned`: a child on a pair of sockets, from its start to its end."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc.ipc import processes
from tests.runtime.declarations import Root
from tests.runtime.program import RealProcess, RealRoot
from tests.runtime.support import ROOT, Running, children, descriptors, eventually

Script = Callable[..., "subprocess.CompletedProcess[str]"]

ARGV = [sys.executable, "-m", "tests.runtime.program"]


def spawn(**options: Any) -> Any:
    return mpipc.spawn(ARGV, Root, cwd=ROOT, **options)


def program(text: str, *arguments: str, **options: Any) -> Any:
    """Spawn a program that is given as text."""
    return mpipc.spawn([sys.executable, "-c", text, *arguments], Root, cwd=ROOT, **options)


@pytest.fixture(autouse=True)
def nothing_stays() -> Any:
    """No descriptor and no child, not even a zombie, is left behind."""
    files, before = descriptors(), children()
    yield

    def nothing_new() -> bool:
        gc.collect()  # the schema compiler's files stay open until then
        return descriptors() <= files and children() <= before

    eventually(nothing_new)


class TestChild:
    def test_is_called_like_any_server(self) -> None:
        with spawn() as root:
            assert root.values().small(1, 2) == 3
            assert root.callbacks().call(lambda value: value + 1, 1) == 2
            assert root.process().pid() in children()

    def test_knows_its_parent(self) -> None:
        with spawn() as root:
            assert root.process().caller() == (os.getpid(), os.getuid())

    def test_is_known_when_it_calls_back(self) -> None:
        with spawn() as root:
            child = root.process()
            assert child.ask(RealProcess()) == (child.pid(), os.getuid())

    def test_gets_its_arguments_and_ipcfd(self) -> None:
        with spawn() as root:
            option, fd = root.process().arguments()
            assert option == "-ipcfd" and fd.isdecimal()

    def test_inherits_no_other_descriptor(self) -> None:
        with open("/dev/null") as leak, spawn(stdin=subprocess.DEVNULL) as root:
            os.set_inheritable(leak.fileno(), True)
            with spawn() as other:
                for process in (root.process(), other.process()):
                    fd = process.arguments()[1]
                    files = [name for name in process.descriptors() if int(name.split()[0]) > 2]
                    given = [name for name in files if name.startswith(f"{fd} socket:")]
                    assert len(given) == 1
                    # What else there is, it has opened itself: to look, and to talk.
                    assert not [name for name in files if "/dev/null" in name]

    def test_gets_the_options_of_popen(self) -> None:
        text = """
import os, sys
import mpipc
from tests.runtime.program import RealProcess, RealRoot

print(os.environ["GIVEN"], flush=True)
mpipc.serve_spawned(RealRoot())
"""
        reading, writing = os.pipe()
        with open(reading) as out:
            with program(text, env={**os.environ, "GIVEN": "yes"}, stdout=writing) as root:
                os.close(writing)
                assert root.values().small(1, 2) == 3
            assert out.read() == "yes\n"

    def test_ignores_ctrl_c(self) -> None:
        with spawn() as root:
            process = root.process()
            os.kill(process.pid(), signal.SIGINT)
            assert root.values().small(1, 2) == 3

    def test_may_be_many(self) -> None:
        roots = [spawn() for _ in range(3)]
        assert len({root.process().pid() for root in roots}) == 3
        for root in roots:
            mpipc.close(root)


class TestEnd:
    TEXT = """
import os, sys
import mpipc
from tests.runtime.program import RealProcess, RealRoot

assert mpipc.serve_spawned(RealRoot())
print("in order", flush=True)
"""

    @pytest.mark.parametrize("way", ["close", "garbage"])
    def test_a_child_ends_in_order_when_its_parent_disconnects(self, way: str) -> None:
        reading, writing = os.pipe()
        with open(reading) as out:
            root = program(self.TEXT, stdout=writing)
            os.close(writing)
            if way == "close":
                mpipc.close(root)
            del root
            assert out.read() == "in order\n"

    def test_a_child_that_ends_is_noticed(self) -> None:
        root = spawn()
        gates = root.gates()
        waiting = Running(lambda: gates.wait("never"))
        eventually(lambda: gates.waiting("never") == 1)
        pid = root.process().pid()
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(mpipc.Disconnected):
            waiting.result()
        with pytest.raises(mpipc.Disconnected):
            gates.waiting("never")
        # It is reaped although the root object is not closed.
        eventually(lambda: pid not in children())
        mpipc.close(root)

    def test_a_child_that_does_not_end_is_made_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(processes, "_GRACE", 0.2)
        text = """
import signal, sys, time
import mpipc
from tests.runtime.program import RealProcess, RealRoot

signal.signal(signal.SIGTERM, signal.SIG_IGN)
mpipc.serve_spawned(RealRoot())
while True:
    time.sleep(60)
"""
        before = children()
        mpipc.close(program(text))
        eventually(lambda: children() <= before)

    def test_a_child_of_a_killed_parent_ends(self, client: Any) -> None:
        parent = client(
            """
import sys, time
import mpipc
from tests.runtime.declarations import Root

root = mpipc.spawn([sys.executable, "-m", "tests.runtime.program"], Root)
print("ready", flush=True)
print(root.process().pid(), flush=True)
time.sleep(60)
"""
        )
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        eventually(lambda: not os.path.exists(f"/proc/{pid}/exe") or is_zombie(pid))


def is_zombie(pid: int) -> bool:
    """Ended, though whoever has adopted it has not reaped it."""
    try:
        return "Z (zombie)" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


class TestFailure:
    def test_there_is_no_such_program(self) -> None:
        with pytest.raises(FileNotFoundError, match="no-such-program"):
            mpipc.spawn(["./no-such-program"], Root)

    def test_the_child_ends_without_serving(self) -> None:
        with pytest.raises(mpipc.Disconnected, match="ended with exit status 3"):
            program("import sys; sys.exit(3)")
        with pytest.raises(mpipc.Disconnected, match="ended with exit status 1"):
            program("raise SystemError", stderr=subprocess.DEVNULL)
        with pytest.raises(mpipc.Disconnected, match="ended with exit status -9"):
            program("import os; os.kill(os.getpid(), 9)")

    def test_the_child_does_not_serve_in_time(self) -> None:
        with pytest.raises(mpipc.Timeout, match=r"did not answer within 0\.2 s"):
            program("import time; time.sleep(60)", timeout=0.2)

    def test_the_child_says_something_else(self) -> None:
        text = "import os, sys; os.write(int(sys.argv[-1]), b'HTTP/1.1 200 OK\\r\\n\\r\\n' * 10)"
        with pytest.raises(mpipc.Disconnected, match="not a Cap'n Proto message"):
            program(text)


class TestServeSpawned:
    def test_returns_false_when_it_was_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for argv in (["program"], ["program", "ipcfd", "3"], ["program", "-x", "--ipcfdx=3"]):
            monkeypatch.setattr(sys, "argv", argv)
            assert mpipc.serve_spawned(RealRoot()) is False

    @pytest.mark.parametrize(
        ("argv", "why"),
        [
            (["-ipcfd"], "-ipcfd needs the number of an inherited descriptor"),
            (["-ipcfd", "x"], "-ipcfd needs the number"),
            (["-ipcfd", "-1"], "-ipcfd needs the number"),
            (["-ipcfd=1000000"], "fd:1000000: Bad file descriptor"),
            (["--ipcfd", "0"], "fd:0: the descriptor is no socket"),
        ],
    )
    def test_a_wrong_descriptor_is_an_error(self, argv: list[str], why: str) -> None:
        done = subprocess.run(
            [*ARGV[:1], "-c", self.TEXT, *argv],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        assert done.stdout == f"AddressError {why}" or done.stdout.startswith(f"AddressError {why}")

    TEXT = """
import mpipc
from tests.runtime.program import RealProcess, RealRoot

try:
    mpipc.serve_spawned(RealRoot())
except mpipc.IpcError as e:
    print(type(e).__name__, e)
"""

    def test_restores_what_ctrl_c_does(self, script: Script) -> None:
        done = script(
            """
import os, signal, socket, sys, threading
import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealProcess, RealRoot

before = signal.getsignal(signal.SIGINT)
ours, theirs = socket.socketpair()
sys.argv += ["-ipcfd", str(theirs.detach())]

def talk():
    with mpipc.connect(f"fd:{ours.detach()}", Root) as root:
        os.kill(os.getpid(), signal.SIGINT)
        print(root.values().small(1, 2))

threading.Thread(target=talk).start()
assert mpipc.serve_spawned(RealRoot())
print(signal.getsignal(signal.SIGINT) is before)
"""
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\nTrue\n", "")
