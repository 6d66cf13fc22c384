"""Logs, counters and spans of what is awaited: by event loops, and over connections that block."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mpipc
import mpipc.aio
from mpipc import metrics
from mpipc.cli import main
from mpipc.introspection.api import MethodCounts, Snapshot
from tests.aio.declarations import Root
from tests.aio.iterators import Feed, RealFeed
from tests.aio.program import RootHere
from tests.aio.support import eventually, in_loop, waits
from tests.interop.declarations import Root as ForeignRoot
from tests.interop.service import Foreign, write_schema

KINDS = ("blocking", "loop")
both = pytest.mark.parametrize("client", KINDS)


def ids(span: ReadableSpan) -> tuple[int, int]:
    """Of the trace, and of the span."""
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


class Seen:
    """What was logged, counted, and made spans of."""

    def __init__(self, caplog: pytest.LogCaptureFixture, provider: TracerProvider) -> None:
        self._caplog = caplog
        self._exporter = InMemorySpanExporter()
        self.tracer = provider.get_tracer("test")
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def logged(self, method: str) -> list[Any]:
        """The log's records of a method."""
        records = [vars(each) for each in self._caplog.records if each.name == "mpipc.ipc"]
        return [each for each in records if each["ipc_method"] == method]

    def outcomes(self, method: str) -> set[tuple[str, str, str | None]]:
        return {(r["ipc_side"], r["ipc_outcome"], r["ipc_error"]) for r in self.logged(method)}

    def spans(self, name: str, kind: str) -> list[ReadableSpan]:
        found = self._exporter.get_finished_spans()
        return [each for each in found if (each.name, each.kind.name) == (name, kind)]

    def counts(self, method: str) -> dict[str, MethodCounts]:
        """By side."""
        return {each.side: each for each in metrics.snapshot().methods if each.method == method}

    async def all_ended(self, method: str, calls: int) -> None:
        """A server's side may end after the client has its answer."""

        async def condition() -> bool:
            counts = self.counts(method)
            return len(self.logged(method)) == 2 * calls and all(
                counts[side].calls == calls for side in ("client", "server")
            )

        await eventually(condition)

    def chain(self, *names: tuple[str, str]) -> list[ReadableSpan]:
        """Spans of which each is the parent of the next."""
        spans = []
        for name in names:
            (found,) = self.spans(*name)
            spans.append(found)
        for parent, child in pairwise(spans):
            assert child.parent is not None
            assert child.parent.span_id == ids(parent)[1]
        return spans


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    caplog.set_level(logging.DEBUG, "mpipc.ipc")
    provider = TracerProvider()
    mpipc.spans.enable(provider)
    metrics.enable()
    yield Seen(caplog, provider)
    mpipc.spans.disable()
    metrics.disable()


@asynccontextmanager
async def connected(
    client: str, server: str, path: Path, impl: Any, root: Any
) -> AsyncIterator[Any]:
    """A root object that comes from a server of one kind to a client of one kind."""
    address = f"unix:{path}/s"
    serving = mpipc.serve(address, impl) if server == "blocking" else None
    awaited = None if serving else await mpipc.aio.serve(address, impl)
    try:
        if client == "loop":
            async with mpipc.aio.connect(address, root) as proxy:
                yield proxy
        else:
            proxy = await asyncio.to_thread(mpipc.connect, address, root)
            try:
                yield proxy
            finally:
                await asyncio.to_thread(mpipc.close, proxy)
    finally:
        if serving is not None:
            await asyncio.to_thread(serving.close)
        if awaited is not None:
            await awaited.close()


async def called(client: str, method: Callable[..., Any], *args: Any) -> Any:
    """Call a method that is not async."""
    how = mpipc.aio.call if client == "loop" else asyncio.to_thread
    return await how(method, *args)


def on_all(test: Any) -> Any:
    return both(pytest.mark.parametrize("server", KINDS)(test))


@on_all
@in_loop
async def test_a_call_is_watched_until_it_is_done(
    seen: Seen, tmp_path: Path, client: str, server: str
) -> None:
    async with connected(client, server, tmp_path, RootHere(), Root) as root:
        waiting = asyncio.create_task(root.wait("gate"))
        await waits(root, "gate")
        assert {side: each.running for side, each in seen.counts("wait").items()} == {
            "client": 1, "server": 1,
        }  # fmt: skip
        calls = [call for each in metrics.snapshot().connections for call in each.calls]
        assert {each.side for each in calls if each.method == "wait"} == {"client", "server"}
        assert not seen.logged("wait") and not seen.spans("Root/wait", "CLIENT")
        await root.open("gate")
        assert await waiting == "gate"
        await seen.all_ended("wait", 1)
    assert seen.outcomes("wait") == {("client", "returned", None), ("server", "returned", None)}
    for record in seen.logged("wait"):
        assert "Root.wait('gate') -> 'gate'" in record["msg"] % record["args"]
    seen.chain(("Root/wait", "CLIENT"), ("Root/wait", "SERVER"))


@on_all
@in_loop
async def test_an_exception_is_seen(seen: Seen, tmp_path: Path, client: str, server: str) -> None:
    async with connected(client, server, tmp_path, RootHere(), Root) as root:
        with pytest.raises(mpipc.RemoteError):
            await root.fail("x")
        await seen.all_ended("fail", 1)
    assert seen.outcomes("fail") == {
        ("client", "raised", "RemoteError"), ("server", "raised", "KeyError"),
    }  # fmt: skip
    counts = seen.counts("fail")
    assert (counts["client"].errors, counts["server"].errors) == (
        {"RemoteError": 1}, {"KeyError": 1},
    )  # fmt: skip
    for span in seen.chain(("Root/fail", "CLIENT"), ("Root/fail", "SERVER")):
        assert span.status.status_code.name == "ERROR"


@on_all
@in_loop
async def test_callbacks_are_children_of_the_call_that_they_are_made_in(
    seen: Seen, tmp_path: Path, client: str, server: str
) -> None:
    async def step(value: int) -> int:
        return value + 1

    async with connected(client, server, tmp_path, RootHere(), Root) as root:
        with seen.tracer.start_as_current_span("outermost"):
            assert await root.call(step, 1) == 2
        await seen.all_ended("__call__", 1)
        await seen.all_ended("call", 1)
    spans = seen.chain(
        ("outermost", "INTERNAL"),
        ("Root/call", "CLIENT"), ("Root/call", "SERVER"),
        ("AsyncStep/__call__", "CLIENT"), ("AsyncStep/__call__", "SERVER"),
    )  # fmt: skip
    assert len({ids(each)[0] for each in spans}) == 1


@on_all
@in_loop
async def test_so_it_is_with_methods_that_are_not_async(
    seen: Seen, tmp_path: Path, client: str, server: str
) -> None:
    def step(value: int) -> int:
        assert trace.get_current_span().get_span_context().is_valid
        return value + 1

    async with connected(client, server, tmp_path, RootHere(), Root) as root:
        assert await called(client, root.call_in_thread, step, 1) == 2
        await seen.all_ended("__call__", 1)
        await seen.all_ended("call_in_thread", 1)
    for record in seen.logged("call_in_thread"):
        assert " -> 2 " in record["msg"] % record["args"]
    seen.chain(
        ("Root/call_in_thread", "CLIENT"), ("Root/call_in_thread", "SERVER"),
        ("Step/__call__", "CLIENT"), ("Step/__call__", "SERVER"),
    )  # fmt: skip


@both
@in_loop
async def test_calls_at_the_same_time_are_no_children_of_each_other(
    seen: Seen, tmp_path: Path, client: str
) -> None:
    async with connected(client, "loop", tmp_path, RootHere(), Root) as root:
        with seen.tracer.start_as_current_span("outer") as outer:
            calls = [root.add(number) for number in range(5)]
            assert await asyncio.gather(*calls) == [1, 2, 3, 4, 5]
        await seen.all_ended("add", 5)
    clients = seen.spans("Root/add", "CLIENT")
    assert {each.parent.span_id for each in clients if each.parent} == {
        outer.get_span_context().span_id
    }
    made = {ids(each)[1] for each in clients}
    servers = seen.spans("Root/add", "SERVER")
    assert {each.parent.span_id for each in servers if each.parent} == made and len(made) == 5


@both
@in_loop
async def test_what_an_async_iterator_gives_is_watched(
    seen: Seen, tmp_path: Path, client: str
) -> None:
    async with connected(client, "blocking", tmp_path, RealFeed(), Feed) as feed:
        found = []
        async with aclosing(feed.count(5)) as numbers:
            async for number in numbers:
                found.append(number)
                if len(found) == 3:
                    break
        assert found == [5, 6, 7]

        async def condition() -> bool:
            counts = seen.counts("next")
            return counts["server"].calls == counts["client"].calls >= 1

        await eventually(condition)
    assert seen.outcomes("next") >= {("client", "returned", None)}
    assert seen.spans("Feed/count", "SERVER")


@in_loop
async def test_a_call_that_is_cancelled_is_seen(seen: Seen, tmp_path: Path) -> None:
    async with connected("loop", "loop", tmp_path, RootHere(), Root) as root:
        waiting = asyncio.create_task(root.wait("cancelled"))
        await waits(root, "cancelled")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await seen.all_ended("wait", 1)
    cancelled = {(side, "raised", "CancelledError") for side in ("client", "server")}
    assert seen.outcomes("wait") == cancelled
    assert {side: each.running for side, each in seen.counts("wait").items()} == {
        "client": 0, "server": 0,
    }  # fmt: skip


@in_loop
async def test_connections_bytes_and_objects_are_counted(seen: Seen, tmp_path: Path) -> None:
    async with connected("loop", "loop", tmp_path, RootHere(), Root) as root:
        thing = await root.make("a")
        assert len(await root.data(300_000)) == 300_000
        snapshot = metrics.snapshot()
        server, client = sorted(snapshot.connections, key=lambda each: each.side, reverse=True)
        assert (server.side, client.side) == ("server", "client")
        assert (server.objects, client.held) == ({"Root": 1, "Thing": 1}, 2)
        assert "process" in server.peer and client.address.endswith("/s")
        for each in (server.sent_bytes, client.received_bytes):
            assert 300_000 < each < 310_000
        assert (client.sent_bytes, server.sent_bytes) == (
            server.received_bytes, client.received_bytes,
        )  # fmt: skip
        await mpipc.aio.close(thing)
    after = metrics.snapshot()
    assert (after.made, after.accepted) == (1, 1)
    assert after.sent_bytes >= snapshot.sent_bytes


@in_loop
async def test_top_looks_into_a_server_in_a_loop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"unix:{tmp_path}/s"
    try:
        async with (
            mpipc.aio.serve(address, RootHere(), introspect=True),
            mpipc.aio.connect(address, Root) as root,
        ):
            waiting = asyncio.create_task(root.wait("looked at"))
            assert await root.add(1) == 2
            command = ["top", "--once", "--json", address]
            assert await asyncio.to_thread(main, command) == 0
            await root.open("looked at")
            await waiting
    finally:
        metrics.disable()
    snapshot = msgspec.json.decode(capsys.readouterr().out, type=Snapshot)
    counts = {each.method: each for each in snapshot.methods if each.side == "server"}
    assert (counts["add"].calls, counts["wait"].running) == (1, 1)
    running = [call for each in snapshot.connections for call in each.calls]
    sides = {each.side for each in running if each.method == "wait"}
    assert sides == {"client", "server"}  # both are in this process


@in_loop
async def test_a_peer_that_wants_threads_named_ignores_what_is_carried(
    seen: Seen, tmp_path: Path
) -> None:
    write_schema(tmp_path)
    server = await asyncio.to_thread(Foreign, "server", str(tmp_path), str(tmp_path / "s"))
    assert await asyncio.to_thread(server.line) == "ready"
    async with mpipc.aio.connect(f"unix:{tmp_path}/s", ForeignRoot) as root:
        counter = await mpipc.aio.call(root.make_counter, "a")
        assert await mpipc.aio.call(counter.add, 2) == 2
        assert await mpipc.aio.call(counter.add, 3) == 5
    assert len(seen.spans("Counter/add", "CLIENT")) == 2


@in_loop
async def test_nothing_is_watched_unless_it_is_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected("loop", "loop", tmp_path, RootHere(), Root) as root:
        metrics.enable()
        caplog.set_level(logging.DEBUG, "mpipc.ipc")
        try:
            assert await root.add(1) == 2
            assert metrics.snapshot().methods == []
        finally:
            metrics.disable()
    assert not [each for each in caplog.records if each.name == "mpipc.ipc"]


@in_loop
async def test_a_call_that_is_begun_and_not_wanted_leaves_nothing(
    seen: Seen, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    async with connected("loop", "loop", tmp_path, RootHere(), Root) as root:

        def begin_and_fail() -> None:
            root.add_in_thread(1, 2)
            raise ValueError("not wanted")

        with pytest.raises(ValueError, match="not wanted"):
            await mpipc.aio.call(begin_and_fail)
    gc.collect()
    assert not [each for each in recwarn if "never awaited" in str(each.message)]


@in_loop
async def test_a_method_that_gives_an_iterator_is_watched_when_it_is_called(
    seen: Seen, tmp_path: Path
) -> None:
    async with connected("loop", "loop", tmp_path, RealFeed(), Feed) as feed:
        numbers = feed.count(7)
        assert not seen.logged("count")  # nobody has asked for anything yet
        async for number in numbers:
            assert number == 7
            break
        await seen.all_ended("count", 1)
        await mpipc.aio.close(numbers)
    assert seen.outcomes("count") == {("client", "returned", None), ("server", "returned", None)}
    seen.chain(("Feed/count", "CLIENT"), ("Feed/count", "SERVER"))


@in_loop
async def test_an_iterator_that_nobody_uses_is_no_call(
    seen: Seen, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    async with connected("loop", "loop", tmp_path, RealFeed(), Feed) as feed:
        feed.count(7)
        gc.collect()
    assert not seen.logged("count") and not seen.spans("Feed/count", "CLIENT")
    assert not [each for each in recwarn if "never awaited" in str(each.message)]
