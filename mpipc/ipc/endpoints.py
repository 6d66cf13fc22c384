"""Serving and connecting: what users call."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.capnp.proxy import Generated, Local
from mpipc.declare import INTERFACE, InterfaceOptions, options_of
from mpipc.errors import AddressError, Disconnected, SchemaError, Timeout
from mpipc.generate.load import generated_for
from mpipc.ipc import address as addresses
from mpipc.ipc import sockets
from mpipc.ipc.address import Address
from mpipc.ipc.channel import Channel, within
from mpipc.ipc.client import dial
from mpipc.ipc.deadlines import PunctualChannel
from mpipc.ipc.introspect import introspective
from mpipc.ipc.peers import Allowed, Peer, admission
from mpipc.ipc.seconds import checked_seconds
from mpipc.ipc.server import Rules, Server, open_connection

T = TypeVar("T")

if TYPE_CHECKING:
    import ssl

    class Remote(Any, Generic[T]):  # type: ignore[misc]
        """What `connect` and `spawn` return: an instance of the root interface `T` that can be
        used in `with`. Type checkers know no intersection of types, so this one stands for it: it
        is accepted wherever a `T` is, and `with` gives the `T` itself."""

        def __enter__(self) -> T: ...
        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            traceback: TracebackType | None,
        ) -> None: ...


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
    max_threads_per_peer: int = 2000,
    construct_timeout: float = 10.0,
    idle_timeout: float | None = None,
    call_timeout: float | None = None,
    tracebacks: bool = False,
    introspect: bool = False,
) -> Server:
    """Listen on an address and serve `impl`, an object of a root interface, to every client.

    Methods run in threads: each thread of a client has a thread of its own here.

    `impl`                      the object; or a function that is given a client's `Peer` and
                                returns the object that this client gets. If it raises an exception,
                                the client is refused.
    `datadir`                   what relative paths are relative to; by default the current
                                directory.
    `name`                      names the default socket (`unix` alone); by default this program's
                                name.
    `peers`                     who may connect: names of users, "@NAME" for the members of a group,
                                with TLS the names in certificates; or a function that is given a
                                `Peer` and says so. By default the user that this process runs as;
                                with TLS, who has a certificate.
    `limits`                    what each client may ask for.
    `max_connections`           clients at once.
    `max_connections_per_peer`  those of one user; with TLS, of one certificate.
    `max_threads_per_peer`      threads that work for one user or certificate, over all its
                                connections.
    `construct_timeout`         seconds until a client must have asked for the root object.
    `idle_timeout`              seconds after which a client is dropped that says nothing, while no
                                call is in progress; None: never.
    `call_timeout`              seconds that a client may take for a callback; None: any time.
    `tracebacks`                whether clients get the tracebacks of undeclared exceptions.
    `introspect`                whether clients of our own user may ask what goes on here, as
                                `mpipc top` does; it switches `mpipc.metrics` on.

    Raises AddressError, SchemaError when `impl` has no root interface, and TypeError and ValueError
    for what is no time.
    """
    sock, where, root_for, rules, context = listen(
        address, impl, datadir=datadir, name=name, peers=peers, limits=limits,
        max_connections=max_connections, max_connections_per_peer=max_connections_per_peer,
        max_threads_per_peer=max_threads_per_peer, construct_timeout=construct_timeout,
        idle_timeout=idle_timeout, call_timeout=call_timeout, tracebacks=tracebacks,
        introspect=introspect,
    )  # fmt: skip
    return Server(sock, where, root_for, rules, context)


def listen(
    address: str,
    impl: object,
    *,
    datadir: str | os.PathLike[str] | None,
    name: str | None,
    peers: Allowed | None,
    limits: Limits,
    max_connections: int,
    max_connections_per_peer: int,
    max_threads_per_peer: int,
    construct_timeout: float,
    idle_timeout: float | None,
    call_timeout: float | None,
    tracebacks: bool,
    introspect: bool,
) -> tuple[socket.socket, Address, Callable[[Peer], Local], Rules, ssl.SSLContext | None]:
    """What a `Server` is made of, from the parameters of `serve`; it raises the same."""
    construct_timeout = checked_seconds("construct_timeout", construct_timeout)
    idle_timeout = checked_seconds("idle_timeout", idle_timeout, optional=True)
    call_timeout = checked_seconds("call_timeout", call_timeout, optional=True)
    root_for = _roots_of(impl)
    where = addresses.parse(address, datadir=datadir, name=name or addresses.process_name())
    allowed = admission(peers, where.protection)
    certs = where.protection.certs
    context = None
    if certs:
        from mpipc.ipc import tls  # which needs OpenSSL

        context = tls.context(certs, server=True)
    sock, where = sockets.listen(where, shared=peers is not None)
    if peers is None and not sockets.listens(sock) and not context:
        allowed = _anybody  # whoever passed the socket on has decided
    rules = Rules(
        limits, tracebacks, call_timeout, allowed, max_connections, max_connections_per_peer,
        max_threads_per_peer, construct_timeout, idle_timeout,
    )  # fmt: skip
    if introspect:
        root_for = introspective(root_for)
    return sock, where, root_for, rules, context


def _anybody(peer: Peer) -> bool:
    return True


@overload
def connect(  # type: ignore[overload-overlap]
    address: Literal["auto"],
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Remote[T] | None: ...
@overload
def connect(
    address: str,
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Remote[T]: ...
def connect(
    address: str,
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Remote[T] | None:
    """Connect to a server and return its root object, an instance of the interface `root`.

    Use it in `with`, or close it with `mpipc.close`, which ends the connection; it also ends when
    the last object that came through it is garbage-collected.

    `root` is annotated as a Callable because a type checker does not take an abstract class for a
    `type[T]`.

    `timeout`       seconds until the server must have answered.
    `datadir`       what relative paths are relative to; by default the current directory.
    `name`          names the default socket (`unix` and `auto` alone).
    `peers`         who may be the server, as for `serve`; by default the user that this process
                    runs as, and with TLS whoever has a certificate for the host.
    `limits`        what the server may ask for, and how large its answers may be.
    `call_timeout`  seconds that a call over this connection may take; None: any time.

    With `auto` it returns None when nobody listens there. Raises AddressError, Timeout,
    Disconnected, SchemaError when `root` is no root interface, and TypeError and ValueError for
    what is no time.
    """
    timeout = checked_seconds("timeout", timeout)
    call_timeout = checked_seconds("call_timeout", call_timeout, optional=True)
    where = addresses.parse(address, datadir=datadir, name=name)
    found = open_root(where, root_class(root), timeout, peers, limits, call_timeout)
    return None if found is None else found[0]


def open_root(
    where: Address,
    root: type,
    timeout: float,
    peers: Allowed | None,
    limits: Limits,
    call_timeout: float | None,
) -> tuple[Any, Channel] | None:
    """As `connect`: the root object, and what it came through."""
    generated = generated_for(root)
    deadline = time.monotonic() + timeout
    relay = None
    try:
        found = dial(where, peers, timeout)
        if found is None:
            return None
        sock, relay, peer = found
        return begin(sock, str(where), generated, deadline, limits, call_timeout, peer=peer)
    except Timeout:
        raise Timeout(f"{where} did not answer within {timeout:g} s") from None
    except Disconnected:
        if relay is not None and relay.error:
            # TLS servers refuse a client's certificate after the client has finished.
            raise AddressError(f"{where}: {relay.error}") from None
        raise


def begin(
    sock: socket.socket,
    description: str,
    generated: Generated,
    deadline: float,
    limits: Limits,
    call_timeout: float | None,
    *,
    peer: Peer,
) -> tuple[Any, Channel]:
    """Begin to talk on a connected socket, and get the other end's root object."""
    channel, connection = open_connection(
        sock, description, None, limits, punctual=call_timeout is not None, peer=peer
    )
    channel.start(connection, f"mpipc-io {description}")
    try:
        with within(deadline - time.monotonic()):
            proxy = connection.start(generated)
    except BaseException:
        connection.close()
        channel.join(5)
        raise
    if isinstance(channel, PunctualChannel):
        channel.call_timeout = call_timeout
    channel.close_when_idle = True
    return proxy, channel


def _roots_of(impl: object) -> Callable[[Peer], Local]:
    """What `serve` was given, as a function that makes the capability a client starts with."""
    if callable(impl) and not isinstance(impl, type) and _root_interface(impl) is None:
        return lambda peer: root_of(impl(peer))
    root_of(impl)  # so that what is wrong is said now
    return lambda peer: root_of(impl)


def root_of(impl: object) -> Local:
    """`impl` as the capability that clients start with."""
    if isinstance(impl, type):
        raise SchemaError(f"{impl.__name__} is a class: serve an object of it instead")
    interface = _root_interface(impl)
    if interface is None:
        raise SchemaError(
            f"{type(impl).__name__} implements no root interface: derive it from an ABC that is"
            " decorated with @mpipc.interface(root=True)"
        )
    return Local(impl, generated_for(interface).server)


def _root_interface(impl: object) -> type | None:
    for cls in type(impl).__mro__:
        options = options_of(cls, INTERFACE)
        if isinstance(options, InterfaceOptions) and options.root:
            return cls
    return None


def root_class(root: object) -> type:
    """A root interface. Raises SchemaError for anything else."""
    options = options_of(root, INTERFACE)
    if isinstance(root, type) and isinstance(options, InterfaceOptions) and options.root:
        return root
    name = getattr(root, "__name__", repr(root))
    raise SchemaError(f"{name} is no root interface: decorate it with @mpipc.interface(root=True)")
