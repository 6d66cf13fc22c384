"""Connecting from an asyncio program."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from mpipc.aio.calls import close
from mpipc.aio.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.capnp.proxy import Client, Generated
from mpipc.errors import AddressError, Disconnected, IpcError, Timeout, Unreachable
from mpipc.generate.load import generated_for
from mpipc.ipc import address as addresses
from mpipc.ipc.address import Address
from mpipc.ipc.client import dial
from mpipc.ipc.endpoints import root_class
from mpipc.ipc.peers import Allowed
from mpipc.ipc.seconds import checked_seconds
from mpipc.ipc.server import watching

T = TypeVar("T")


class Connecting(Generic[T]):
    """What `connect` returns: `await` it for the root object, or use it in `async with`, which
    closes the connection at the end."""

    def __init__(self, connecting: Coroutine[Any, Any, T]) -> None:
        self._connecting = connecting

    def __await__(self) -> Generator[Any, None, T]:
        return self._connecting.__await__()

    async def __aenter__(self) -> T:
        self._root = await self._connecting
        return self._root

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await close(self._root)


def connect(
    address: str,
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Connecting[T]:
    """Connect to a server, and give its root object, an instance of the interface `root`: `await`
    this, or use it in `async with`. The parameters are those of `mpipc.connect`.

    The connection belongs to the running event loop. It ends with `async with`, with
    `mpipc.aio.close` of the root object, and when the last object that came through it is
    garbage-collected.

    Raises AddressError, Timeout, Disconnected, and SchemaError when `root` is no root interface.
    """
    timeout = checked_seconds("timeout", timeout)
    where = addresses.parse(address, datadir=datadir, name=name)
    generated = generated_for(root_class(root))
    return Connecting(open_root(where, generated, timeout, peers, limits))


async def open_root(
    where: Address, generated: Generated, timeout: float, peers: Allowed | None, limits: Limits
) -> Any:
    """As `connect`: the root object."""
    deadline = time.monotonic() + timeout
    # In a thread, since names may have to be looked up.
    found = await asyncio.to_thread(dial, where, peers, timeout)
    if found is None:
        raise Unreachable(f"nobody listens on {where}")
    sock, relay, peer = found
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    observer = watching(in_loop=True)
    connection = Connection(None, limits, str(where), observer=observer)
    connection.peer = peer
    if observer is not None:
        observer.opened(connection)
    connection.uses(sock)
    await loop.create_connection(lambda: connection, sock=sock)
    try:
        return await asyncio.wait_for(connection.start(generated), deadline - time.monotonic())
    except asyncio.TimeoutError:
        connection.close()
        raise Timeout(f"{where} did not answer within {timeout:g} s") from None
    except Disconnected:
        if relay is not None and relay.error:
            # TLS servers refuse a client's certificate after the client has finished.
            raise AddressError(f"{where}: {relay.error}") from None
        raise
    except BaseException:
        connection.close()
        raise


async def wait_closed(proxy: object) -> None:
    """Wait until the connection that a proxy came through has ended, for whatever reason: so that a
    program that keeps a connection learns of its end while it has nothing to call.

    The wait does not keep the connection: it ends when nothing else does.

    Raises IpcError for what is no proxy of an object behind `mpipc.aio.connect` or `serve`.
    """
    connection = proxy._mpipc_connection if isinstance(proxy, Client) else None
    del proxy
    if not isinstance(connection, Connection):
        raise IpcError("only a proxy of mpipc.aio has a connection that can be awaited")
    await connection.ended.wait()
