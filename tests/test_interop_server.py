"""A server that was not written with mpipc: pycapnp's own RPC, in a process of its own."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.interop.declarations import Color, Point, Root, Values
from tests.interop.service import PATIENCE, Foreign, LocalCounter, write_schema
from tests.runtime.support import eventually


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("schema")
    write_schema(directory)
    return str(directory)


Start = Callable[..., str]


@pytest.fixture
def start(schema: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a server with options, and gives its address."""
    servers: list[Foreign] = []

    def start(*options: str) -> str:
        path = tmp_path / f"{len(servers)}.sock"
        server = Foreign("server", schema, str(path), *options)
        servers.append(server)
        assert server.line() == "ready"
        return f"unix:{path}"

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def root(start: Start) -> Iterator[Any]:
    with mpipc.connect(start(), Root) as root:
        yield root


def in_thread(function: Callable[[], Any], name: str = "another") -> Callable[[], Any]:
    """Run a function in a thread; call the result to wait for it."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()), name=name, daemon=True)
    thread.start()

    def join() -> Any:
        thread.join(PATIENCE)
        return results[0]

    return join


VALUES = Values(
    flag=True,
    small=-128,
    number=-(2**63),
    unsigned=2**64 - 1,
    ratio=0.1,
    single=0.5,
    text="grüße €\U0001f600",
    data=bytes(range(256)),
    color=Color.GREEN,
    point=Point(-1, 2**31 - 1),
    maybe=None,
    delay=timedelta.max,
    flags=[True, False, True] * 7,
    numbers=[0, 65535, 258],
    texts=["", "one", "twelve bytes"],
    points=[Point(i, -i) for i in range(5)],
    table={"a": Point(1, 2), "": Point(0, 0)},
)


# --------------------------------------------------------------------------- values and errors


def test_every_value_comes_back(root: Root) -> None:
    assert root.echo(VALUES) == VALUES


def test_large_values_pass(root: Root) -> None:
    """pycapnp answers in segments."""
    data = bytes(range(256)) * (20 << 12)  # 20 MiB
    for _ in range(3):  # after the first, mpipc asks whether they may take another way
        assert root.size(memoryview(data), ["x" * 1000] * 1000) == len(data) + 1_000_000
        assert root.blob(len(data)) == data


def test_none_is_a_null_object(root: Root) -> None:
    assert root.find_counter("nobody") is None
    assert root.echo_counter(None) is None
    root.keep(None)
    assert root.kept() is None


def test_an_exception_has_its_text(root: Root) -> None:
    with pytest.raises(mpipc.RemoteError, match="nothing of that kind"):
        root.fail("nothing of that kind")
    with pytest.raises(mpipc.RemoteError, match="a counter needs a label"):
        root.make_counter("")
    assert root.refuse("") == "accepted"


def test_a_declared_exception_is_raised(root: Root) -> None:
    with pytest.raises(ValueError, match=r"^no such thing$"):
        root.refuse("no such thing")
    assert root.refuse("") == "accepted"


def test_a_server_of_another_interface_implements_nothing(start: Start) -> None:
    with mpipc.connect(start("--counter"), Root) as root:
        for call in (root.thread_name, root.io_thread_name, lambda: root.make_counter("x")):
            with pytest.raises(mpipc.Unimplemented):
                call()


# -------------------------------------------------------------------------------------- threads


def test_each_thread_has_one_there_of_its_name(root: Root) -> None:
    def twice() -> list[str]:
        return [root.thread_name(), root.thread_name()]

    here = threading.current_thread().name
    assert twice() == [here, here]
    assert in_thread(twice, "other")() == ["other", "other"]
    assert root.notes() == [f"{here}, {here}"] * 2 + ["other, other"] * 2


def test_a_server_without_thread_map(start: Start) -> None:
    """The context names no thread, but still the one that waits."""
    with mpipc.connect(start("--no-thread-map"), Root) as root:
        assert root.thread_name() == ""
        assert root.notes() == [f", {threading.current_thread().name}"]
        assert root.make_counter("c").child("d").name() == "c/d"
        assert root.apply(lambda n: n + 1, 5, 3) == 8


def test_a_callback_runs_on_the_thread_that_made_the_call(root: Root) -> None:
    threads: list[str] = []

    def step(number: int) -> int:
        threads.append(threading.current_thread().name)
        return number + 1

    assert in_thread(lambda: root.apply(step, 5, 3), "caller")() == 8
    assert threads == ["caller"] * 3


def test_callbacks_nest(root: Root) -> None:
    def step(number: int) -> int:
        return root.apply(step, number + 1, 1) if number < 5 else number * 10

    assert root.apply(step, 0, 1) == 50


def test_the_server_makes_threads_here(root: Root) -> None:
    counter = LocalCounter("ours")
    root.keep(counter)
    assert root.add_in_background(3) == 3
    assert root.add_in_background(4) == 7
    assert counter.calls == [(3, "made for the server"), (4, "made for the server")]


def test_an_exception_of_a_callback_reaches_the_server_and_comes_back(root: Root) -> None:
    def step(number: int) -> int:
        raise LookupError("out of steps")

    with pytest.raises(mpipc.RemoteError, match="LookupError: out of steps"):
        root.apply(step, 1, 1)


def test_threads_do_not_wait_for_each_other(root: Root) -> None:
    held = [in_thread(lambda key=key: root.hold(key), key) for key in "abc"]  # type: ignore[misc]
    eventually(lambda: len(root.notes()) == 3)
    for key in "cab":
        root.let_go(key)
    assert [join() for join in held] == ["a", "b", "c"]


# ----------------------------------------------------------------------------- objects and ends


def test_an_object_keeps_its_state(root: Root) -> None:
    counter = root.make_counter("c")
    assert [counter.add(n) for n in (1, 2, 3)] == [1, 3, 6]
    parent = counter.child("d").parent()
    assert parent is not None and parent.add(1) == 7


def test_our_object_comes_back_as_itself(root: Root) -> None:
    counter = LocalCounter("ours")
    assert root.echo_counter(counter) is counter
    root.keep(counter)
    assert root.kept() is counter


def test_the_servers_object_comes_back_to_it_as_itself(root: Root) -> None:
    counter = root.make_counter("theirs")
    root.keep(counter)
    # It takes no detour through this process.
    with pytest.raises(mpipc.RemoteError):
        root.names_of([counter, root.make_counter("")])
    assert root.names_of([counter, LocalCounter("ours")]) == ["theirs", "ours"]
    assert root.add_in_background(5) == 5
    assert counter.add(1) == 6


def test_objects_of_the_server_end_with_their_proxies(root: Root) -> None:
    counters = [root.make_counter(str(n)) for n in range(5)]
    assert root.live_counters() == 5
    del counters[1:]
    eventually(lambda: root.live_counters() == 1)
    assert counters[0].add(1) == 1
    mpipc.close(counters.pop())
    eventually(lambda: root.live_counters() == 0)


def test_our_objects_end_when_the_server_lets_go(root: Root) -> None:
    ended = threading.Event()

    class Ending(LocalCounter):
        def __del__(self) -> None:
            ended.set()

    root.keep(Ending("ours"))
    root.names_of([])
    gc.collect()
    assert not ended.is_set()
    root.keep(None)
    assert ended.wait(PATIENCE)

    ended.clear()
    assert root.names_of([Ending("ours")]) == ["ours"]
    assert ended.wait(PATIENCE)


def test_a_call_that_takes_too_long_is_canceled_there(root: Root) -> None:
    with pytest.raises(mpipc.Timeout), mpipc.timeout(0.2):
        root.hold("k")
    eventually(lambda: "canceled k" in root.notes())
    assert root.notes() == ["holding k", "canceled k"]


def test_a_call_that_the_server_cancels_runs_to_its_end(root: Root) -> None:
    ended = threading.Event()
    go_on = threading.Event()

    def step(number: int) -> int:
        root.let_go("started")
        assert go_on.wait(PATIENCE)
        ended.set()
        return number

    assert root.apply(step, 5, 0) == 5
    assert not ended.is_set()
    go_on.set()
    assert ended.wait(PATIENCE)
    assert root.refuse("") == "accepted"


def test_a_server_that_dies_in_the_middle_of_a_call(start: Start) -> None:
    root = mpipc.connect(start(), Root)
    counter = root.make_counter("c")

    def hold() -> None:
        with pytest.raises(mpipc.Disconnected):
            root.hold("k")

    held = in_thread(hold)
    eventually(lambda: "holding k" in root.notes())
    with pytest.raises(mpipc.Disconnected):
        root.hold("die")
    held()
    for call in (counter.name, root.notes):
        with pytest.raises(mpipc.Disconnected):
            call()


# ------------------------------------------------------------------------------------- promises


def test_a_promise_can_be_called_before_it_is_settled(root: Root) -> None:
    """The server forwards the calls, for good."""
    counter = root.make_counter("late")
    name = in_thread(counter.name)
    root.let_go("late")
    assert name() == "late"
    assert [counter.add(n) for n in (1, 2)] == [1, 3]
    assert root.names_of([counter]) == ["late"]
    del counter
    eventually(lambda: root.live_counters() == 0)


def test_a_promise_that_breaks(root: Root) -> None:
    counter = root.make_counter("late and broken")
    root.let_go("late and broken")
    for _ in range(3):
        with pytest.raises(mpipc.RemoteError, match="it never came"):
            counter.name()


def test_a_promise_that_turns_out_to_be_our_own_object(root: Root) -> None:
    """The server passes the calls back and has us keep the results (`sendResultsTo.yourself`)."""
    own = LocalCounter("ours")
    root.keep(own)
    counter = root.make_counter("late and kept")
    early = in_thread(lambda: counter.add(1))
    root.let_go("late and kept")
    assert early() == 1
    assert [counter.add(n) for n in (2, 3)] == [3, 6]
    assert own.total == 6
    # Results and errors that stay here.
    child = counter.child("d")
    assert child.name() == "ours/d"
    assert child.parent() is own
    assert counter.name_of(root.make_counter("theirs")) == "theirs"
    with pytest.raises(mpipc.RemoteError, match="a child needs a label"):
        counter.child("")
    assert counter.name() == "ours"


def test_a_call_that_is_passed_back_runs_on_the_thread_that_made_it(root: Root) -> None:
    own = LocalCounter("ours")
    root.keep(own)
    counter = root.make_counter("late and kept")
    root.let_go("late and kept")
    counter.add(1)
    in_thread(lambda: counter.add(2), "another")()
    assert own.calls == [(1, threading.current_thread().name), (2, "another")]


def test_the_server_calls_what_our_answers_will_be(root: Root) -> None:
    """It pipelines on them; an object of its own it calls directly once we lift the embargo."""
    for _ in range(5):
        assert root.is_ours(LocalCounter("ours", root.make_counter("theirs")))


def test_many_calls_at_once(root: Root) -> None:
    counter = root.make_counter("c")
    joins = [in_thread(lambda: [counter.add(1) for _ in range(100)], f"t{n}") for n in range(8)]
    assert sorted(total for join in joins for total in join()) == list(range(1, 801))


class TestPipeline:
    def test_calls_that_are_not_waited_for_run_in_order(self, root: Any) -> None:
        counter = root.make_counter("many")
        with mpipc.pipeline() as p:
            totals = [p.call(counter.add, 1) for _ in range(1000)]
        assert [total.result() for total in totals] == list(range(1, 1001))

    def test_an_object_is_called_before_it_is_there(self, root: Any) -> None:
        with mpipc.pipeline() as p:
            counter = p.object(root.make_counter, "soon")
            first = p.call(counter.add, 5)
            child = p.object(counter.child, "inner")
            name = p.call(child.name)
            assert not name.done
        assert (first.result(), name.result()) == (5, "soon/inner")
        assert counter.add(2) == 7

    def test_what_is_called_on_a_failed_call_fails_with_it(self, root: Any) -> None:
        with mpipc.pipeline() as p:
            counter = p.object(root.make_counter, "")
            total = p.call(counter.add, 1)
            with pytest.raises(mpipc.RemoteError):
                total.result()
            with pytest.raises(mpipc.RemoteError):
                counter.name()
