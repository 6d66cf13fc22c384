"""Spans of OpenTelemetry, which cross processes: `mpipc.spans`.

    mpipc.spans.enable()               # before connecting or serving, on both sides

Each call has a span on the client's side and, as a child of it, one on the server's; calls that the
server makes meanwhile are children of that, callbacks included. Which span a call belongs to
travels in its Context (WIRE.md, "Spans"). What to do with spans is decided by the program's
OpenTelemetry SDK. It needs the package opentelemetry-api: `pip install 'mpipc[otel]'`.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.threads import read_carried
from mpipc.observe.calls import Method, StandIn, Watch, switch

_PARENT, _STATE = "traceparent", "tracestate"
_LONGEST = 600  # characters of a text that is sent: `tracestate` may have 512


class Spans:
    """The watcher that makes spans."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._tracer = trace.get_tracer("mpipc", tracer_provider=provider)
        self._propagator = TraceContextTextMapPropagator()

    def opened(self, endpoint: Endpoint) -> None:
        """That is no call."""

    def watch(
        self, method: Method, subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Watch:
        """Makes the span of a call."""
        serves = method.side == "server"
        attributes = {
            "rpc.system": "mpipc", "rpc.service": method.interface, "rpc.method": method.name,
        }  # fmt: skip
        # The text of an exception may show what is nobody's business: its class has to do.
        with self._tracer.start_as_current_span(
            f"{method.interface}/{method.name}",
            self._parent(subject) if serves else None,
            SpanKind.SERVER if serves else SpanKind.CLIENT,
            attributes, record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                yield
            except BaseException as e:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(e).__qualname__)

    def carried(self) -> str:
        """The current span, as W3C Trace Context has it: `traceparent`, and `tracestate` in another
        line if there is one."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        text = "\n".join(carrier[each] for each in (_PARENT, _STATE) if each in carrier)
        return text if len(text) <= _LONGEST else carrier[_PARENT]

    def _parent(self, subject: StandIn) -> context.Context:
        """The context of a server's span. What the other end sent is only believed as far as it is
        well-formed, and leads to nothing but a parent's number."""
        incoming = subject._mpipc_incoming
        text = read_carried(incoming.message, *incoming.content) if incoming.method.context else ""
        parent, _, state = text.partition("\n")
        return self._propagator.extract({_PARENT: parent, _STATE: state}, context.Context())


def enable(provider: TracerProvider | None = None) -> None:
    """Make spans of the calls on connections that are made from now on. `provider`: whose spans
    these are; by default the one that `opentelemetry.trace` has been given."""
    switch("spans", Spans(provider))


def disable() -> None:
    """Make none on connections that are made from now on."""
    switch("spans", None)
