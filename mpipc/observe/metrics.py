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
from collections import Counter, deque
from typing import Any

from mpipc.capnp.endpoint import Endpoint
from mpipc.introspection.api import (
    BOUNDS,
    ConnectionCounts,
    MethodCounts,
    RunningCall,
    Snapshot,
)
from mpipc.observe.calls import Function, Method, switch
from mpipc.observe.prometheus import text

_MANY = 256  # durations that are put aside, to be sorted into buckets together


class _Method:
    """The counters of one method. Calls put down what they took in single steps of the interpreter,
    without a lock; now and then that is added up."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._lock = threading.Lock()
        self._buckets = [0] * (len(BOUNDS) + 1)
        self._seconds = 0.0
        self._errors: Counter[str] = Counter()
        self.took: deque[float] = deque()
        self.failed: deque[str] = deque()
        # By an object of each call's own: its connection, its thread, and when it began.
        self.running: dict[object, tuple[Endpoint, int, float]] = {}

    def add_up(self) -> None:
        with self._lock:
            for _ in range(len(self.took)):
                seconds = self.took.popleft()
                self._buckets[bisect_left(BOUNDS, seconds)] += 1
                self._seconds += seconds
            for _ in range(len(self.failed)):
                self._errors[self.failed.popleft()] += 1

    def counts(self) -> MethodCounts:
        method = self._method
        self.add_up()
        with self._lock:
            buckets, seconds, errors = [*self._buckets], self._seconds, dict(self._errors)
        return MethodCounts(
            method.side, method.interface, method.name, sum(buckets), len(self.running), errors,
            seconds, buckets,
        )  # fmt: skip

    def running_on(self, endpoint: Endpoint, now: float) -> list[RunningCall]:
        method = self._method
        names = {each.ident: each.name for each in threading.enumerate()}
        return [
            RunningCall(
                method.side, method.interface, method.name, names.get(thread, ""), now - began
            )
            for connection, thread, began in [*self.running.values()]
            if connection is endpoint
        ]


class _Connection:
    """The counters of one connection. `total` are those of all."""

    def __init__(self, endpoint: Endpoint, total: list[int]) -> None:
        self.endpoint = weakref.ref(endpoint)
        self.began = time.monotonic()
        self.bytes = [0, 0]  # sent, received; each is written by one thread at a time
        self._total = total

    def sent(self, data: bytes) -> None:
        self.bytes[0] += len(data)
        self._total[0] += len(data)

    def received(self, data: bytes) -> None:
        self.bytes[1] += len(data)
        self._total[1] += len(data)


class Metrics:
    """A watcher that counts."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._methods: dict[Method, _Method] = {}
        self._connections: list[_Connection] = []
        self._opened = {"client": 0, "server": 0}
        self._bytes = [0, 0]

    def opened(self, endpoint: Endpoint) -> None:
        """Count a new connection, and what goes over it."""
        connection = _Connection(endpoint, self._bytes)
        with self._lock:
            self._opened[_side(endpoint)] += 1
            self._connections = [each for each in self._connections if _is_open(each)]
            self._connections.append(connection)
        endpoint.tap(connection.sent, connection.received)

    def watch(self, method: Method, function: Function) -> Function:
        """A method whose calls are counted."""
        with self._lock:
            counted = self._methods.setdefault(method, _Method(method))
        running, took, failed = counted.running, counted.took, counted.failed
        clock, ident = time.perf_counter, threading.get_ident

        def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
            key = object()
            began = clock()
            running[key] = subject._mpipc_connection, ident(), began
            try:
                return function(subject, *args, **kwargs)
            except BaseException as e:
                failed.append(type(e).__name__)
                raise
            finally:
                del running[key]
                took.append(clock() - began)
                if len(took) > _MANY:
                    counted.add_up()

        return call

    def snapshot(self) -> Snapshot:
        """What was counted up to now."""
        with self._lock:
            self._connections = [each for each in self._connections if _is_open(each)]
            connections, methods = [*self._connections], [*self._methods.values()]
            opened = dict(self._opened)
        counts = [each.counts() for each in methods]
        return Snapshot(
            os.getpid(),
            os.path.basename(sys.argv[0]) if sys.argv else "",
            time.monotonic() - self._began,
            opened["server"],
            opened["client"],
            self._bytes[0],
            self._bytes[1],
            [each for each in counts if each.calls or each.running],
            [found for each in connections for found in _counted(each, methods)],
        )


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
            connection.bytes[0], connection.bytes[1], objects, held, threads,
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
