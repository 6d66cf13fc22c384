"""Connecting: to a server that may be trusted."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from mpipc.errors import AddressError, Disconnected
from mpipc.ipc import peers, sockets
from mpipc.ipc.address import Address, FdAddress, Protection, TcpAddress
from mpipc.ipc.peers import Allowed, Peer

if TYPE_CHECKING:
    from mpipc.ipc import tls


class Dialed(NamedTuple):
    """A connected socket, with TLS what stands behind it, and who is at the other end."""

    sock: socket.socket
    relay: tls.Relay | None
    peer: Peer


def dial(address: Address, allowed: Allowed | None, timeout: float) -> Dialed | None:
    """Connect; None where nobody listens and the address is optional. Raises AddressError,
    Timeout."""
    deadline = time.monotonic() + timeout
    protection = address.protection
    admitted = peers.admission(allowed, protection)
    context = None
    if protection.certs:
        # Loading OpenSSL takes as long as all of mpipc.
        from mpipc.ipc import tls

        context = tls.context(protection.certs, server=False)
    if context and not isinstance(address, TcpAddress):
        raise AddressError(f"{address}: without a host no certificate can be checked")
    sock = sockets.connect(address, timeout)
    if sock is None:
        return None
    relay = None
    try:
        left = max(0.0, deadline - time.monotonic())
        if context:
            assert isinstance(address, TcpAddress)
            try:
                wrapped, peer = tls.handshake(sock, context, address.host, left)
            except tls.TlsError as e:
                raise tls.TlsError(f"{address}: {e}") from None
            relay = tls.Relay(wrapped)
        elif isinstance(address, FdAddress) and allowed is None:
            # Whoever passed the socket on has decided.
            return Dialed(sock, None, peers.peer_of(sock, Protection(insecure=True), left))
        else:
            peer = peers.peer_of(sock, protection, left)
        if not admitted(peer):
            raise AddressError(f"{address}: {peer} serves there, who is not trusted: see `peers`")
    except Disconnected:
        # Nobody is there to be trusted, but it may have left word why.
        return Dialed(sock, None, Peer())
    except BaseException:
        sock.close()
        if relay is not None:
            relay.close()
        raise
    if relay is None:
        return Dialed(sock, None, peer)
    relay.start(f"mpipc-tls {address}")
    return Dialed(relay.inner, relay, peer)
