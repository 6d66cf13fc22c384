"""A real connection within one process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS
from mpipc.capnp.proxy import Generated, Local
from mpipc.generate.load import generated_for
from mpipc.ipc.channel import Channel, timeout

SECONDS = 30.0


@contextmanager
def connected(impl: object, interface: type | Generated) -> Iterator[Any]:
    """A client of `impl`, an object of any interface, through a socket pair within this process.
    The interface is its class, or, where it is that of a Callable, what was generated for it.

    Calls raise Timeout when 30 seconds have passed. Raises SchemaError.
    """
    generated = interface if isinstance(interface, Generated) else generated_for(interface)
    with connection_pair(impl, generated) as (_, here), timeout(SECONDS):
        yield here.start(generated)


@contextmanager
def connection_pair(impl: object, generated: Generated) -> Iterator[tuple[Connection, Connection]]:
    """Both ends of a connection within this process: one that serves `impl`, and one that may ask
    for it."""
    here, there = socket.socketpair()
    channels, connections = [], []
    for sock, root in ((there, Local(impl, generated.server)), (here, None)):
        channel = Channel(sock, "testing", pool_threads=DEFAULT_LIMITS.threads)
        connection = Connection(channel, root, DEFAULT_LIMITS, tracebacks=True, observer=None)
        channel.start(connection, f"mpipc-io testing {'server' if root else 'client'}")
        channels.append(channel)
        connections.append(connection)
    try:
        yield connections[0], connections[1]
    finally:
        for connection in connections:
            connection.close()
        for channel in channels:
            channel.join(SECONDS)
