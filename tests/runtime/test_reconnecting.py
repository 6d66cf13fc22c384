"""`mpipc.reconnecting`: objects that outlive their connection, and what becomes of calls."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Gates, Root, Values
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, Running, ServerProcess, descriptors, eventually

Start = Callable[..., ServerProcess]
QUICK = mpipc.Backoff(first=0.01, most=0.05)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/server.sock"


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """No descriptor and no thread of a link is left behind."""
    before = descriptors()
    yield
    gc.collect()
    eventually(lambda: descriptors() <= before, lambda: os.listdir("/proc/self/fd"))
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("mpipc-link")])


def gates(root: Root) -> Gates:
    return root.gates()


def reconnecting(address: str, recipe: Any = None, **options: Any) -> Any:
    options = {"wait": PATIENCE, "backoff": QUICK, **options}
    return mpipc.reconnecting(address, Root, recipe, **options)


def stop(server: ServerProcess, *references: Any) -> None:
    """Stop a server, and wait until that was noticed: a call that is faster raises Disconnected."""
    server.stop()
    for each in references:
        eventually(lambda each=each: each._mpipc_holder._object is None)  # type: ignore[misc]


class TestCalls:
    def test_go_to_the_server_that_is_there(self, start: Start, address: str) -> None:
        first = start(address=address)
        with reconnecting(address, lambda root: root.process()) as process:
            assert process.pid() == first.pid
            for _ in range(2):
                first.stop()
                first = start(address=address)
                assert process.pid() == first.pid

    def test_an_object_is_one_of_its_interface(self, start: Start, address: str) -> None:
        start(address=address)
        with reconnecting(address) as root, reconnecting(address, Root.values) as values:
            assert isinstance(root, Root)
            assert isinstance(values, Values)
            assert values.small(1, 2) == 3

    def test_in_flight_raise_disconnected(self, start: Start, address: str) -> None:
        server = start(address=address)
        with reconnecting(address, gates) as gate:
            waiting = Running(lambda: gate.wait("never"))
            eventually(lambda: gate.waiting("never") == 1)
            server.stop()
            with pytest.raises(mpipc.Disconnected):
                waiting.result()
            start(address=address)
            assert gate.waiting("never") == 0

    def test_in_flight_are_made_again_where_that_is_harmless(
        self, start: Start, address: str
    ) -> None:
        server = start(address=address)
        with reconnecting(address, gates) as gate:
            waiting = Running(lambda: gate.wait_again("late"))
            eventually(lambda: gate.waiting("late") == 1)
            server.stop()
            server = start(address=address)
            eventually(lambda: gate.waiting("late") == 1)
            gate.open("late")
            assert waiting.result() == "late"
            # But only once: perhaps it is this call that ends servers.
            waiting = Running(lambda: gate.wait_again("twice"))
            for _ in range(2):
                eventually(lambda: gate.waiting("twice") == 1)
                server.stop()
                server = start(address=address)
            with pytest.raises(mpipc.Disconnected):
                waiting.result()

    def test_wait_for_a_server(self, start: Start, address: str) -> None:
        server = start(address=address)
        with reconnecting(address, lambda root: root.values()) as values:
            stop(server, values)
            waiting = [Running(lambda: values.small(1, 2)) for _ in range(10)]
            start(address=address)
            assert [each.result() for each in waiting] == [3] * 10

    def test_wait_no_longer_than_they_may(self, start: Start, address: str) -> None:
        server = start(address=address)
        with (
            reconnecting(address, wait=0.2) as patient,
            reconnecting(address, wait=0) as hasty,
            reconnecting(address, wait=None) as endless,
        ):
            stop(server, patient, hasty, endless)
            with pytest.raises(mpipc.Unreachable, match=r"within 0\.2 s; nobody listens on unix:"):
                patient.values()
            with pytest.raises(mpipc.Unreachable, match="within 0 s"):
                hasty.values()
            with pytest.raises(mpipc.Timeout, match="not reached in time"), mpipc.timeout(0.2):
                endless.values()
            with pytest.raises(mpipc.Timeout, match="not reached in time"):
                mpipc.with_timeout(endless, 0.2).values()
            start(address=address)
            assert endless.values().small(1, 2) == 3

    def test_what_a_method_raises_is_no_reason_to_call_it_again(
        self, start: Start, address: str
    ) -> None:
        start(address=address)
        with reconnecting(address, lambda root: root.values()) as values:
            with pytest.raises(mpipc.RemoteError):
                values.fail("value")
            before = values.calls()
            with pytest.raises(mpipc.ConversionError):
                values.small(1000, 1)
            assert values.calls() <= before + 1


class TestBeginning:
    def test_waits_for_a_server(self, start: Start, address: str) -> None:
        made = Running(lambda: reconnecting(address))
        start(address=address)
        with made.result() as root:
            assert root.values().small(1, 2) == 3

    def test_fails_when_there_is_none_in_time(self, address: str) -> None:
        for wait in (0, 0.1):
            with pytest.raises(mpipc.Unreachable, match="nobody listens"):
                reconnecting(address, wait=wait)

    def test_what_cannot_get_better_is_raised_at_once(self, start: Start, address: str) -> None:
        start(address=address)

        def wrong(root: Root) -> Root:
            raise LookupError("no such wallet")

        with pytest.raises(LookupError, match="no such wallet"):
            reconnecting(address, wrong)
        with pytest.raises(LookupError, match="no such wallet"):
            reconnecting(address, on_connect=wrong)
        with pytest.raises(TypeError, match="the recipe gave 5, which has no interface"):
            reconnecting(address, lambda root: 5)
        with pytest.raises(mpipc.SchemaError, match="is no root interface"):
            mpipc.reconnecting(address, Values)
        with pytest.raises(mpipc.AddressError, match="not trusted"):
            reconnecting(address, peers=["nobody"])


class TestOnConnect:
    def test_registers_callbacks_with_each_server(self, start: Start, address: str) -> None:
        heard: list[str] = []
        connected: list[int] = []

        def listen(root: Root) -> None:
            connected.append(root.process().pid())
            root.callbacks().later(heard.append, [f"from {connected[-1]}"])

        server = start(address=address)
        with reconnecting(address, on_connect=listen):
            eventually(lambda: heard == [f"from {server.pid}"])
            server.stop()
            other = start(address=address)
            # Nobody has called anything.
            eventually(lambda: heard == [f"from {server.pid}", f"from {other.pid}"])
            assert connected == [server.pid, other.pid]

    def test_is_done_before_other_calls_go_there(self, start: Start, address: str) -> None:
        server = start(address=address)
        proceed = threading.Event()
        seen: list[int] = []

        def prepare(root: Root) -> None:
            # The reference is the new object here, so it can be used, too.
            seen.append(holder[0].process().pid() if holder else root.process().pid())
            if len(seen) > 1:
                assert proceed.wait(PATIENCE)

        holder: list[Root] = []
        with reconnecting(address, on_connect=prepare) as root:
            holder.append(root)
            stop(server, root)
            other = start(address=address)
            waiting = Running(lambda: root.process().pid())
            eventually(lambda: seen == [server.pid, other.pid])
            assert waiting.is_alive()
            proceed.set()
            assert waiting.result() == other.pid
            holder.clear()

    def test_when_it_fails_it_is_tried_again(
        self, start: Start, address: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        failures = iter([None, LookupError("not loaded yet"), LookupError("not yet"), None])

        def load(root: Root) -> None:
            failure = next(failures)
            if failure is not None:
                raise failure

        server = start(address=address)
        with reconnecting(address, on_connect=load) as root:
            server.stop()
            other = start(address=address)
            assert root.process().pid() == other.pid
        assert caplog.text.count("not loaded yet") == 1

    def test_a_server_that_hangs_there_is_given_up(self, start: Start, address: str) -> None:
        start(address=address)
        hang = [True]

        def subscribe(root: Root) -> None:
            if hang.pop(0):
                hang.append(False)
                root.gates().wait("never")

        with reconnecting(address, on_connect=subscribe, timeout=0.3) as root:
            assert root.values().small(1, 2) == 3


class TestBackoff:
    def test_gives_up(self, start: Start, address: str) -> None:
        server = start(address=address)
        backoff = mpipc.Backoff(first=0.01, most=0.02, attempts=3)
        with reconnecting(address, wait=None, backoff=backoff) as root:
            stop(server, root)
            with pytest.raises(mpipc.Unreachable, match="given up after 3 attempts; nobody"):
                root.values()
            start(address=address)
            with pytest.raises(mpipc.Unreachable, match="given up"):
                root.values()

    def test_grows_up_to_a_limit_and_varies(self) -> None:
        backoff = mpipc.Backoff(first=1, factor=2, most=5, jitter=0)
        assert [backoff.delay(n) for n in (0, 1, 2, 3, 4, 10_000)] == [0, 1, 2, 4, 5, 5]
        backoff = mpipc.Backoff(first=1, factor=1, jitter=0.5)
        delays = {backoff.delay(n) for n in range(1, 100)}
        assert len(delays) > 1 and all(0.5 <= each <= 1 for each in delays)

    @pytest.mark.parametrize(
        "wrong",
        [{"first": 0}, {"first": 9, "most": 8}, {"factor": 0.5}, {"jitter": 2}, {"attempts": 0}],
    )
    def test_what_makes_no_sense_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="="):
            mpipc.Backoff(**wrong)


class TestEnd:
    def test_close_ends_what_waits(self, start: Start, address: str) -> None:
        server = start(address=address)
        root = reconnecting(address)
        gate = root.gates()
        calling = Running(lambda: gate.wait("never"))
        eventually(lambda: gate.waiting("never") == 1)
        mpipc.close(root)
        with pytest.raises(mpipc.Disconnected):
            calling.result()
        with pytest.raises(mpipc.IpcError, match="were closed"):
            root.values()
        mpipc.close(root)

        root = reconnecting(address, wait=None)
        server.stop()
        waiting = Running(root.values)
        mpipc.close(root)
        with pytest.raises(mpipc.IpcError):
            waiting.result()

    def test_garbage_ends_it_but_not_while_another_reference_is_left(
        self, start: Start, address: str
    ) -> None:
        start(address=address)
        root = reconnecting(address)
        timed = mpipc.with_timeout(root, PATIENCE)
        narrow = mpipc.restrict(root, allow=["values"])
        del root
        gc.collect()
        assert timed.values().small(1, 2) == 3
        del timed
        gc.collect()
        assert narrow.values().small(1, 2) == 3

    def test_ctrl_c_interrupts_what_waits(self, start: Start, address: str) -> None:
        server = start(address=address)
        with reconnecting(address, wait=None) as root:
            stop(server, root)
            timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                root.values()
            timer.join()
            start(address=address)
            assert root.values().small(1, 2) == 3

    def test_a_forked_child_cannot_use_it(self, start: Start, address: str) -> None:
        start(address=address)
        with reconnecting(address, wait=None) as root:
            pid = os.fork()
            if pid == 0:
                try:
                    root.values()
                except mpipc.Disconnected as e:
                    os._exit(0 if "forked" in str(e) else 2)
                except BaseException:
                    os._exit(3)
                os._exit(4)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert root.values().small(1, 2) == 3

    def test_the_interpreter_ends_with_it(
        self, start: Start, address: str, script: Callable[..., Any]
    ) -> None:
        server = start(address=address)
        done = script(
            """
import os, sys
import mpipc
from tests.runtime.declarations import Root

root = mpipc.reconnecting(sys.argv[1], Root)
print(root.values().small(1, 2))
os.kill(int(sys.argv[2]), 9)
""",
            address,
            str(server.pid),
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_many_threads_and_a_server_that_keeps_dying(start: Start, address: str) -> None:
    server = start(address=address)
    over = threading.Event()
    answered = [0] * 8

    def call(number: int) -> None:
        while not over.is_set():
            try:
                assert values.small(number, 1) == number + 1
                answered[number] += 1
            except mpipc.Disconnected:
                pass  # the only thing that may go wrong

    def each_is_answered() -> None:
        before = list(answered)
        eventually(lambda: all(a > b for a, b in zip(answered, before, strict=True)))

    with reconnecting(address, lambda root: root.values()) as values:
        callers = [Running(lambda number=number: call(number)) for number in range(8)]  # type: ignore[misc]
        for _ in range(3):
            each_is_answered()
            server.stop()
            server = start(address=address)
        each_is_answered()
        over.set()
        for each in callers:
            each.result()


def test_a_reference_in_one_process_works_like_any_other(tmp_path: Path) -> None:
    with (
        mpipc.serve(f"unix:{tmp_path}/s", RealRoot()) as server,
        reconnecting(server.address) as root,
    ):
        assert root.values().small(1, 2) == 3
        assert "reference to Root" in repr(root)
