"""Calls back during a call, outside of one, and through several processes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Callbacks, OutOfStock, Root
from tests.runtime.support import Running, ServerProcess, eventually

DEPTH = 50


class Bouncer:
    """Passes a call back and forth, and holds a re-entrant lock and a thread-local meanwhile."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._lock = threading.RLock()
        self._local = threading.local()

    def bounce(self, depth: int) -> list[int]:
        # Any other thread than the one that has it would be refused.
        assert self._lock.acquire(blocking=False)
        try:
            self._local.depth = getattr(self._local, "depth", 0) + 1
            rest = self._callbacks.bounce(depth - 1, self.bounce) if depth else []
            return [threading.get_ident(), *rest]
        finally:
            self._lock.release()

    @property
    def deepest(self) -> int:
        depth: int = self._local.depth
        return depth


def test_a_nested_callback_stays_on_the_two_threads_that_began(root: Root) -> None:
    callbacks = root.callbacks()
    bouncer = Bouncer(callbacks)
    idents = bouncer.bounce(2 * DEPTH)
    assert set(idents[0::2]) == {threading.get_ident()}
    assert set(idents[1::2]) == {root.threads().ident()}
    assert len(idents) == 2 * DEPTH + 1
    # Each side's thread-local has counted all of them.
    assert bouncer.deepest == DEPTH + 1
    assert callbacks.deepest() == DEPTH


def test_nested_callbacks_of_several_threads_do_not_mix(
    start: Callable[..., ServerProcess],
) -> None:
    # Each thread has a server of its own, since the server's lock admits one thread.
    def work(server: ServerProcess) -> tuple[set[int], set[int]]:
        with server.connect() as root:
            idents = Bouncer(root.callbacks()).bounce(20)
            assert set(idents[0::2]) == {threading.get_ident()}
            return set(idents[0::2]), set(idents[1::2])

    servers = [start() for _ in range(3)]
    for running in [Running(lambda server=server: work(server)) for server in servers]:  # type: ignore[misc]
        ours, theirs = running.result()
        assert len(ours) == len(theirs) == 1


def test_a_callback_runs_on_the_calling_thread_while_others_call(root: Root) -> None:
    callbacks = root.callbacks()
    started = threading.Barrier(8)

    def work() -> set[int]:
        started.wait()
        return {callbacks.call(lambda _: threading.get_ident(), 0) for _ in range(100)}

    running = [Running(work) for _ in range(8)]
    for each in running:
        assert each.result() == {each.ident}


def test_an_endless_recursion_ends_as_in_one_process(root: Root) -> None:
    callbacks = root.callbacks()

    def step(value: int) -> int:
        return callbacks.recurse(step, value)

    with pytest.raises((RecursionError, mpipc.RemoteError), match="recursion"):
        step(0)
    assert callbacks.call(lambda value: value + 1, 1) == 2


class TestFromABackgroundThread:
    """Callbacks while the client is in no call."""

    def test_they_reach_the_client_in_order_on_one_other_thread(self, root: Root) -> None:
        heard: list[tuple[str, int]] = []
        texts = [str(number) for number in range(100)]
        root.callbacks().later(lambda text: heard.append((text, threading.get_ident())), texts)
        eventually(lambda: len(heard) == len(texts))
        assert [text for text, _ in heard] == texts
        idents = {ident for _, ident in heard}
        assert len(idents) == 1
        assert threading.get_ident() not in idents

    def test_they_run_while_the_main_thread_is_in_a_call(self, root: Root) -> None:
        gates = root.gates()
        heard: list[str] = []

        def notify(text: str) -> None:
            heard.append(threading.current_thread().name)
            gates.open(text)

        root.callbacks().later(notify, ["background"])
        assert gates.wait("background") == "background"
        # The client's thread has the name of the server's that calls.
        assert heard == ["background"]

    def test_they_may_call_the_server(self, root: Root) -> None:
        threads = root.threads()
        names: list[str] = []
        root.callbacks().later(lambda _: names.append(threads.name()), ["x"])
        eventually(lambda: names)
        # Back on the very thread that called.
        assert names == ["background"]

    def test_their_threads_end_with_the_servers(self, root: Root) -> None:
        before = set(threading.enumerate())
        done = threading.Event()
        heard: list[threading.Thread] = []

        def notify(_: str) -> None:
            heard.append(threading.current_thread())
            done.wait()

        callbacks = root.callbacks()
        for _ in range(5):
            callbacks.later(notify, ["x"])
        eventually(lambda: len(heard) == 5)
        assert len(set(heard) - before) == 5
        done.set()
        eventually(lambda: set(threading.enumerate()) <= before, threading.enumerate)


class TestRaising:
    """Exceptions travel in both directions."""

    def test_the_server_sees_what_the_callback_raised(self, root: Root) -> None:
        def step(value: int) -> int:
            raise ValueError(f"not {value}")

        assert root.callbacks().catch(step, 3) == "ValueError: not 3"

    def test_it_comes_back_to_the_caller_when_the_server_lets_it(self, root: Root) -> None:
        def step(value: int) -> int:
            raise OutOfStock(f"no {value}")

        with pytest.raises(mpipc.RemoteError, match="OutOfStock: no 3") as caught:
            root.callbacks().call(step, 3)
        assert (caught.value.type, caught.value.text) == ("OutOfStock", "no 3")

    def test_a_result_of_the_wrong_type(self, root: Root) -> None:
        callbacks: Any = root.callbacks()
        told = callbacks.catch(lambda _: "text", 1)
        assert told.startswith("ConversionError: Step.__call__: result: expected")

    def test_a_callback_that_takes_no_argument(self, root: Root) -> None:
        callbacks: Any = root.callbacks()
        assert callbacks.catch(lambda: 1, 1).startswith("TypeError: ")

    def test_the_connection_is_fine_afterwards(self, root: Root) -> None:
        callbacks = root.callbacks()

        def fail(value: int) -> int:
            raise RuntimeError

        for _ in range(100):
            assert callbacks.catch(fail, 1).startswith("RuntimeError")
        assert callbacks.call(lambda value: value + 1, 1) == 2


class TestSeveralProcesses:
    """Threads that wait on more than one connection."""

    @pytest.fixture
    def other(self, server: ServerProcess) -> Any:
        with server.connect() as other:
            yield other

    def test_a_callback_calls_another_process(self, root: Root, other: Root) -> None:
        away, threads = other.callbacks(), other.threads()
        here: list[int] = []

        def step(value: int) -> int:
            here.append(threading.get_ident())
            return threads.ident() + 0 * value

        # The same thread of the other process runs it as without the callback.
        assert root.callbacks().call(step, 1) == threads.ident()
        assert here == [threading.get_ident()]
        assert away.call(lambda value: value, 7) == 7

    def test_and_the_other_process_calls_back(self, root: Root, other: Root) -> None:
        here, away = root.callbacks(), other.callbacks()
        idents: list[int] = []

        def inner(value: int) -> int:
            idents.append(threading.get_ident())
            return value * 10

        def outer(value: int) -> int:
            idents.append(threading.get_ident())
            return away.call(inner, value + 1)

        for value in range(100):
            assert here.call(outer, value) == (value + 1) * 10
        assert set(idents) == {threading.get_ident()}

    def test_to_and_fro_between_two_processes(self, root: Root, other: Root) -> None:
        callbacks = [root.callbacks(), other.callbacks()]
        idents = set()

        def step(depth: int) -> int:
            idents.add(threading.get_ident())
            return depth and 1 + callbacks[depth % 2].call(step, depth - 1)

        assert step(30) == 30
        assert idents == {threading.get_ident()}

    def test_the_first_calls_again_while_the_second_is_called(
        self, root: Root, other: Root
    ) -> None:
        """A callback of the first process arrives while the thread waits for the second."""
        here, away, gates = root.callbacks(), other.callbacks(), root.gates()
        heard: list[str] = []

        def notify(text: str) -> None:
            heard.append(text)
            gates.open("again")

        def inner(value: int) -> int:
            here.later(notify, ["again"])
            gates.wait("again")
            return value

        assert here.call(lambda value: away.call(inner, value), 5) == 5
        assert heard == ["again"]

    def test_callback_of_one_process_given_to_another(self, root: Root, other: Root) -> None:
        """The second process calls the first one's thread map, through us."""
        idents: list[int] = []

        def step(value: int) -> int:
            idents.append(threading.get_ident())
            return value + 1

        # Here it is a plain function; the other process gets a reference to it.
        assert root.callbacks().call(lambda value: other.callbacks().call(step, value), 1) == 2
        assert idents == [threading.get_ident()]

    def test_three_processes_in_a_row(self, shared: ServerProcess, server: ServerProcess) -> None:
        """Our call goes through the first process to the second, and its callback comes back the
        same way, on the threads that wait."""
        with shared.connect() as near:
            far = near.process().relay(server.address)
            idents: list[int] = []

            def step(value: int) -> int:
                idents.append(threading.get_ident())
                return far.callbacks().call(step, value - 1) + 1 if value else 0

            assert far.callbacks().call(step, 5) == 5
            assert set(idents) == {threading.get_ident()}
            assert far.process().pid() == server.pid
