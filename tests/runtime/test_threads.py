"""Which thread of the server runs a call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess, eventually

CLIENTS = 16
CALLS = 1000


def test_each_client_thread_has_a_server_thread_of_its_own(root: Root) -> None:
    threads = root.threads()
    started = threading.Barrier(CLIENTS)

    def work() -> tuple[set[int], list[int]]:
        started.wait()
        idents = {threads.note(number) for number in range(CALLS)}
        return idents, threads.noted()

    results = [running.result() for running in [Running(work) for _ in range(CLIENTS)]]
    # Each was always the same one, and no two were.
    assert [len(idents) for idents, _ in results] == [1] * CLIENTS
    assert len(set.union(*(idents for idents, _ in results))) == CLIENTS
    # Calls of one thread run in order.
    assert [noted for _, noted in results] == [list(range(CALLS))] * CLIENTS


def test_a_slow_call_delays_no_other(root: Root) -> None:
    gates, threads = root.gates(), root.threads()
    slow = Running(lambda: gates.wait("slow"))
    eventually(lambda: gates.waiting("slow") == 1)
    others = [Running(lambda: [threads.ident() for _ in range(100)]) for _ in range(4)]
    for other in others:
        assert len(set(other.result())) == 1
    assert gates.waiting("slow") == 1  # it lasted longer than all of them
    gates.open("slow")
    assert slow.result() == "slow"


def test_waiting_for_long_takes_no_processor_time(root: Root, shared: ServerProcess) -> None:
    gates = root.gates()
    gates.waiting("long")  # the threads are there, and were alert a moment ago
    slow = Running(lambda: gates.wait("long"))
    eventually(lambda: gates.waiting("long") == 1)
    before = time.process_time(), shared.processor_time()
    time.sleep(1)
    ours, theirs = time.process_time() - before[0], shared.processor_time() - before[1]
    gates.open("long")
    slow.result()
    # Whoever never slept would have taken a second, however busy the machine is.
    assert ours < 0.5
    assert theirs < 0.5


def test_a_client_thread_that_ends_gives_its_server_thread_back(root_alone: Root) -> None:
    threads = root_alone.threads()
    before = threads.count()
    done = threading.Event()

    def work() -> None:
        threads.ident()
        done.wait()

    running = [Running(work) for _ in range(8)]
    eventually(lambda: threads.count() == before + 8)
    done.set()
    for each in running:
        each.result()
    eventually(lambda: threads.count() == before, threads.names)


def test_a_thousand_short_lived_threads_leave_nothing(root_alone: Root) -> None:
    threads = root_alone.threads()
    before = threads.count()
    for _ in range(50):
        for running in [Running(threads.ident) for _ in range(20)]:
            running.result()
    eventually(lambda: threads.count() == before, threads.names)


def test_server_threads_have_the_names_of_the_clients_threads(root: Root) -> None:
    threads = root.threads()
    assert threads.name() == threading.current_thread().name
    for name in ("worker-7", "täglich", ""):
        named = Running(threads.name, name=name or None)
        assert named.result() == named.name


def test_a_thread_has_one_server_thread_for_each_connection(shared: ServerProcess) -> None:
    with shared.connect() as one, shared.connect() as two:
        first, second = one.threads().ident(), two.threads().ident()
        assert first != second
        assert (one.threads().ident(), two.threads().ident()) == (first, second)


def test_more_threads_than_allowed_are_refused(start: Callable[..., ServerProcess]) -> None:
    server = start("--threads=3")
    done = threading.Event()
    with server.connect() as root:
        threads = root.threads()  # the first
        second, third = (Running(lambda: (threads.ident(), done.wait())) for _ in range(2))
        eventually(lambda: len(threads.names()) and second.is_alive() and third.is_alive())
        eventually(lambda: threads.names().count(third.name) == 1)
        with pytest.raises(mpipc.RemoteError, match="more than 3 threads"):
            Running(threads.ident).result()
        done.set()
        second.result(), third.result()
        # There is room again.
        eventually(lambda: threads.names().count(third.name) == 0)
        assert Running(threads.ident).result() != threads.ident()


class TestWithoutContext:
    """Methods that are declared with `context=False`."""

    def test_they_run_in_order_on_one_thread(self, root: Root) -> None:
        threads = root.threads()
        for number in range(100):
            threads.io_note(number)
        assert threads.io_noted() == list(range(100))
        idents = {Running(threads.io_ident).result() for _ in range(3)}
        assert idents == {threads.io_ident()}
        assert threads.ident() not in idents

    def test_each_connection_has_its_own(self, shared: ServerProcess) -> None:
        with shared.connect() as one, shared.connect() as two:
            assert one.threads().io_ident() != two.threads().io_ident()

    def test_they_make_no_server_threads(self, root_alone: Root) -> None:
        # Whoever asks has a thread already; the others must not get one.
        threads = root_alone.threads()
        before = threads.count()
        done = threading.Event()
        others = [Running(lambda: (threads.io_ident(), done.wait())) for _ in range(4)]
        for _ in others:
            threads.io_ident()
        assert threads.count() == before
        done.set()
        for other in others:
            other.result()

    def test_they_run_while_every_other_thread_is_busy(self, root: Root) -> None:
        gates, threads = root.gates(), root.threads()
        slow = Running(lambda: gates.wait("busy"))
        eventually(lambda: gates.waiting("busy") == 1)
        assert threads.io_ident()
        gates.open("busy")
        slow.result()
