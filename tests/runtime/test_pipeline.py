"""Calls that are not waited for, and calls on objects that are not there yet."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess, eventually


def test_results_come_with_their_calls(root: Root) -> None:
    values = root.values()
    with mpipc.pipeline() as p:
        numbers = [p.call(values.large, number) for number in range(2000)]
        assert numbers[7].result() == 7
        assert numbers[7].result() == 7
    assert all(each.done for each in numbers)
    assert [each.result() for each in numbers] == list(range(2000))


def test_calls_run_in_order_also_between_others(root: Root) -> None:
    threads = root.threads()
    threads.noted()
    with mpipc.pipeline() as p:
        for number in range(100):
            p.call(threads.note, number)
        waited = p.call(threads.note, 100)
        assert waited.result() == threads.note(101)
        p.call(threads.note, 102)
    assert threads.noted() == list(range(103))


def test_an_object_is_called_before_it_is_there(root: Root) -> None:
    with mpipc.pipeline() as p:
        objects = p.object(root.objects)
        thing = p.object(objects.make, "soon")
        name = p.call(thing.get_name)
        names = [p.call(thing.get_name) for _ in range(300)]  # more than are in flight at once
    assert name.result() == "soon"
    assert {each.result() for each in names} == {"soon"}
    # Afterwards it is a proxy like any other.
    assert thing.get_name() == "soon"
    assert "soon" in root.objects().alive()
    del thing, name, names, objects, p
    gc.collect()
    eventually(lambda: "soon" not in root.objects().alive())


def test_the_first_failure_that_nobody_asked_for_is_raised_at_the_end(root: Root) -> None:
    values = root.values()
    ran = []
    with pytest.raises(mpipc.RemoteError, match="'a', 'b'"), mpipc.pipeline() as p:
        seen = p.call(values.fail, "own")
        p.call(values.fail, "key")
        p.call(values.fail, "empty")
        ran.append(p.call(values.small, 1, 2))
        with pytest.raises(mpipc.RemoteError, match="not declared here"):
            seen.result()
    assert ran[0].result() == 3


def test_a_method_that_gives_no_object_cannot_be_called_on(root: Root) -> None:
    with mpipc.pipeline() as p, pytest.raises(TypeError, match="gives no object"):
        p.object(root.values().small, 1, 2)


def test_a_wrong_argument_is_reported_at_the_call(root: Root) -> None:
    values: Any = root.values()
    with mpipc.pipeline() as p:
        with pytest.raises((TypeError, mpipc.ConversionError)):
            p.call(values.small, "one", 2)
        assert p.call(values.small, 1, 2).result() == 3


def test_an_object_of_this_process_is_called_at_once() -> None:
    with mpipc.pipeline() as p:
        assert p.call("a,b".split, ",").result() == ["a", "b"]


def test_a_timeout_ends_the_wait_and_not_the_connection(root: Root) -> None:
    gates, values = root.gates(), root.values()
    with mpipc.pipeline() as p:
        late = p.call(gates.wait, "pipeline")
        behind = p.call(values.small, 1, 2)
        with pytest.raises(mpipc.Timeout), mpipc.timeout(0.1):
            late.result()
        Running(lambda: gates.open("pipeline")).result()
        assert behind.result() == 3
    assert values.small(3, 4) == 7


def test_an_answer_does_not_wait_for_the_next_call(root: Root) -> None:
    gates, values = root.gates(), root.values()
    with mpipc.pipeline() as p:
        first = p.call(values.small, 1, 2)
        last = p.call(gates.wait, "behind")
        assert first.result() == 3
        assert not last.done
        Running(lambda: gates.open("behind")).result()
        last.result()


def test_a_lost_connection_ends_every_promise(server: ServerProcess) -> None:
    with server.connect() as root:
        gates = root.gates()
        with pytest.raises(mpipc.Disconnected), mpipc.pipeline() as p:
            promises = [p.call(gates.wait, "never") for _ in range(10)]
            killer = threading.Timer(0.2, server.stop)
            killer.start()
            with pytest.raises(mpipc.Disconnected):
                promises[0].result()
        killer.join()
        for promise in promises:
            with pytest.raises(mpipc.Disconnected):
                promise.result()


def test_threads_have_pipelines_of_their_own(root: Root) -> None:
    values = root.values()

    def work(offset: int) -> list[int]:
        with mpipc.pipeline() as p:
            sums = [p.call(values.large, offset + number) for number in range(500)]
        return [each.result() for each in sums]

    threads = [Running(lambda offset=offset: work(offset)) for offset in range(4)]  # type: ignore[misc]
    for offset, each in enumerate(threads):
        assert each.result() == [offset + number for number in range(500)]


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), max_size=60))
def test_any_mixture(shared: ServerProcess, steps: list[int]) -> None:
    with shared.connect() as root:
        values = root.values()
        expected: list[int] = []
        promises: list[mpipc.Promise[int]] = []
        with mpipc.pipeline() as p:
            for number, step in enumerate(steps):
                if step == 0:
                    assert values.large(number) == number
                elif step == 1 and promises:
                    assert promises[-1].result() == expected[-1]
                else:
                    promises.append(p.call(values.large, number * step))
                    expected.append(number * step)
        assert [promise.result() for promise in promises] == expected


def test_many_calls_on_promises_while_others_are_served(shared: ServerProcess) -> None:
    """The server takes them in a little at a time then: all come, and in order."""
    done = threading.Event()

    def others() -> int:
        with mpipc.connect(shared.address, Root) as other:
            values, count = other.values(), 0
            while not done.is_set():
                assert values.small(1, 2) == 3
                count += 1
        return count

    running = Running(others)
    try:
        with mpipc.connect(shared.address, Root) as root:
            for _ in range(3):
                with mpipc.pipeline() as pipeline:
                    values = [pipeline.object(root.values) for _ in range(200)]
                    answers = [
                        pipeline.call(each.large, number) for number, each in enumerate(values)
                    ]
                assert [each.result() for each in answers] == list(range(200))
    finally:
        done.set()
    assert running.result() > 0
