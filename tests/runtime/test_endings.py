"""Connections that end: from either side, in the middle of calls, orderly or not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mpipc
from mpipc.ipc.peers import Peer
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, Running, ServerProcess, descriptors, eventually

WAITING = 5

KILLED_WHEN_ASKED = """
import os, signal, sys
import mpipc
from tests.runtime.declarations import Root, Thing

class Deadly(Thing):
    def get_name(self) -> str:
        os.kill(os.getpid(), signal.SIGKILL)

    def itself(self) -> Thing:
        return self

with mpipc.connect(sys.argv[1], Root) as root:
    root.objects().keep(Deadly())
    print("ready", flush=True)
    sys.stdin.read()
"""


def waiting_calls(root: Root, gate: str, count: int = WAITING) -> list[Running]:
    """Threads that block in a call each."""
    gates = root.gates()
    running = [Running(lambda: gates.wait(gate)) for _ in range(count)]
    eventually(lambda: gates.waiting(gate) == count)
    return running


def own_threads(text: str) -> list[str]:
    return [t.name for t in threading.enumerate() if text in t.name]


class TestDisconnection:
    """Every waiting thread learns of it at once, and so do later calls."""

    WAYS: ClassVar[dict[str, Callable[[ServerProcess, Any], object]]] = {
        "the server is killed": lambda server, root: server.send(signal.SIGKILL),
        "the server closes": lambda server, root: server.close_input(),
        "the server closes during a call": lambda server, root: Running(
            root.process().close_server
        ),
        "the server kills itself during a call": lambda server, root: Running(root.process().kill),
        "another thread closes the client": lambda server, root: mpipc.close(root),
        "a callback closes the client": lambda server, root: Running(
            lambda: root.callbacks().call(lambda _: mpipc.close(root) or 0, 0)  # type: ignore[func-returns-value]
        ),
    }

    @pytest.mark.parametrize("way", WAYS)
    def test_every_waiting_thread_raises_disconnected(
        self, server: ServerProcess, way: str
    ) -> None:
        root = server.connect()
        values = root.values()
        calls = waiting_calls(root, "never")
        self.WAYS[way](server, root)
        errors = []
        for call in calls:
            with pytest.raises(mpipc.Disconnected) as caught:
                call.result()
            errors.append(caught.value)
            assert str(caught.value).startswith(f"{server.address}: the ")
        assert len(set(map(id, errors))) == WAITING  # each has an exception of its own
        for _ in range(2):
            with pytest.raises((mpipc.Disconnected, mpipc.IpcError), match="closed"):
                values.small(1, 1)
        assert isinstance(errors[0], ConnectionError)
        mpipc.close(root)

    def test_a_server_says_whose_connection_it_was(
        self, tmp_path: Path, client: Callable[..., subprocess.Popen[str]]
    ) -> None:
        root = RealRoot()
        with mpipc.serve(f"unix:{tmp_path}/s.sock", root) as server:
            child = client(KILLED_WHEN_ASKED, server.address)
            thing = root.objects().kept()
            assert thing is not None
            whose = f"{Peer(child.pid, os.getuid())} on {server.address}: the "
            for _ in range(2):  # while it waits, and before it is sent
                with pytest.raises(mpipc.Disconnected) as caught:
                    thing.get_name()
                assert str(caught.value).startswith(whose)

    def test_the_main_thread_raises_too(self, server: ServerProcess) -> None:
        with server.connect() as root:
            gates = root.gates()
            killer = Running(
                lambda: (eventually(lambda: gates.waiting("main")), server.send(signal.SIGKILL))  # type: ignore[func-returns-value]
            )
            with pytest.raises(mpipc.Disconnected):
                gates.wait("main")
            killer.result()
            with pytest.raises(mpipc.Disconnected):
                gates.wait("main")

    def test_closing_in_the_middle_of_a_callback(self, server: ServerProcess) -> None:
        root = server.connect()
        callbacks = root.callbacks()

        def step(value: int) -> int:
            mpipc.close(root)
            return value

        with pytest.raises(mpipc.Disconnected):
            callbacks.call(step, 1)
        with server.connect() as again:
            assert again.callbacks().call(lambda value: value, 1) == 1

    def test_objects_passed_on_say_so(self, server: ServerProcess, shared: ServerProcess) -> None:
        """The connection behind a proxy that another process holds is gone."""
        with shared.connect() as other, server.connect() as root:
            thing = root.objects().make("a")
            other.objects().keep(thing)
            server.stop()
            with pytest.raises(mpipc.RemoteError) as caught:
                other.objects().ask(thing)
            assert caught.value.type == "Disconnected"
            other.objects().keep(None)

    def test_close_may_be_called_again_and_by_several_threads(self, server: ServerProcess) -> None:
        root = server.connect()
        for running in [Running(lambda: mpipc.close(root)) for _ in range(8)]:
            running.result()
        mpipc.close(root)
        with pytest.raises(mpipc.IpcError, match="RootClient was closed"):
            root.values()


class TestServerClose:
    """`Server.close`, in this process."""

    def test_leaves_nothing(self, tmp_path: Path) -> None:
        before = set(threading.enumerate())
        files = descriptors()
        server = mpipc.serve(f"unix:{tmp_path}/s.sock", RealRoot())
        clients = [mpipc.connect(server.address, Root) for _ in range(3)]
        for client in clients:
            assert client.values().small(1, 2) == 3
        calls = waiting_calls(clients[0], "never")
        server.close()
        assert not (tmp_path / "s.sock").exists()
        for call in calls:
            with pytest.raises(mpipc.Disconnected):
                call.result()
        for client in clients:
            with pytest.raises(mpipc.Disconnected):
                client.values()
        # The methods that block are still running: they are the user's. All else has ended.
        eventually(lambda: descriptors() == files)
        eventually(
            lambda: len(set(threading.enumerate()) - before - {cleanup()}) == WAITING,
            lambda: set(threading.enumerate()) - before,
        )

    def test_may_be_called_again_and_from_a_method(self, tmp_path: Path) -> None:
        files = descriptors()
        root = RealRoot()
        server = mpipc.serve(f"unix:{tmp_path}/s.sock", root)
        root.real_process.servers.append(server)
        forever = Running(server.serve_forever)
        client = mpipc.connect(server.address, Root)
        with pytest.raises(mpipc.Disconnected):
            client.process().close_server()
        server.close()
        forever.result()
        assert repr(server) == f"<Server unix:{tmp_path}/s.sock closed>"
        eventually(lambda: descriptors() == files)

    def test_ends_serve_forever(self, tmp_path: Path) -> None:
        with mpipc.serve(f"unix:{tmp_path}/s.sock", RealRoot()) as server:
            forever = Running(server.serve_forever)
        forever.result()

    def test_nobody_can_connect_afterwards(self, tmp_path: Path) -> None:
        with mpipc.serve(f"unix:{tmp_path}/s.sock", RealRoot()) as server:
            pass
        with pytest.raises(mpipc.AddressError, match="nobody listens"):
            mpipc.connect(server.address, Root)
        # And the address is free again.
        with (
            mpipc.serve(f"unix:{tmp_path}/s.sock", RealRoot()),
            mpipc.connect(server.address, Root) as root,
        ):
            assert root.values().small(1, 2) == 3

    def test_while_clients_connect(self, tmp_path: Path) -> None:
        """Whatever a client is in the middle of, it gets an answer or an error of ours."""

        def connect(address: str) -> None:
            for _ in range(1000):
                try:
                    with mpipc.connect(address, Root) as root:
                        root.values().small(1, 1)
                except mpipc.IpcError:
                    return

        files = descriptors()
        for number in range(5):
            server = mpipc.serve(f"unix:{tmp_path}/{number}.sock", RealRoot())
            clients = [Running(lambda s=server: connect(s.address)) for _ in range(4)]  # type: ignore[misc]
            eventually(lambda: len(own_threads("mpipc-io")) > 4)
            server.close()
            for client in clients:
                client.result()
        eventually(lambda: descriptors() == files)


def cleanup() -> threading.Thread | None:
    return next((t for t in threading.enumerate() if t.name == "mpipc-cleanup"), None)


class TestAClientThatGoes:
    CLIENT = """
import sys, threading
import mpipc
from tests.runtime.declarations import Root

root = mpipc.connect(sys.argv[1], Root)
gates = root.gates()
threading.Thread(target=gates.wait, args=["gone"], daemon=True).start()
while not gates.waiting("gone"):
    pass
print("ready", flush=True)
sys.stdin.read()
"""

    def test_in_the_middle_of_a_call(self, server: ServerProcess, client: Any) -> None:
        with server.connect() as root:
            gates, threads = root.gates(), root.threads()

            def connections() -> int:
                return sum(name.startswith("mpipc-io") for name in threads.names())

            other = client(self.CLIENT, server.address)
            assert gates.waiting("gone") == 1
            assert connections() == 2
            other.kill()
            other.wait()
            eventually(lambda: connections() == 1, threads.names)
            # The call runs to its end, which its caller does not wait for.
            gates.open("gone")
            eventually(lambda: gates.passed("gone") == 1)
            eventually(lambda: "its caller is gone" in server.errors, lambda: server.errors)
            assert "Gates.wait ran to its end" in server.errors
            eventually(lambda: threads.count() <= 5, threads.names)
            assert "Traceback" not in server.errors

    def test_while_the_server_calls_it_back(self, server: ServerProcess, client: Any) -> None:
        other = client(
            """
import os, sys, threading
import mpipc
from tests.runtime.declarations import Root

def step(value):
    print("ready", flush=True)
    sys.stdin.read()

root = mpipc.connect(sys.argv[1], Root)
root.callbacks().call(step, 1)
""",
            server.address,
        )
        other.kill()
        other.wait()
        with server.connect() as root:
            threads = root.threads()
            eventually(lambda: threads.count() <= 5, threads.names)
            assert root.values().small(1, 1) == 2

    def test_and_leaves_half_a_message(self, server: ServerProcess) -> None:
        path = server.address.removeprefix("unix:")
        for part in (b"\0", b"\0\0\0\0\xff", b"\0\0\0\0\x04\0\0\0half a message"):
            with socket.socket(socket.AF_UNIX) as half:
                half.connect(path)
                half.send(part)
        with server.connect() as root:
            threads = root.threads()
            eventually(lambda: threads.count() <= 5, threads.names)


class TestManyConnections:
    def test_200_cycles_leak_nothing(self, server: ServerProcess) -> None:
        with server.connect() as root:
            process, threads = root.process(), root.threads()
            ours = descriptors(), threading.active_count()
            theirs = len(process.descriptors()), threads.count()
            for _ in range(200):
                with server.connect() as another:
                    assert another.values().small(1, 2) == 3
            eventually(lambda: (descriptors(), threading.active_count()) <= ours)
            eventually(
                lambda: (len(process.descriptors()), threads.count()) <= theirs,
                lambda: (process.descriptors(), threads.names()),
            )

    def test_of_clients_that_are_dropped_instead_of_closed(self, server: ServerProcess) -> None:
        files = descriptors()
        for _ in range(50):
            assert server.connect().values().small(1, 2) == 3
        eventually(lambda: descriptors() == files)

    def test_many_at_once(self, server: ServerProcess) -> None:
        roots = [server.connect() for _ in range(50)]
        values = [root.values() for root in roots]
        for number in range(5):
            assert [v.large(number) for v in values] == [number] * 50
        for root in roots:
            mpipc.close(root)


class TestMuchData:
    """More than the sockets hold, in both directions at once."""

    def test_20_mb_each_way_in_several_threads(self, root: Root) -> None:
        callbacks = root.callbacks()
        data = os.urandom(1 << 20)
        size = 20 * len(data)

        def work() -> int:
            return callbacks.exchange(lambda got: got * 2, data * 10, 1)

        for running in [Running(work) for _ in range(4)]:
            assert running.result() == size

    def test_20_mb_parameters_and_results(self, root: Root) -> None:
        values = root.values()
        data = bytes(20 << 20)

        def work() -> int:
            return len(values.mixed(None, True, "", data, 0, 0))  # type: ignore[arg-type]

        # `None` is no Color: nothing of it is sent.
        with pytest.raises(mpipc.ConversionError):
            work()
        texts = "x" * (20 << 20)
        running = [Running(lambda: values.optional(1, texts)) for _ in range(3)]
        for each in running:
            assert each.result() == f"1 {texts}"

    def test_a_message_over_the_limit_ends_the_connection(self, server: ServerProcess) -> None:
        root = server.connect()
        with pytest.raises(mpipc.Disconnected):
            root.values().optional(1, "x" * (64 << 20))
        mpipc.close(root)
        assert "Traceback" not in server.errors


class TestAPeerThatStops:
    def test_a_timeout_is_kept(self, server: ServerProcess) -> None:
        with server.connect() as root:
            values = root.values()
            server.send(signal.SIGSTOP)
            try:
                with pytest.raises(mpipc.Timeout), mpipc.timeout(0.3):
                    values.small(1, 1)
                # Also when it does not even take what is sent.
                with pytest.raises(mpipc.Timeout), mpipc.timeout(0.3):
                    values.optional(1, "x" * (4 << 20))
            finally:
                server.send(signal.SIGCONT)
            assert values.small(2, 2) == 4

    def test_connecting_to_it_times_out(self, server: ServerProcess) -> None:
        files = descriptors()
        server.send(signal.SIGSTOP)
        try:
            with pytest.raises(mpipc.Timeout, match=r"did not answer within 0\.3 s"):
                mpipc.connect(server.address, Root, timeout=0.3)
        finally:
            server.send(signal.SIGCONT)
        eventually(lambda: descriptors() == files)
        with server.connect() as root:
            assert root.values().small(1, 1) == 2


class TestTimeout:
    def test_raises_and_the_late_answer_is_dropped(self, root: Root) -> None:
        gates, values = root.gates(), root.values()
        with pytest.raises(mpipc.Timeout) as caught, mpipc.timeout(0.1):
            gates.wait("late")
        assert isinstance(caught.value, TimeoutError)
        # The same thread's next call waits for its turn; others do not.
        assert Running(lambda: values.small(1, 1)).result() == 2
        Running(lambda: gates.open("late")).result()
        assert [values.large(number) for number in range(100)] == list(range(100))
        assert gates.passed("late") == 1  # it ran to its end all the same

    def test_an_object_in_a_late_answer_is_freed(self, root: Root) -> None:
        gates, objects = root.gates(), root.objects()
        # The thread's only thing to do on the server is to wait, then to make an object.
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
            gates.wait("object")
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
            objects.make("nobody's")
        Running(lambda: gates.open("object")).result()
        eventually(lambda: objects.ended().count("nobody's") == 1)

    def test_the_earliest_of_nested_ones_counts(self, root: Root) -> None:
        gates = root.gates()
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1), mpipc.timeout(PATIENCE):
            gates.wait("nested")
        with mpipc.timeout(PATIENCE):
            with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
                gates.wait("nested")
            Running(lambda: gates.open("nested")).result()
            assert gates.wait("nested") == "nested"

    def test_none_left_raises_without_waiting(self, root: Root) -> None:
        gates = root.gates()
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0):
            gates.wait("never")
        Running(lambda: gates.open("never")).result()

    def test_belongs_to_its_thread(self, root: Root) -> None:
        gates = root.gates()
        with mpipc.timeout(0):
            other = Running(lambda: gates.wait("mine"))
            Running(lambda: gates.open("mine")).result()
            assert other.result() == "mine"

    def test_holds_while_the_thread_reads_for_others(self, root: Root) -> None:
        """There is always something to read, but never the answer."""
        gates, values = root.gates(), root.values()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                values.small(1, 1)

        others = [Running(work) for _ in range(4)]
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.2):
            gates.wait("busy")
        stop.set()
        for other in others:
            other.result()
        Running(lambda: gates.open("busy")).result()

    def test_while_the_callback_still_runs_on_the_server(self, root: Root) -> None:
        """The server calls back a thread that has given up."""
        gates, callbacks = root.gates(), root.callbacks()
        called = threading.Event()

        def slow(text: str) -> None:
            called.set()

        def step(value: int) -> int:
            callbacks.later(slow, ["x"])
            called.wait(PATIENCE)
            return value

        with mpipc.timeout(PATIENCE):
            assert callbacks.call(step, 3) == 3
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
            callbacks.call(lambda value: int(gates.wait("step") == "step"), 1)
        Running(lambda: gates.open("step")).result()
        assert callbacks.call(lambda value: value + 1, 1) == 2
