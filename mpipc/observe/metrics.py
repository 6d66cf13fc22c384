"""Counters of calls and connections: `mpipc.metrics`.

    mpipc.metrics.enable()             # before connecting or serving
    mpipc.metrics.snapshot()           # numbers, as objects
    mpipc.metrics.prometheus()         # the same as text, for Prometheus

Counted is what happens on the connections that are made while it is on.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.message import Message
from mpipc.capnp.proxy import Client, ClientMethod, Server, ServerMethod
from mpipc.capnp.writer import Writer
from mpipc.introspection.api import (
    BOUNDS,
    ConnectionCounts,
    MethodCounts,
    RunningCall,
    Snapshot,
)
from mpipc.observe.calls import Function, switch
from mpipc.observe.prometheus import text

_Running: TypeAlias = "tuple[Endpoint, float, _Running] | None"
"""The innermost call of a thread: on which connection, since when, and the call around it."""


class _Share:
    """What one thread has counted of a method's calls: nobody else changes it, so there is no lock.
    `awaited`: those that run meanwhile, as in `running`."""

    __slots__ = ("awaited", "buckets", "errors", "running", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0
        self.errors: dict[str, int] = {}
        self.running: _Running = None
        self.awaited: list[tuple[Endpoint, float]] = []

    def failed(self, error: BaseException) -> None:
        name = type(error).__name__
        self.errors[name] = self.errors.get(name, 0) + 1

    def ended(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds

    def run(self) -> list[tuple[Endpoint, float]]:
        """The calls that have not ended."""
        found, call = [*self.awaited], self.running
        while call is not None:
            found.append(call[:2])
            call = call[2]
        return found


class _Method(dict[int, _Share]):
    """The counters of one method: the share of each thread, by its number, which a later thread may
    get and go on with."""

    def __init__(self, side: str, interface: str, name: str) -> None:
        super().__init__()
        self._names = side, interface, name

    def __missing__(self, thread: int) -> _Share:
        share = self[thread] = _Share()
        return share

    def counts(self) -> MethodCounts:
        shares = [*self.values()]
        buckets = [sum(column) for column in zip(*(each.buckets for each in shares), strict=True)]
        errors: Counter[str] = Counter()
        for each in shares:
            errors.update(dict(each.errors))
        return MethodCounts(
            *self._names, sum(buckets), sum(len(each.run()) for each in shares), dict(errors),
            sum(each.seconds for each in shares), buckets,
        )  # fmt: skip

    def running_on(self, endpoint: Endpoint, now: float) -> list[RunningCall]:
        names = {each.ident: each.name for each in threading.enumerate()}
        return [
            RunningCall(*self._names, names.get(thread, ""), now - began)
            for thread, share in [*self.items()]
            for connection, began in share.run()
            if connection is endpoint
        ]

    async def call_async(self, function: Function, connection: Any, *args: Any, **peer: Any) -> Any:
        """Await a function, and count that: meanwhile the thread may make other calls."""
        share = self[_ident()]
        began = _clock()
        entry = connection, began
        share.awaited.append(entry)
        try:
            return await function(*args, **peer)
        except BaseException as e:
            share.failed(e)
            raise
        finally:
            share.awaited.remove(entry)
            share.ended(_clock() - began)


_clock, _ident = time.perf_counter, threading.get_ident
_QUICK = BOUNDS[0]  # what most calls are


class _Methods(dict[ClientMethod[Any], _Method]):
    """The counters of a client's methods."""

    def __init__(self, client: type[Client], make: Callable[[str, str, str], _Method]) -> None:
        super().__init__()
        self._name, self._make = client._mpipc_name, make

    def __missing__(self, method: ClientMethod[Any]) -> _Method:
        made = self[method] = self._make("client", self._name, method.name.rpartition(".")[2])
        return made


class _Connection:
    """A connection that is, or was, counted."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = weakref.ref(endpoint)
        self.traffic = endpoint.traffic
        self.began = time.monotonic()


class Metrics:
    """A watcher that counts."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._methods: dict[tuple[str, str, str], _Method] = {}
        self._served: dict[tuple[str, ServerMethod], ServerMethod] = {}
        self._connections: list[_Connection] = []
        self._opened = {"client": 0, "server": 0}
        self._bytes = [0, 0]  # sent and received, by connections that have ended

    def opened(self, endpoint: Endpoint) -> None:
        """Count a new connection."""
        connection = _Connection(endpoint)
        with self._lock:
            self._opened[_side(endpoint)] += 1
            self._forget_ended()
            self._connections.append(connection)

    def _counters(self, side: str, interface: str, name: str) -> _Method:
        key = side, interface, name
        with self._lock:
            return self._methods.setdefault(key, _Method(*key))

    def client(self, client: type[Client], *, in_loop: bool) -> dict[str, Function]:
        """Functions that count the calls that go through them."""
        methods = _Methods(client, self._counters)
        counting = _counting_begun if in_loop else _counting_call
        awaited = client._mpipc_await

        def call_async(self: Client, method: ClientMethod[Any], w: Writer) -> Any:
            return methods[method].call_async(awaited, self._mpipc_connection, self, method, w)

        return {
            "_mpipc_call": counting(methods, client._mpipc_call),
            "_mpipc_await": call_async,
        }

    def method(self, server: Server, method: ServerMethod) -> ServerMethod:
        """A method that counts its calls."""
        key = server.name, method
        counted = self._served.get(key)
        if counted is None:
            counted = self._served[key] = self._counted(server, method)
        return counted

    def _counted(self, server: Server, method: ServerMethod) -> ServerMethod:
        if method.kind != "method" or method.run is None:
            return method
        counters = self._counters("server", server.name, method.name.rpartition(".")[2])
        counting = _counting_async if method.is_async else _counting
        return msgspec.structs.replace(
            method,
            run=counting(counters, method.run),
            run_async=method.run_async and _counting_async(counters, method.run_async),
        )

    def _forget_ended(self) -> None:
        """Keep of the connections that have ended what they add to the sums."""
        there, self._connections = self._connections, []
        for each in there:
            if _is_open(each):
                self._connections.append(each)
            else:
                self._bytes[0] += each.traffic.sent
                self._bytes[1] += each.traffic.received

    def snapshot(self) -> Snapshot:
        """What was counted up to now."""
        with self._lock:
            self._forget_ended()
            connections, methods = [*self._connections], [*self._methods.values()]
            opened = dict(self._opened)
            sent, received = self._bytes
        counts = [each.counts() for each in methods]
        return Snapshot(
            os.getpid(),
            os.path.basename(sys.argv[0]) if sys.argv else "",
            time.monotonic() - self._began,
            opened["server"],
            opened["client"],
            sent + sum(each.traffic.sent for each in connections),
            received + sum(each.traffic.received for each in connections),
            [each for each in counts if each.calls or each.running],
            [found for each in connections for found in _counted(each, methods)],
        )


# `_counting_call` and `_counting` are the same but for their arguments, and written out with what a
# share does: a function more costs as much as counting does.


def _counting_call(methods: _Methods, function: Function) -> Function:
    def call(self: Client, method: ClientMethod[Any], w: Writer) -> Any:
        share = methods[method][_ident()]
        around, began = share.running, _clock()
        try:
            share.running = self._mpipc_connection, began, around
            return function(self, method, w)
        except BaseException as e:
            share.failed(e)
            raise
        finally:
            share.running = around
            seconds = _clock() - began
            share.seconds += seconds
            share.buckets[0 if seconds <= _QUICK else bisect_left(BOUNDS, seconds)] += 1

    return call


def _counting_begun(methods: _Methods, function: Function) -> Function:
    """As `_counting_call`, where a call may only be begun, and is awaited later."""
    counted = _counting_call(methods, function)

    def call(self: Client, method: ClientMethod[Any], w: Writer) -> Any:
        connection = self._mpipc_connection
        begun = connection.begun()
        if begun is None:
            return counted(self, method, w)
        result = function(self, method, w)
        awaitable = begun[-1]
        begun.append(methods[method].call_async(lambda: awaitable, connection))
        return result

    return call


def _counting(counters: _Method, run: Function) -> Function:
    def counting(
        impl: Any, message: Message, at: int, data_words: int, pointers: int, _peer: Any = None
    ) -> Any:
        share = counters[_ident()]
        around, began = share.running, _clock()
        try:
            share.running = message.owner, began, around
            if _peer is None:
                return run(impl, message, at, data_words, pointers)
            return run(impl, message, at, data_words, pointers, _peer=_peer)
        except BaseException as e:
            share.failed(e)
            raise
        finally:
            share.running = around
            seconds = _clock() - began
            share.seconds += seconds
            share.buckets[0 if seconds <= _QUICK else bisect_left(BOUNDS, seconds)] += 1

    return counting


def _counting_async(counters: _Method, run: Function) -> Function:
    def counting(impl: Any, message: Message, *content: int, **peer: Any) -> Any:
        return counters.call_async(run, message.owner, impl, message, *content, **peer)

    return counting


def _counted(connection: _Connection, methods: list[_Method]) -> list[ConnectionCounts]:
    endpoint = connection.endpoint()
    if endpoint is None:
        return []
    objects, held, threads = endpoint.census()
    now = time.perf_counter()
    where = endpoint.describe().removeprefix("on ")
    return [
        ConnectionCounts(
            _side(endpoint), where, str(endpoint.peer or ""), time.monotonic() - connection.began,
            connection.traffic.sent, connection.traffic.received, objects, held, threads,
            [call for method in methods for call in method.running_on(endpoint, now)],
        )
    ]  # fmt: skip


def _side(endpoint: Endpoint) -> str:
    return "server" if endpoint.serves else "client"


def _is_open(connection: _Connection) -> bool:
    endpoint = connection.endpoint()
    return endpoint is not None and not endpoint.closed


_metrics: Metrics | None = None


def enable() -> None:
    """Count from now on, on the connections that are made from now on. What was counted before
    stays."""
    global _metrics
    _metrics = _metrics or Metrics()
    switch("metrics", _metrics)


def disable() -> None:
    """Do not count on connections that are made from now on, and forget what was counted."""
    global _metrics
    _metrics = None
    switch("metrics", None)


def snapshot() -> Snapshot:
    """What was counted up to now. Raises RuntimeError where nothing is counted."""
    if _metrics is None:
        raise RuntimeError("nothing is counted: call mpipc.metrics.enable() before connecting")
    return _metrics.snapshot()


def prometheus() -> str:
    """As `snapshot`, in the text format of Prometheus."""
    return text(snapshot())
