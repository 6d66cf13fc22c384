"""Deadlines for every call that is made over a connection, or through a proxy."""

from __future__ import annotations

import functools
import types
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from mpipc.capnp.connection import Connection
from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.proxy import Client, ClientMethod
from mpipc.capnp.session import Import
from mpipc.capnp.writer import Writer
from mpipc.ipc.channel import Channel, within
from mpipc.ipc.references import Holder, Reference, refer
from mpipc.ipc.seconds import checked_seconds
from mpipc.ipc.threads import Worker

T = TypeVar("T")
R = TypeVar("R")


class PunctualChannel(Channel):
    """A channel on which no thread waits longer than `call_timeout` seconds for an answer, from
    when it is set."""

    def wait(self, ticket: Any, thread: Any, received: list[Any] | None = None) -> None:
        """As Channel.wait. A worker's ticket is its end, for which it may wait for ever."""
        if self.call_timeout is None or isinstance(ticket, Worker):
            super().wait(ticket, thread, received)
        else:
            with within(self.call_timeout):
                super().wait(ticket, thread, received)


def with_timeout(proxy: T, seconds: float) -> T:
    """Another proxy of the same object, whose calls raise Timeout when they take longer.

    Each call has `seconds` of its own, as in `with mpipc.timeout(seconds):`, and so has
    `mpipc.close`; of several deadlines the earliest counts. `proxy` itself stays as it is, and so
    do the objects that its methods return. Closing either proxy closes the object. An object of
    this process, whose methods cannot be cut short, is returned itself.

    Raises TypeError and ValueError for what is no time, and TypeError for a proxy of `mpipc.aio`:
    asyncio has timeouts of its own.
    """
    seconds = checked_seconds("seconds", seconds)
    if isinstance(proxy, Reference):
        return refer(proxy, _TimedHolder(proxy, seconds))
    if not isinstance(proxy, Client):
        return proxy
    connection = proxy._mpipc_connection
    if isinstance(connection, Endpoint) and not isinstance(connection, Connection):
        raise TypeError("with asyncio, use asyncio.timeout or asyncio.wait_for")
    timed = object.__new__(_timed_class(type(proxy)))  # type: ignore[arg-type]  # mypy#11469
    timed._mpipc_connection, timed._mpipc_target = connection, proxy._mpipc_target
    timed._mpipc_seconds = seconds
    return cast("T", timed)


class _Timed(Client):
    """Comes before a generated client in the bases of a class."""

    # Where there is none, as in a pipeline, nobody waits.
    _mpipc_seconds: float | None = None

    def _mpipc_call(self, method: ClientMethod[R], w: Writer) -> R:
        if self._mpipc_seconds is None:
            return super()._mpipc_call(method, w)
        with within(self._mpipc_seconds):
            return super()._mpipc_call(method, w)

    def _mpipc_await(self, method: ClientMethod[R], w: Writer) -> Awaitable[R]:
        if self._mpipc_seconds is None:
            return super()._mpipc_await(method, w)
        with within(self._mpipc_seconds):  # which the call keeps
            return super()._mpipc_await(method, w)

    def _mpipc_end(self, target: Import) -> None:
        with within(self._mpipc_seconds or 0):
            super()._mpipc_end(target)


class _TimedHolder(Holder):
    def __init__(self, reference: Reference, seconds: float) -> None:
        self._reference = reference
        self._seconds = seconds

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        with within(self._seconds):
            return self._reference._mpipc_holder.call(name, use)

    def close(self) -> None:
        with within(self._seconds):
            self._reference._mpipc_close()


@functools.cache
def _timed_class(client: type[Client]) -> Any:
    bases = (client,) if issubclass(client, _Timed) else (_Timed, client)
    return types.new_class(client.__name__, bases)
