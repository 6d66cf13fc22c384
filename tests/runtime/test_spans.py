"""Spans have the right parents across processes, with the OpenTelemetry SDK on both sides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import mpipc
from mpipc.capnp.message import DEFAULT_LIMITS, Message, budget
from mpipc.capnp.threads import CONTEXT, carry, context_pointer, read_carried
from mpipc.capnp.writer import Writer
from tests.interop.declarations import Root as ForeignRoot
from tests.interop.service import Foreign, write_schema
from tests.runtime.declarations import Root
from tests.runtime.support import Running, ServerProcess


class Span(msgspec.Struct, frozen=True):
    """What there is to say of a span."""

    name: str
    kind: str
    id: str
    parent: str | None
    trace: str
    status: str
    attributes: dict[str, Any]


def read(text: str) -> Span:
    found = msgspec.json.decode(text)
    return Span(
        found["name"], found["kind"].removeprefix("SpanKind."), found["context"]["span_id"],
        found["parent_id"], found["context"]["trace_id"], found["status"]["status_code"],
        found["attributes"],
    )  # fmt: skip


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """This process makes spans, and this has those that have ended."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    mpipc.spans.enable(provider)
    yield exporter
    mpipc.spans.disable()


class Spans:
    """Those of this process and of a server's."""

    def __init__(self, exporter: InMemorySpanExporter, server: Any) -> None:
        self._here = [read(each.to_json()) for each in exporter.get_finished_spans()]
        self._there = [read(each) for each in server]

    def one(self, name: str, kind: str, *, there: bool = False) -> Span:
        found = [
            each
            for each in (self._there if there else self._here)
            if (each.name, each.kind) == (name, kind)
        ]
        assert len(found) == 1, (self._here, self._there)
        return found[0]


def test_a_servers_span_is_a_child_of_the_clients(
    exporter: InMemorySpanExporter, start: Callable[..., ServerProcess]
) -> None:
    tracer = trace.get_tracer("test", tracer_provider=TracerProvider())
    with start("--spans").connect() as root:
        with tracer.start_as_current_span("outermost") as outermost:
            assert root.values().small(1, 2) == 3
        with pytest.raises(mpipc.RemoteError):
            root.values().fail("key")
        spans = Spans(exporter, root.process().spans())
    client, server = (
        spans.one("Values/small", "CLIENT"), spans.one("Values/small", "SERVER", there=True)
    )  # fmt: skip
    assert client.trace == server.trace == f"0x{outermost.get_span_context().trace_id:032x}"
    assert client.parent == f"0x{outermost.get_span_context().span_id:016x}"
    assert server.parent == client.id
    assert client.attributes == {
        "rpc.system": "mpipc", "rpc.service": "Values", "rpc.method": "small",
    }  # fmt: skip
    failed = spans.one("Values/fail", "SERVER", there=True)
    assert (failed.status, failed.attributes["error.type"]) == ("ERROR", "KeyError")
    assert failed.trace != server.trace  # nothing outside of it held them together


def test_callbacks_are_children_of_the_call_that_they_are_made_in(
    exporter: InMemorySpanExporter, start: Callable[..., ServerProcess]
) -> None:
    with start("--spans").connect() as root:
        callbacks = root.callbacks()
        inside: list[int] = []

        def step(value: int) -> int:
            inside.append(trace.get_current_span().get_span_context().span_id)
            return value

        Running(lambda: callbacks.call(step, 1), name="worker").result()
        spans = Spans(exporter, root.process().spans())
    chain = [
        spans.one("Callbacks/call", "CLIENT"),
        spans.one("Callbacks/call", "SERVER", there=True),
        spans.one("Step/__call__", "CLIENT", there=True),
        spans.one("Step/__call__", "SERVER"),
    ]
    assert [each.parent for each in chain] == [None, *(each.id for each in chain[:-1])]
    assert len({each.trace for each in chain}) == 1
    assert f"0x{inside[0]:016x}" == chain[-1].id


def test_one_side_alone_works_as_well(
    exporter: InMemorySpanExporter, shared: ServerProcess, start: Callable[..., ServerProcess]
) -> None:
    with mpipc.connect(shared.address, Root) as root:
        assert root.values().small(1, 2) == 3
        assert root.callbacks().call(lambda value: value + 1, 1) == 2
    mpipc.spans.disable()
    server = start("--spans")
    with server.connect() as root:
        assert root.values().small(1, 2) == 3
        (values, small, *_) = [read(each) for each in root.process().spans()]
    assert (values.parent, small.parent) == (None, None)


def test_a_pipeline_has_spans_and_is_logged(
    exporter: InMemorySpanExporter,
    start: Callable[..., ServerProcess],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "mpipc.ipc")
    with start("--spans").connect() as root:
        with mpipc.pipeline() as pipeline:
            values = pipeline.object(root.values)
            answers = [pipeline.call(values.small, 1, number) for number in range(3)]
        assert [each.result() for each in answers] == [1, 2, 3]
        there = [read(each) for each in root.process().spans()]
    here = {read(each.to_json()).id for each in exporter.get_finished_spans()}
    small = [each for each in there if each.name == "Values/small"]
    assert len(small) == 3 and {each.parent for each in small} <= here


def test_pycapnp_ignores_what_is_carried(exporter: InMemorySpanExporter, tmp_path: Path) -> None:
    """A server that knows Context as libmultiprocess has it, and passes threads back."""
    write_schema(tmp_path)
    server = Foreign("server", str(tmp_path), str(tmp_path / "s"))
    assert server.line() == "ready"
    with mpipc.connect(f"unix:{tmp_path}/s", ForeignRoot) as root:
        counter = root.make_counter("a")
        assert counter.add(2) == 2 and counter.add(3) == 5
        # The other end calls back on the thread that it was given.
        assert root.apply(lambda value: value + 1, 1, 3) == 4
    names = {each.name for each in exporter.get_finished_spans()}
    assert {"Counter/add", "Root/apply"} <= names


# ------------------------------------------------------------------------------------ the encoding


def read_back(w: Writer, shape: int) -> str:
    body = w.body()
    message = Message(
        body, 0, len(body), None, budget(DEFAULT_LIMITS, len(body) // 8), 64, (), None
    )
    return read_carried(message, 0, shape & 0xFFFF, shape >> 16)


@given(st.integers(0, 3), st.integers(1, 3), st.text(st.characters(codec="ascii"), max_size=300))
def test_what_is_carried_arrives(data_words: int, pointers: int, text: str) -> None:
    shape = data_words | pointers << 16
    words = data_words + pointers
    pointer = context_pointer(data_words, words).to_bytes(8, "little")
    head = b"\7" * 8 * data_words + pointer + bytes(8 * (pointers - 1)) + CONTEXT
    w = Writer(words + 2, [None, None], head)
    assert read_back(w, shape) == ""
    text = text.replace("\0", "")
    w.data(words, b"something else")
    carry(w, shape, text)
    assert len(w.body()) == w.end * 8
    assert read_back(w, shape) == text


@given(st.binary(min_size=24, max_size=64), st.integers(0, 1 << 64))
def test_a_broken_context_is_an_error_or_nothing(content: bytes, third: int) -> None:
    content = content[: len(content) // 8 * 8]
    w = Writer(1, [None, None], (0 | 3 << 48).to_bytes(8, "little"))
    w.parts.append(content[:16] + (third & (1 << 64) - 1).to_bytes(8, "little") + content[24:])
    try:
        assert len(read_back(w, 1 << 16)) <= 1024
    except mpipc.IpcError:
        pass
