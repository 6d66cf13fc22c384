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

    Calls raise Timeout when 30 seconds have passed.
    """
    generated = interface if isinstance(interface, Generated) else generated_for(interface)
    here, there = socket.socketpair()
    ends = []
    for sock, root in ((there, Local(impl, generated.server)), (here, None)):
        channel = Channel(sock, "testing", pool_threads=DEFAULT_LIMITS.threads)
        connection = Connection(channel, root, DEFAULT_LIMITS, tracebacks=True, logger=None)
        channel.start(connection, f"mpipc-io testing {'server' if root else 'client'}")
        ends.append((channel, connection))
    try:
        with timeout(SECONDS):
            yield ends[1][1].start(generated)
    finally:
        for _, connection in ends:
            connection.close()
        for channel, _ in ends:
            channel.join(SECONDS)
