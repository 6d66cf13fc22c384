"""What is counted, in numbers and as text; and nothing where it was not asked for."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import mpipc
from mpipc import metrics
from mpipc.introspection.api import BOUNDS, MethodCounts, Snapshot
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess


@pytest.fixture
def counting() -> Iterator[None]:
    metrics.enable()
    yield
    metrics.disable()


@pytest.fixture
def root(counting: None, shared: ServerProcess) -> Iterator[Any]:
    """A connection that is counted."""
    with mpipc.connect(shared.address, Root) as root:
        yield root


def method(name: str, side: str = "client") -> MethodCounts:
    found = [
        each
        for each in metrics.snapshot().methods
        if f"{each.interface}.{each.method}" == name and each.side == side
    ]
    assert len(found) == 1, found
    return found[0]


def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What the parser of Prometheus finds in the text."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.prometheus())
        for sample in family.samples
    }


def test_calls_and_errors_are_counted(root: Any) -> None:
    values = root.values()
    for second in range(5):
        assert values.small(1, second) == 1 + second
    with pytest.raises(mpipc.RemoteError):
        values.fail("key")
    small, fail = method("Values.small"), method("Values.fail")
    assert (small.calls, small.errors, small.running) == (5, {}, 0)
    assert (fail.calls, fail.errors) == (1, {"RemoteError": 1})
    assert sum(small.buckets) == 5 and len(small.buckets) == len(BOUNDS) + 1
    assert small.seconds > 0
    assert small.quantile(0.5) <= small.quantile(1.0)


def test_calls_back_are_counted_on_the_other_side(root: Any) -> None:
    assert root.callbacks().call(lambda value: value + 1, 1) == 2
    assert method("Step.__call__", "server").calls == 1
    assert method("Callbacks.call").calls == 1


def test_calls_of_many_threads_are_all_counted(root: Any) -> None:
    values = root.values()

    def call() -> None:
        for _ in range(200):
            values.small(1, 2)

    for each in [Running(call) for _ in range(8)]:
        each.result()
    assert method("Values.small").calls == 1600


@mpipc.interface(root=True)
class Meeting(ABC):
    """Whose calls end together."""

    @abstractmethod
    async def arrive(self, others: int) -> int: ...


class RealMeeting(Meeting):
    def __init__(self) -> None:
        self._there = 0

    async def arrive(self, others: int) -> int:
        if others < 0:
            raise ValueError("nobody")
        self._there += 1
        while self._there <= others:
            await asyncio.sleep(0.001)
        return self._there


def test_awaited_calls_are_counted_until_they_end(counting: None, tmp_path: Path) -> None:
    async def meet(meeting: Meeting) -> None:
        assert await asyncio.gather(*(meeting.arrive(2) for _ in range(3))) == [3, 3, 3]
        with pytest.raises(mpipc.RemoteError):
            await meeting.arrive(-1)

    with (
        mpipc.serve(f"unix:{tmp_path}/s", RealMeeting()) as server,
        mpipc.connect(server.address, Meeting) as meeting,
    ):
        asyncio.run(meet(meeting))
        for side, error in (("client", "RemoteError"), ("server", "ValueError")):
            found = method("Meeting.arrive", side)
            assert (found.calls, found.running, found.errors) == (4, 0, {error: 1})


def test_a_call_that_runs_is_seen(root: Any) -> None:
    entered, leave = threading.Event(), threading.Event()

    def step(value: int) -> int:
        entered.set()
        assert leave.wait(30)
        return value

    running = Running(lambda: root.callbacks().call(step, 1), name="caller")
    try:
        assert entered.wait(30)
        assert method("Callbacks.call").running == 1
        (connection,) = metrics.snapshot().connections
        calls = {(each.side, each.interface, each.method, each.thread) for each in connection.calls}
        assert calls == {
            ("client", "Callbacks", "call", "caller"), ("server", "Step", "__call__", "caller"),
        }  # fmt: skip
        assert connection.objects == {"Step": 1}
    finally:
        leave.set()
    running.result()
    assert method("Callbacks.call").running == 0


def test_connections_bytes_and_objects_are_counted(counting: None, shared: ServerProcess) -> None:
    with mpipc.connect(shared.address, Root) as root:
        values = root.values()
        before = metrics.snapshot()
        values.optional(1, "x" * 300_000)
        snapshot = metrics.snapshot()
        (connection,) = snapshot.connections
        assert (connection.side, connection.address) == ("client", shared.address)
        assert connection.held == 2  # root and values
        assert 300_000 < snapshot.sent_bytes - before.sent_bytes < 302_000
        assert 300_000 < snapshot.received_bytes - before.received_bytes < 302_000
        assert snapshot.sent_bytes == connection.sent_bytes
    after = metrics.snapshot()
    assert (after.made, after.accepted, after.connections) == (1, 0, [])
    assert after.sent_bytes >= snapshot.sent_bytes


def test_a_server_counts_its_clients(start: Callable[..., ServerProcess]) -> None:
    server = start("--metrics")
    with server.connect() as root:
        values = root.values()
        values.small(1, 2)
        process = root.process()
        snapshot = msgspec.json.decode(process.metrics(), type=Snapshot)
        (connection,) = snapshot.connections
        assert connection.side == "server" and "process" in connection.peer
        assert connection.objects == {"Root": 1, "Values": 1, "Process": 1}
        assert connection.threads == ["MainThread"]
        assert snapshot.accepted == 1 and snapshot.pid == server.pid
        (running,) = connection.calls
        assert (running.method, running.thread) == ("metrics", "MainThread")
        counted = {each.method: each.calls for each in snapshot.methods}
        assert counted == {"values": 1, "small": 1, "process": 1, "metrics": 0}


def test_the_text_is_what_prometheus_reads(root: Any) -> None:
    values = root.values()
    values.small(1, 2)
    with pytest.raises(mpipc.RemoteError):
        values.fail("key")
    found = samples()
    small = {("side", "client"), ("interface", "Values"), ("method", "small")}
    assert found["mpipc_call_seconds_count", frozenset(small)] == 1
    assert found["mpipc_call_seconds_bucket", frozenset({*small, ("le", "+Inf")})] == 1
    assert found["mpipc_call_seconds_sum", frozenset(small)] > 0
    fail = {("side", "client"), ("interface", "Values"), ("method", "fail")}
    key = "mpipc_call_errors_total", frozenset({*fail, ("error", "RemoteError")})
    assert found[key] == 1
    assert found["mpipc_connections", frozenset({("side", "client")})] == 1
    assert found["mpipc_objects_held", frozenset()] == 2
    assert found["mpipc_bytes_total", frozenset({("direction", "sent")})] > 0


def test_nothing_is_counted_unless_it_is_asked_for(shared: ServerProcess) -> None:
    with pytest.raises(RuntimeError, match="enable"):
        metrics.snapshot()
    with mpipc.connect(shared.address, Root) as silent:
        metrics.enable()
        try:
            assert silent.values().small(1, 2) == 3
            snapshot = metrics.snapshot()
            assert (snapshot.methods, snapshot.connections) == ([], [])
        finally:
            metrics.disable()
