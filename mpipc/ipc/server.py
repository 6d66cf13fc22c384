"""Listening: who is let in, what becomes of a client, and when it is dropped."""

from __future__ import annotations

import logging
import math
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

import msgspec

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Local
from mpipc.capnp.rpc_messages import abort
from mpipc.errors import IpcError
from mpipc.ipc import forks, peers, sockets, systemd
from mpipc.ipc.address import Address, UnixAddress
from mpipc.ipc.channel import Channel
from mpipc.ipc.deadlines import PunctualChannel
from mpipc.ipc.peers import Peer
from mpipc.ipc.threads import Budget
from mpipc.observe import calls, log

if TYPE_CHECKING:
    import ssl

_log = logging.getLogger("mpipc")

_ACCEPT_RETRY = 0.1  # seconds to wait when the process is out of descriptors
_HANDSHAKES = 16  # TLS clients that may be in theirs at once, however few may be served
_LOOKS = 4  # how often an idle client is looked at before it is dropped


class Rules(msgspec.Struct, frozen=True):
    """What a server demands of its clients; `mpipc.serve` explains each."""

    limits: Limits
    tracebacks: bool
    call_timeout: float | None
    allowed: Callable[[Peer], bool]
    max_connections: int
    max_connections_per_peer: int
    max_threads_per_peer: int
    construct_timeout: float
    idle_timeout: float | None


class Server:
    """Listens and serves each client that connects, in threads; made by `serve`.

    `address` is where it listens, with what the system filled in (a free port).
    """

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        root_for: Callable[[Peer], Local],
        rules: Rules,
        tls_context: ssl.SSLContext | None,
    ) -> None:
        self.address = str(address)
        self._where = address
        # Clients need not know where the certificates are.
        self._shown = self.address.removesuffix(str(address.protection))
        self._sock = sock
        self._root_for = root_for
        self._rules = rules
        self._tls_context = tls_context
        self._lock = threading.Lock()
        self._clients: set[Client] = set()
        self._budgets: WeakValueDictionary[object, Budget] = WeakValueDictionary()
        self._closing = False
        self._closed = threading.Event()
        self._waker, self._woken = socket.socketpair()
        forks.tell(self)
        # An inherited socket may be connected already: then its other end is the only client.
        self._listens = sockets.listens(sock)
        if not self._listens:
            self._begin(sock.dup())
        self._accepting = threading.Thread(
            target=self._run, name=f"mpipc-accept {self._shown}", daemon=True
        )
        self._accepting.start()

    def serve_forever(self) -> None:
        """Block until the server is closed. Ctrl-C raises KeyboardInterrupt as usual. Tells
        systemd, if it wants to know, that the service is ready, is alive, and stops."""
        systemd.attend(self._closed)

    def close(self) -> None:
        """Stop listening, drop every client, and wait until their sockets are closed. May be
        called more than once, and from any thread."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
        self._closed.set()
        if isinstance(self._where, UnixAddress):
            # Ours alone: nobody else can have put another file there meanwhile.
            self._where.path.unlink(missing_ok=True)
        self._wake()
        if threading.current_thread() is not self._accepting:
            self._accepting.join(5)
        for sock in (self._sock, self._waker, self._woken):
            sock.close()
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()
        for client in clients:
            client.join(5)

    # ------------------------------------------------------------------------------ accepting

    def _run(self) -> None:
        """Accept clients, and look after those that are there."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._listens:
            self._sock.setblocking(False)
            poll.register(self._sock, select.POLLIN)
        while not self._closed.is_set():
            left = self._drop_silent()
            ready = poll.poll(None if left is None else math.ceil(left * 1000))
            if any(fd == self._woken.fileno() for fd, _ in ready):
                self._woken.recv(1 << 10)
            elif ready:
                self._accept()

    def _wake(self) -> None:
        """Have the accepting thread look around."""
        try:
            self._waker.send(b"\0", socket.MSG_DONTWAIT)
        except OSError:
            pass  # it has been woken often enough, or has ended

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return  # another process that listens on the same socket was faster
        except OSError as e:
            # Out of descriptors, or a client that left at once: go on when there is room.
            _log.warning("cannot accept a client on %s: %s", self._shown, e.strerror)
            self._closed.wait(_ACCEPT_RETRY)
            return
        self._begin(sock)

    def _begin(self, sock: socket.socket) -> None:
        client = Client(sock)
        with self._lock:
            self._clients.add(client)
        if sock.family != socket.AF_UNIX:
            try:
                sockets.tune(sock)
            except OSError as e:
                self._refuse(client, sock, str(e))  # it has left at once
                return
        if self._tls_context is None:
            self._admit(client, sock)
        else:
            self._make_room_for_handshake()
            thread = threading.Thread(
                target=self._admit_with_tls,
                args=[client, sock, self._tls_context],
                name=f"mpipc-tls {self._shown}",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError as e:  # as many as the system allows
                self._refuse(client, sock, str(e))

    def _make_room_for_handshake(self) -> None:
        """Whoever says nothing before it has shown a certificate must keep nobody out: when too
        many do so, the one goes that has had most time."""
        most = max(_HANDSHAKES, self._rules.max_connections)
        with self._lock:
            unknown = [each for each in self._clients if each.account is None and not each.unwanted]
            if len(unknown) <= most:
                return
            oldest = min(unknown, key=lambda each: each.since)
            oldest.unwanted = f"more than {most} clients without a certificate yet"
        oldest.close()

    def _admit_with_tls(self, client: Client, sock: socket.socket, context: ssl.SSLContext) -> None:
        """Find out who a client is; it must not keep the others waiting meanwhile."""
        from mpipc.ipc import tls  # which needs OpenSSL

        timeout = self._rules.construct_timeout
        if not tls.speaks_tls(sock, timeout):
            self._refuse(client, sock, f"{self._shown} is for clients with certificates (TLS)")
            return
        try:
            wrapped, peer = tls.handshake(sock, context, None, timeout, begins=client.goes_on_with)
        except tls.TlsError as e:
            self._refuse(client, sock, client.unwanted or str(e))
            return
        reason = self._objection(client, peer)
        if reason:
            self._refuse(client, wrapped, reason)
            return
        try:
            relay = tls.Relay(wrapped)
        except OSError as e:
            self._refuse(client, wrapped, str(e))
            return
        self._serve(client, relay.inner, peer)
        relay.run()

    def _admit(self, client: Client, sock: socket.socket) -> None:
        try:
            peer = peers.peer_of(sock, self._where.protection, 0)
        except (IpcError, OSError) as e:
            self._refuse(client, sock, str(e))
            return
        reason = self._objection(client, peer)
        if reason:
            self._refuse(client, sock, reason)
        else:
            self._serve(client, sock, peer)

    def _objection(self, client: Client, peer: Peer) -> str:
        """Why a peer may not talk, "" if it may."""
        try:
            if not self._rules.allowed(peer):
                return f"{peer} may not talk to {self._shown}"
        except Exception as e:
            _log.exception("the function that says who may talk failed")
            return f"nobody can say whether {peer} may talk ({type(e).__name__})"
        rules = self._rules
        with self._lock:
            client.account = peer.uid, peer.name
            known = [each.account for each in self._clients if each.account is not None]
        if len(known) > rules.max_connections:
            return f"more than {rules.max_connections} connections"
        if known.count(client.account) > rules.max_connections_per_peer:
            return f"more than {rules.max_connections_per_peer} connections of {peer}"
        return ""

    def _budget(self, account: object) -> Budget:
        """The threads of all the connections that a user or a certificate has."""
        with self._lock:
            budget = self._budgets.get(account)
            if budget is None:
                budget = self._budgets[account] = Budget(self._rules.max_threads_per_peer)
            return budget

    def _refuse(self, client: Client, sock: socket.socket, reason: str) -> None:
        _log.warning("refused a client of %s: %s", self._shown, reason)
        self._gone(client)
        try:
            sock.settimeout(1)
            sock.send(abort(reason))
        except (OSError, ValueError):
            pass  # it need not listen
        sock.close()

    def _serve(self, client: Client, sock: socket.socket, peer: Peer) -> None:
        rules = self._rules
        try:
            root = self._root_for(peer)
            channel, connection = open_connection(
                sock, self._shown, root, rules.limits,
                tracebacks=rules.tracebacks, punctual=rules.call_timeout is not None,
                budget=self._budget(client.account), peer=peer,
            )  # fmt: skip
            if isinstance(channel, PunctualChannel):
                channel.call_timeout = rules.call_timeout
            channel.on_stop = lambda: self._gone(client)
            channel.start(connection, f"mpipc-io {self._shown}")
        except Exception as e:
            # Out of descriptors or threads, or there is no root object for this peer.
            self._refuse(client, sock, f"{type(e).__name__}: {e}")
            return
        client.serves(channel, connection)
        if self._closed.is_set():
            client.close()
        self._wake()

    def _gone(self, client: Client) -> None:
        with self._lock:
            self._clients.discard(client)
        if not self._listens:
            self._closed.set()
            self._wake()

    # ---------------------------------------------------------------------- looking after them

    def _drop_silent(self) -> float | None:
        """Drop clients that have been silent for too long; seconds until the next look, None when
        nobody needs one."""
        now = time.monotonic()
        looks = []
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            connection = client.connection
            if connection is None:
                continue  # the handshake has a timeout of its own
            if not connection.greeted:
                limit: float | None = self._rules.construct_timeout
                since, reason = client.since, "it has not asked for anything"
            else:
                limit = self._rules.idle_timeout
                since, reason = client.quiet_since(now), "it was idle"
            if limit is None:
                continue
            if now - since > limit:
                connection.drop(f"{reason} for {limit:g} s")
            else:
                looks.append(min(limit / _LOOKS, since + limit - now))
        return min(looks, default=None)

    def forked(self) -> None:
        """In a forked child: the sockets are the parent's, and so is the socket file."""
        self._lock = threading.Lock()
        self._closing = True
        self._closed = threading.Event()
        self._closed.set()
        for sock in (self._sock, self._waker, self._woken):
            sock.close()
        for client in self._clients:
            client.sock.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.address}{' closed' if self._closed.is_set() else ''}>"


class ClientEnd(Protocol):
    """What looking after a client takes; called in the thread that does so."""

    @property
    def greeted(self) -> bool:
        """Whether it has asked for the root object."""

    @property
    def busy(self) -> bool:
        """Whether either side waits for an answer of the other's."""

    @property
    def heard(self) -> int:
        """A number that changes when something is received."""

    def drop(self, reason: str) -> None:
        """End the connection because of something that the client did."""

    def close(self) -> None:
        """Drop the connection."""


class Client:
    """One client, from when it was accepted until it is gone."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.since = time.monotonic()
        self.account: object = None  # who it is, once that is known
        self.unwanted = ""  # why it is to go before that
        self.connection: ClientEnd | None = None
        self._channel: Channel | None = None
        self._heard = 0
        self._quiet_since = self.since

    def goes_on_with(self, sock: socket.socket) -> None:
        """What it was accepted with is of no use any more."""
        self.sock = sock
        if self.unwanted:
            self.close()

    def serves(self, channel: Channel | None, connection: ClientEnd) -> None:
        self._channel, self.connection = channel, connection

    def quiet_since(self, now: float) -> float:
        """When this was called and nothing had been heard of the client, nor any call in progress,
        since the time before."""
        assert self.connection is not None
        if self.connection.busy or self.connection.heard != self._heard:
            self._heard = self.connection.heard
            self._quiet_since = now
        return self._quiet_since

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        else:
            self.unwanted = self.unwanted or "the server is closed"
            try:
                # Which ends the handshake. That of an SSLSocket would take it apart meanwhile.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
            except OSError:
                pass

    def join(self, timeout: float) -> None:
        if self._channel is not None:
            self._channel.join(timeout)


def watching(*, in_loop: bool = False) -> calls.Observer | None:
    """What watches a connection that is being made, None where nobody does. `in_loop`: an event
    loop drives the connection."""
    return calls.observer(*[("log", log.CALL_LOG)] * log.enabled(), in_loop=in_loop)


def open_connection(
    sock: socket.socket,
    description: str,
    root: Local | None,
    limits: Limits,
    *,
    tracebacks: bool = False,
    punctual: bool = False,
    budget: Budget | None = None,
    peer: Peer,
) -> tuple[Channel, Connection]:
    """A channel on a connected socket, and the protocol on it; both still to be started."""
    kind = PunctualChannel if punctual else Channel
    channel = kind(sock, description, pool_threads=limits.threads, budget=budget)
    observer = watching()
    connection = Connection(channel, root, limits, tracebacks=tracebacks, observer=observer)
    connection.peer = peer
    if observer is not None:
        observer.opened(connection)
    return channel, connection
