"""What docs/threads-and-lifetimes.md promises when threads, interpreters and processes end while
connections are in use."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mpipc
from mpipc.cli import main
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, Running, ServerProcess, descriptors, eventually

Script = Callable[..., Any]

HEAD = """
import atexit, os, sys, threading
import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

address = sys.argv[1]
"""


class TestTheInterpreterEnds:
    """Nothing needs to be closed for that: the exit status is what the program says, and nothing
    is printed."""

    PROGRAMS: ClassVar = {
        "with live proxies": """
root = mpipc.connect(address, Root)
things = root.objects().make_many(100)
callbacks = root.callbacks()
callbacks.later(lambda text: None, ["x"] * 10)
""",
        "with proxies in a cycle, in globals and in thread-locals": """
class Node: pass
root = mpipc.connect(address, Root)
node = Node()
node.itself, node.root, node.thing = node, root, root.objects().make("a")
local = threading.local()
local.values = root.values()
""",
        "while daemon threads wait for answers": """
root = mpipc.connect(address, Root)
gates = root.gates()
for _ in range(5):
    threading.Thread(target=gates.wait, args=["exit"], daemon=True).start()
while gates.waiting("exit") < 5:
    pass
""",
        "while daemon threads make calls": """
root = mpipc.connect(address, Root)
values = root.values()
def work():
    while True:
        values.small(1, 2)
for _ in range(5):
    threading.Thread(target=work, daemon=True).start()
for _ in range(100):
    values.small(1, 2)
""",
        "with a server and its clients": """
server = mpipc.serve(f"unix:{os.path.dirname(address[5:])}/own-{os.getpid()}", RealRoot())
root = mpipc.connect(server.address, Root)
things = root.objects().make_many(10)
""",
        "with a child": """
root = mpipc.spawn([sys.executable, "-m", "tests.runtime.program"], Root)
thing = root.objects().make("a")
""",
        "in the middle of a callback": """
root = mpipc.connect(address, Root)
def step(value):
    sys.exit(0)
root.callbacks().call(step, 1)
""",
        "and calls once more": """
root = mpipc.connect(address, Root)
values = root.values()
atexit.register(lambda: print(values.small(1, 2)))
""",
    }

    @pytest.mark.parametrize("case", PROGRAMS)
    def test_in_order(self, case: str, shared: ServerProcess, script: Script) -> None:
        with shared.connect() as root:
            process, threads = root.process(), root.threads()

            def busy() -> int:
                # The one that ends objects is there from the first of them on, and stays.
                return sum(name != "mpipc-cleanup" for name in threads.names())

            before = len(process.descriptors()), busy()
            done = script(HEAD + self.PROGRAMS[case], shared.address)
            expected = "3\n" if "once more" in case else ""
            assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
            # The server has let go of everything, but for methods that still run.
            if "wait for answers" in case:
                root.gates().open("exit")
            eventually(
                lambda: len(process.descriptors()) <= before[0] and busy() <= before[1],
                lambda: (process.descriptors(), threads.names()),
            )
            eventually(lambda: root.objects().alive() == [])

    def test_killed_in_the_middle(self, server: ServerProcess, client: Any) -> None:
        text = HEAD + self.PROGRAMS["while daemon threads wait for answers"]
        other = client(text + "print('ready', flush=True)\nsys.stdin.read()", server.address)
        with server.connect() as root:
            other.kill()
            other.wait()
            root.gates().open("exit")
            threads = root.threads()
            eventually(lambda: threads.count() <= 5, threads.names)


class TestAThreadEnds:
    def test_while_others_wait(self, root: Root) -> None:
        """Whoever read the socket for all may go: another one reads on."""
        gates, values = root.gates(), root.values()
        waiting = [Running(lambda n=n: gates.wait(f"thread {n}")) for n in range(4)]  # type: ignore[misc]
        eventually(lambda: sum(gates.waiting(f"thread {n}") for n in range(4)) == 4)
        for number, each in enumerate(waiting):
            gates.open(f"thread {number}")
            assert each.result() == f"thread {number}"  # and its thread ends
            assert Running(lambda: values.small(1, 2)).result() == 3

    def test_by_an_exception_while_others_wait(self, root: Root) -> None:
        gates, callbacks = root.gates(), root.callbacks()
        other = Running(lambda: gates.wait("dies"))
        eventually(lambda: gates.waiting("dies") == 1)

        def step(value: int) -> int:
            raise SystemExit(value)

        for _ in range(5):
            with pytest.raises(mpipc.RemoteError, match="SystemExit: 1"):
                Running(lambda: callbacks.call(step, 1)).result()
        gates.open("dies")
        assert other.result() == "dies"

    def test_its_thread_at_the_server_ends_too(self, server: ServerProcess) -> None:
        with server.connect() as root:
            values, threads = root.values(), root.threads()
            before = threads.count()
            for _ in range(20):
                assert Running(lambda: values.small(1, 2)).result() == 3
            eventually(lambda: threads.count() <= before, threads.names)

    def test_a_method_that_ends_its_thread_hurts_nobody(self, server: ServerProcess) -> None:
        with server.connect() as root:
            gates, process = root.gates(), root.process()
            other = Running(lambda: gates.wait("leave"))
            eventually(lambda: gates.waiting("leave") == 1)
            for leave in (process.leave, process.leave_io):
                with pytest.raises(mpipc.RemoteError, match="SystemExit"):
                    leave()
            gates.open("leave")
            assert other.result() == "leave"
            assert root.values().small(1, 2) == 3


def fewer_descriptors(count: int) -> bool:
    return descriptors() <= count


class TestClosedBySeveralThreads:
    def test_with_calls_in_progress_in_all_of_them(self, server: ServerProcess) -> None:
        """Each thread closes what all of them use: every call ends, one way or the other."""
        for _ in range(5):
            files = descriptors()
            root = server.connect()
            values = root.values()
            go = threading.Barrier(8)

            def work(root: Any = root, values: Any = values, go: Any = go) -> None:
                go.wait(PATIENCE)
                try:
                    for _ in range(5):
                        assert values.small(1, 2) == 3
                    mpipc.close(root)
                    values.small(1, 2)
                except mpipc.IpcError:
                    pass

            for running in [Running(work) for _ in range(8)]:
                running.result()
            with pytest.raises(mpipc.Disconnected):
                values.small(1, 2)
            del root, values, work
            eventually(partial(fewer_descriptors, files))

    def test_a_server_as_well(self, tmp_path: Path) -> None:
        files = descriptors()
        server = mpipc.serve(f"unix:{tmp_path}/s", RealRoot())
        root = mpipc.connect(server.address, Root)
        for running in [Running(server.close) for _ in range(8)]:
            running.result()
        with pytest.raises(mpipc.Disconnected):
            root.values()
        mpipc.close(root)
        eventually(lambda: descriptors() == files)


class TestForkWithTls:
    """As of other connections (test_interrupts.py), a forked child has none of the relays."""

    def test_the_child_ends_and_the_parent_goes_on(self, tmp_path: Path, script: Script) -> None:
        assert main(["certs", str(tmp_path / "c"), "server=127.0.0.1", "alice"]) == 0
        done = script(
            """
import os, sys, warnings
import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
with mpipc.serve(f"tcp:127.0.0.1:0?certs={sys.argv[1]}/server", RealRoot()) as server:
    address = server.address.replace("/server", "/alice")
    with mpipc.connect(address, Root) as root:
        values = root.values()
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                try:
                    values.small(1, 2)
                except mpipc.Disconnected as e:
                    assert "fork" in str(e), e
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
            assert values.small(1, 2) == 3
    with mpipc.connect(address, Root) as root:
        print(root.values().small(1, 2))
""",
            str(tmp_path / "c"),
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")
