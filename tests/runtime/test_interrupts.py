"""Ctrl-C, and the end of the interpreter."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess, eventually

Script = Callable[..., Any]


def interrupt_when(condition: Callable[[], object]) -> Running:
    """Press Ctrl-C for this process once the condition is true."""

    def run() -> None:
        eventually(condition)
        os.kill(os.getpid(), signal.SIGINT)

    return Running(run)


class TestInTheMainThread:
    def test_a_waiting_call_is_interrupted(self, root: Root) -> None:
        gates, values = root.gates(), root.values()
        for number in range(20):
            gate = f"interrupted {number}"
            killer = interrupt_when(lambda gate=gate: gates.waiting(gate))  # type: ignore[misc]
            with pytest.raises(KeyboardInterrupt):
                gates.wait(gate)
            killer.result()
            Running(lambda gate=gate: gates.open(gate)).result()  # type: ignore[misc]
            # The connection is as before, for this thread and others.
            assert values.small(1, number) == 1 + number
            assert Running(lambda: values.small(1, 2)).result() == 3

    def test_while_other_threads_call(self, root: Root) -> None:
        gates, values = root.gates(), root.values()
        stop = threading.Event()

        def work() -> int:
            count = 0
            while not stop.is_set():
                assert values.large(count) == count
                count += 1
            return count

        others = [Running(work) for _ in range(3)]
        killer = interrupt_when(lambda: gates.waiting("busy"))
        with pytest.raises(KeyboardInterrupt):
            gates.wait("busy")
        killer.result()
        stop.set()
        try:
            for other in others:
                assert other.result()
            Running(lambda: gates.open("busy")).result()
        except mpipc.Disconnected as e:
            # It came while the main thread took in a message for one of the others.
            assert "interrupted in the middle of a message" in str(e)

    def test_a_callback_is_interrupted(self, root: Root) -> None:
        callbacks, values = root.callbacks(), root.values()

        def step(value: int) -> int:
            os.kill(os.getpid(), signal.SIGINT)
            while True:
                time.sleep(1)

        with pytest.raises(KeyboardInterrupt):
            callbacks.call(step, 1)
        assert values.small(1, 2) == 3

    def test_a_call_inside_a_callback_is_interrupted(self, root: Root) -> None:
        callbacks, gates, values = root.callbacks(), root.gates(), root.values()
        killer = interrupt_when(lambda: gates.waiting("inside"))
        with pytest.raises(KeyboardInterrupt):
            callbacks.call(lambda _: len(gates.wait("inside")), 1)
        killer.result()
        Running(lambda: gates.open("inside")).result()
        assert values.small(1, 2) == 3

    def test_waiting_on_two_connections(self, root: Root, server: ServerProcess) -> None:
        with server.connect() as other:
            callbacks, gates = root.callbacks(), other.gates()
            killer = interrupt_when(lambda: gates.waiting("two"))
            with pytest.raises(KeyboardInterrupt):
                callbacks.call(lambda _: len(gates.wait("two")), 1)
            killer.result()
            Running(lambda: gates.open("two")).result()
            for each in (root, other):
                assert each.values().small(1, 2) == 3

    def test_while_idle(self, root: Root) -> None:
        values = root.values()
        assert values.small(1, 1) == 2
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)
        assert values.small(1, 2) == 3

    def test_a_handler_that_does_not_raise_interrupts_nothing(self, root: Root) -> None:
        gates = root.gates()
        heard: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
        try:

            def send() -> None:
                eventually(lambda: gates.waiting("quiet"))
                for count in range(1, 21):
                    os.kill(os.getpid(), signal.SIGUSR1)
                    eventually(lambda count=count: len(heard) == count)  # type: ignore[misc]
                gates.open("quiet")

            sender = Running(send)
            assert gates.wait("quiet") == "quiet"
            sender.result()
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert heard == [signal.SIGUSR1] * 20

    def test_at_any_moment(self, server: ServerProcess, script: Script) -> None:
        """Interrupts hit a main thread that never rests. The connection may not survive one that
        comes in the middle of a message, but nobody gets a wrong answer or waits for ever."""
        done = script(
            """
import os, random, signal, sys, threading, time
import mpipc
from tests.runtime.declarations import Root

armed = stop = False
kept = lost = 0
wrong = []

def handle(number, frame):
    global armed
    if armed:
        armed = False
        raise KeyboardInterrupt

def interrupt():
    while not stop:
        time.sleep(random.random() / 50)
        os.kill(os.getpid(), signal.SIGINT)

def work(values):
    number = 0
    while not stop:
        number += 1
        try:
            if values.large(number) != number:
                wrong.append(number)
        except mpipc.Disconnected:
            return

def round():
    global armed, kept, lost
    try:
        armed = True
        root = mpipc.connect(sys.argv[1], Root)
        values, callbacks = root.values(), root.callbacks()
        armed = False
    except KeyboardInterrupt:
        return
    for _ in range(2):
        threading.Thread(target=work, args=[values]).start()
    for _ in range(10):
        number = 0
        try:
            armed = True
            while armed:
                number += 1
                if values.large(number) != number or callbacks.call(abs, -number) != number:
                    wrong.append(number)
        except KeyboardInterrupt:
            kept += 1
        except (mpipc.Disconnected, mpipc.RemoteError):
            armed = False
            lost += 1
            return

signal.signal(signal.SIGINT, handle)
mpipc.close(mpipc.connect(sys.argv[1], Root))  # all code is loaded and generated
deadline = time.monotonic() + 10
killer = threading.Thread(target=interrupt)
killer.start()
while time.monotonic() < deadline:
    round()
stop = True
killer.join()
for thread in threading.enumerate():
    if thread.name.startswith("Thread"):
        thread.join(20)
        assert not thread.is_alive(), thread
assert not wrong, wrong
root = mpipc.connect(sys.argv[1], Root)
assert root.values().small(1, 2) == 3
print(kept, lost)
""",
            server.address,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        kept, _ = done.stdout.split()
        assert int(kept) > 0


class TestExit:
    """A process ends when its main thread does, whatever else goes on."""

    PROGRAMS: ClassVar = {
        "with live proxies": """
root = mpipc.connect(address, Root)
things = root.objects().make_many(100)
""",
        "with a thread in a call": """
root = mpipc.connect(address, Root)
gates = root.gates()
threading.Thread(target=gates.wait, args=["exit"], daemon=True).start()
while not gates.waiting("exit"):
    pass
""",
        "with threads that call and call": """
root = mpipc.connect(address, Root)
values = root.values()

def work():
    while True:
        values.small(1, 1)

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
values.small(1, 1)
""",
        "with callbacks under way": """
root = mpipc.connect(address, Root)
heard = threading.Event()
root.callbacks().later(lambda text: heard.set() or threading.Event().wait(), ["x"])
heard.wait()
""",
        "with a server": """
server = mpipc.serve(f"unix:{directory}/own.sock", RealRoot())
root = mpipc.connect(server.address, Root)
root.values().small(1, 1)
""",
        "with a server and a method that runs": """
server = mpipc.serve(f"unix:{directory}/own.sock", RealRoot())
root = mpipc.connect(server.address, Root)
gates = root.gates()
threading.Thread(target=gates.wait, args=["exit"], daemon=True).start()
while not gates.waiting("exit"):
    pass
""",
        "in a callback": """
root = mpipc.connect(address, Root)
root.callbacks().call(sys.exit, 0)
""",
        "with what it has closed": """
with mpipc.connect(address, Root) as root:
    thing = root.objects().make("a")
""",
    }

    @pytest.mark.parametrize("how", PROGRAMS)
    def test_does_not_hang_and_says_nothing(
        self, how: str, shared: ServerProcess, script: Script, tmp_path: Any
    ) -> None:
        text = f"""
import sys, threading
import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

address, directory = sys.argv[1:]
{self.PROGRAMS[how]}
"""
        done = script(text, shared.address, str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestFork:
    """A forked child has copies of the descriptors, but none of the threads."""

    def test_the_child_ends_and_the_parent_goes_on(
        self, shared: ServerProcess, script: Script
    ) -> None:
        done = script(
            """
import os, sys, threading, warnings
import mpipc
from tests.runtime.declarations import Root

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
root = mpipc.connect(sys.argv[1], Root)
values, objects = root.values(), root.objects()
stop = False

def work():
    while not stop:
        values.small(1, 1)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
things = objects.make_many(10)
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        del things
        sys.exit(7)  # through all that an orderly end does
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert values.small(1, 2) == 3
assert [thing.get_name() for thing in things] == [str(n) for n in range(10)]
stop = True
for thread in threads:
    thread.join()
print("fine")
""",
            shared.address,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")

    def test_the_child_cannot_use_the_parents_connection(
        self, shared: ServerProcess, script: Script
    ) -> None:
        done = script(
            """
import os, sys, warnings
import mpipc
from tests.runtime.declarations import Root

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
address = sys.argv[1]
with mpipc.connect(address, Root) as root:
    values = root.values()
    assert values.small(1, 1) == 2
    pid = os.fork()
    if pid == 0:
        try:
            values.small(1, 1)
        except mpipc.Disconnected as e:
            print(e)
        # But it can have one of its own.
        with mpipc.connect(address, Root) as own:
            assert own.values().small(1, 1) == 2
            thing = own.objects().make("child's")
        mpipc.close(root)
        print("done", flush=True)
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert values.small(1, 2) == 3
""",
            shared.address,
        )
        assert (done.returncode, done.stderr) == (0, "")
        first, second = done.stdout.splitlines()
        assert "fork" in first
        assert second == "done"

    def test_the_child_does_not_end_the_parents_server(self, script: Script, tmp_path: Any) -> None:
        done = script(
            """
import os, sys, warnings
import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
with mpipc.serve(f"unix:{sys.argv[1]}/s.sock", RealRoot()) as server:
    with mpipc.connect(server.address, Root) as root:
        assert root.values().small(1, 1) == 2
        pid = os.fork()
        if pid == 0:
            sys.exit(0)  # leaves both `with` blocks
        assert os.waitpid(pid, 0)[1] == 0
        assert root.values().small(1, 1) == 2
    with mpipc.connect(server.address, Root) as root:
        assert root.values().small(1, 1) == 2
""",
            str(tmp_path),
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_child_does_not_keep_the_connection_open(
        self, server: ServerProcess, client: Any
    ) -> None:
        parent = client(
            """
import os, sys, time, warnings
import mpipc
from tests.runtime.declarations import Root

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads
root = mpipc.connect(sys.argv[1], Root)
things = root.objects().make_many(3)
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
""",
            server.address,
        )
        with server.connect() as root:
            objects = root.objects()
            assert len(objects.alive()) == 3
            parent.kill()
            eventually(lambda: objects.alive() == [])
