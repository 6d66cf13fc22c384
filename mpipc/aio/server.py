"""Serving from an asyncio program."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any

from mpipc.aio.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.ipc import server, systemd
from mpipc.ipc.endpoints import listen
from mpipc.ipc.peers import Allowed, Peer


class Server:
    """Serves each client that connects, in the event loop that it was made in; made by `serve`.

    `address` is where it listens, with what the system filled in (a free port).
    """

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        self.address = listener.address

    async def serve_forever(self) -> None:
        """Wait until the server is closed. Tells systemd, if it wants to know, that the service is
        ready."""
        systemd.notify("READY=1")
        await self._listener.ended.wait()

    async def close(self) -> None:
        """Stop listening, drop every client, cancel what runs for them, and wait until their
        sockets are closed. May be called more than once."""
        await asyncio.to_thread(self._listener.close)
        for connection in tuple(self._listener.connections):
            await connection.ended.wait()
        self._listener.ended.set()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Server {self.address}{' closed' if self._listener.ended.is_set() else ''}>"


class Serving:
    """What `serve` returns: `await` it for the server, or use it in `async with`, which closes the
    server at the end."""

    def __init__(self, serving: Coroutine[Any, Any, Server]) -> None:
        self._serving = serving

    def __await__(self) -> Generator[Any, None, Server]:
        return self._serving.__await__()

    async def __aenter__(self) -> Server:
        self._server = await self._serving
        return self._server

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.close()


def serve(
    address: str,
    impl: object,
    *,
    datadir: str | os.PathLike[str] | None = None,
    name: str | None = None,
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    max_connections: int = 250,
    max_connections_per_peer: int = 200,
    construct_timeout: float = 10.0,
    idle_timeout: float | None = None,
    tracebacks: bool = False,
    introspect: bool = False,
) -> Serving:
    """Listen on an address and serve `impl`, an object of a root interface, to every client:
    `await` this, or use it in `async with`. The parameters are those of `mpipc.serve`.

    Methods that are `async def` run as tasks of the running event loop, a task for each call. A
    task is cancelled when the caller does not wait for it any more. Other methods run in threads,
    so that they may block; those with `context=False` in the loop.

    Raises AddressError, and SchemaError when `impl` has no root interface.
    """

    async def start() -> Server:
        found = listen(
            address, impl, datadir=datadir, name=name, peers=peers, limits=limits,
            max_connections=max_connections, max_connections_per_peer=max_connections_per_peer,
            max_threads_per_peer=limits.threads, construct_timeout=construct_timeout,
            idle_timeout=idle_timeout, call_timeout=None, tracebacks=tracebacks,
            introspect=introspect,
        )  # fmt: skip
        return Server(_Listener(*found))

    return Serving(start())


class _Listener(server.Server):
    """Accepts clients, in a thread of its own that also does what TLS takes, and looks after them;
    passes each on to the loop."""

    def __init__(self, *args: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self._looking: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        super().__init__(*args)

    def _serve(self, client: server.Client, sock: socket.socket, peer: Peer) -> None:
        try:
            self._loop.call_soon_threadsafe(self._begin_in_loop, client, sock, peer)
        except RuntimeError:
            self._refuse(client, sock, "the event loop is closed")

    def _begin_in_loop(self, client: server.Client, sock: socket.socket, peer: Peer) -> None:
        try:
            root = self._root_for(peer)
        except Exception as e:
            self._refuse(client, sock, f"{type(e).__name__}: {e}")
            return
        rules, observer = self._rules, server.watching(in_loop=True)
        connection = Connection(
            root, rules.limits, self._shown, tracebacks=rules.tracebacks, observer=observer
        )
        connection.peer = peer
        if observer is not None:
            observer.opened(connection)
        task = self._loop.create_task(self._look_after(client, sock, connection))
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def _look_after(
        self, client: server.Client, sock: socket.socket, connection: Connection
    ) -> None:
        """Serve a client until it is gone."""
        self.connections.add(connection)
        try:
            sock.setblocking(False)
            connection.uses(sock)
            await self._loop.connect_accepted_socket(lambda: connection, sock)
            client.serves(None, _InLoop(self._loop, connection))
            if self._closed.is_set():
                connection.close()
            self._wake()
            await connection.ended.wait()
        finally:
            connection.ended.set()
            self.connections.discard(connection)
            self._gone(client)


class _InLoop:
    """A connection, for the thread that looks after clients."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        self._loop = loop
        self._connection = connection
        self.close = connection.close

    @property
    def greeted(self) -> bool:
        return self._connection.greeted

    @property
    def busy(self) -> bool:
        return self._connection.busy

    @property
    def heard(self) -> int:
        return self._connection.heard

    def drop(self, reason: str) -> None:
        """As `Connection.drop`."""
        self._loop.call_soon_threadsafe(self._connection.drop, reason)
