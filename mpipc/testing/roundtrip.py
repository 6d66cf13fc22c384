"""Calling every method of an interface through a real connection, and comparing both sides."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS
from mpipc.capnp.proxy import Client, Local
from mpipc.declare import INTERFACE, options_of
from mpipc.derive import derive_interface
from mpipc.generate.load import generated_for
from mpipc.ipc.channel import Channel, timeout
from mpipc.model import Interface, Method, Model, TypeName
from mpipc.schema import committed_lock
from mpipc.testing.strategies import Strategies, python_class, result_of

_SECONDS = 30.0


@contextmanager
def connected(impl: object, interface: type) -> Iterator[Any]:
    """A client of `impl`, an object of any interface, through a socket pair within this process."""
    generated = generated_for(interface)
    here, there = socket.socketpair()
    ends = []
    for sock, root in ((there, Local(impl, generated.server)), (here, None)):
        channel = Channel(sock, "testing", pool_threads=DEFAULT_LIMITS.threads)
        connection = Connection(channel, root, DEFAULT_LIMITS, tracebacks=True, logger=None)
        channel.start(connection, f"mpipc-io testing {'server' if root else 'client'}")
        ends.append((channel, connection))
    try:
        with timeout(_SECONDS):
            yield ends[1][1].start(generated)
    finally:
        for _, connection in ends:
            connection.close()
        for channel, _ in ends:
            channel.join(_SECONDS)


def roundtrip(interface: type, *, max_examples: int = 100) -> dict[str, int]:
    """Call every method of an interface with generated arguments and results, through a real
    connection, and compare what arrives with what was sent, in both directions.

    Objects and callables among the values must arrive as proxies of the same interface. Returns how
    many times each method was called. Raises AssertionError, with the method and the values.
    """
    model = derive_interface(interface, committed_lock)
    key = TypeName(interface.__module__, interface.__qualname__)
    methods = [
        method
        for each in model.ancestry(model.interface(key))
        for method in each.methods
        if method.kind == "method"
    ]
    counts = {}
    recorder = _Recorder()
    impl = recorder.object_of(model.interface(key), model)
    with connected(impl, interface) as client:
        for method in methods:
            counts[method.name] = _check(client, method, model, recorder, max_examples)
    return counts


class _Recorder:
    """Makes objects of an interface that return what they are told and keep what they are given."""

    def __init__(self) -> None:
        self.received: tuple[Any, ...] = ()
        self.answer: Any = None

    def object_of(self, interface: Interface, model: Model) -> Any:
        """An object of the interface, all of whose methods record."""

        def method(_self: object, *arguments: Any) -> Any:
            self.received = arguments
            return self.answer

        if interface.callable:
            return lambda *arguments: method(None, *arguments)
        names = [m.name for each in model.ancestry(interface) for m in each.methods]
        cls = python_class(interface.key)
        return type(f"Recording{cls.__name__}", (cls,), dict.fromkeys(names, method))()


def _check(
    client: Any, method: Method, model: Model, recorder: _Recorder, max_examples: int
) -> int:
    calls = 0
    objects: Callable[[Interface], st.SearchStrategy[Any]] = lambda interface: st.builds(  # noqa: E731
        lambda: _Recorder().object_of(interface, model)
    )
    strategies = Strategies(model, objects)

    @settings(
        max_examples=max_examples, deadline=None, suppress_health_check=list(HealthCheck),
        database=None, report_multiple_bugs=False,
    )  # fmt: skip
    @given(strategies.fields(method.parameters), result_of(method, strategies))
    def call(arguments: tuple[Any, ...], answer: Any) -> None:
        nonlocal calls
        calls += 1
        note(f"{method.params.path}: {arguments!r} -> {answer!r}")
        recorder.answer = answer
        returned = getattr(client, method.name)(*arguments)
        assert same(arguments, recorder.received), f"sent {arguments}, got {recorder.received}"
        assert same(answer, returned), f"returned {answer}, got {returned}"

    call()
    return calls


def same(sent: Any, arrived: Any) -> bool:
    """Whether a value equals what arrived at the other end: an object or a callable arrives as a
    proxy of the same interface, everything else as an equal value of the same type."""
    if isinstance(arrived, Client):
        expected = next((c for c in type(arrived).__mro__ if options_of(c, INTERFACE)), None)
        return callable(sent) if expected is None else isinstance(sent, expected)
    if isinstance(sent, (list, tuple)):
        return (
            type(sent) is type(arrived)
            and len(sent) == len(arrived)
            and all(map(same, sent, arrived))
        )
    if isinstance(sent, dict):
        return sent.keys() == arrived.keys() and all(same(sent[k], arrived[k]) for k in sent)
    fields = getattr(type(sent), "__struct_fields__", None) or getattr(
        type(sent), "__dataclass_fields__", None
    )
    if fields is not None:
        return type(sent) is type(arrived) and all(
            same(getattr(sent, name), getattr(arrived, name)) for name in fields
        )
    return type(sent) is type(arrived) and bool(sent == arrived)
