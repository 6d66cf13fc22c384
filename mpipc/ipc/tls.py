"""TLS 1.3 with certificates on both sides, for TCP.

A TLS socket must not be read and written by two threads at once, as a channel does. So a thread
stands between the two, and what the channel has is one end of a plain socket pair:

    channel <--- socket pair ---> Relay <--- TLS ---> the network
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import stat
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mpipc.errors import AddressError
from mpipc.ipc import forks
from mpipc.ipc.peers import Peer

# The files of a certificate directory.
AUTHORITY, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"

_log = logging.getLogger("mpipc")
_CHUNK = 1 << 16
_HANDSHAKE = b"\x16"  # the first byte of whoever speaks TLS
_GOODBYE = 5.0  # seconds that the other end has to take the last bytes
_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _ChannelClosed(Exception):
    """The channel has closed its end of the socket pair."""


class TlsError(AddressError):
    """The other end cannot be trusted, or does not trust us."""


def context(directory: Path, *, server: bool) -> ssl.SSLContext:
    """What one end needs to know, from a directory that `mpipc certs` made. Raises AddressError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    if server:
        # A session that is resumed would outlive its certificate.
        made.num_tickets = 0
    try:
        mode = (directory / KEY).stat().st_mode
        if mode & 0o077:
            raise AddressError(f"{directory / KEY}: others can read this key"
                               f" (mode {stat.S_IMODE(mode):04o}, expected 0600)")  # fmt: skip
        made.load_verify_locations(directory / AUTHORITY)
        made.load_cert_chain(directory / CERTIFICATE, directory / KEY)
    except ssl.SSLError as e:
        raise AddressError(f"{directory}: the certificates are damaged: {_reason(e)}") from None
    except OSError as e:
        expected = f"{AUTHORITY}, {CERTIFICATE} and {KEY}, as `mpipc certs` makes them"
        raise AddressError(f"{directory}: {e.strerror}; expected {expected}") from None
    return made


def speaks_tls(sock: socket.socket, timeout: float) -> bool:
    """Whether a client begins as TLS does, rather than in plain text."""
    sock.settimeout(timeout)
    try:
        return sock.recv(1, socket.MSG_PEEK) in (_HANDSHAKE, b"")
    except OSError:
        return True  # the handshake will tell why not


def handshake(
    sock: socket.socket,
    made: ssl.SSLContext,
    host: str | None,
    timeout: float,
    *,
    begins: Callable[[ssl.SSLSocket], object] = lambda wrapped: None,
) -> tuple[ssl.SSLSocket, Peer]:
    """Wrap a connected socket: a client's, which knows the server's `host`, or a server's (None).
    Returns it, and whose certificate the other end has shown. Raises TlsError, and closes it then.
    `begins`: is given the socket before anything is waited for, `sock` being of no use any more.
    """
    sock.settimeout(timeout)
    try:
        with ExitStack() as failed:
            wrapped = made.wrap_socket(
                sock,
                server_side=host is None,
                server_hostname=host,
                suppress_ragged_eofs=False,
                do_handshake_on_connect=False,
            )
            failed.callback(wrapped.close)
            begins(wrapped)
            wrapped.do_handshake()
            failed.pop_all()
    except TimeoutError:
        raise TlsError(f"no TLS handshake within {timeout:g} s") from None
    except OSError as e:
        raise TlsError(explain(e)) from None
    return wrapped, Peer(name=_name(wrapped.getpeercert()))


def _name(certificate: Any) -> str:
    """Whose certificate it is."""
    for ((key, value),) in certificate["subject"]:
        if key == "commonName":
            return str(value)
    return ""


def explain(error: OSError) -> str:
    """What went wrong, in terms of whose mistake it may be."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the other end's certificate is refused: {error.verify_message}"
    reason = _reason(error)
    if isinstance(error, ssl.SSLEOFError | ConnectionError):
        return "the other end hung up without an explanation"
    if "alert" in reason:
        return f"the other end refused our certificate: {reason.partition('alert ')[2]}"
    if reason == "peer did not return a certificate":
        return "the other end has shown no certificate"
    if "version" in reason or "record" in reason:
        return f"the other end does not speak TLS: {reason}"
    return reason


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)


class Relay:
    """Moves bytes between a TLS socket and `inner`, the end of a socket pair for the channel.

    It owns the TLS socket, and ends when either side does. `error` says why, when it was something
    else: a server that refuses a client's certificate says so only after the handshake.
    """

    def __init__(self, wrapped: ssl.SSLSocket) -> None:
        self.error = ""
        self._tls = wrapped
        self._tls.setblocking(False)
        self.inner, self._pair = socket.socketpair()
        self._pair.setblocking(False)
        self._incoming = memoryview(b"")
        self._outgoing = memoryview(b"")
        forks.tell(self)

    def start(self, name: str) -> None:
        """Have a thread do it."""
        threading.Thread(target=self.run, name=name, daemon=True).start()

    def run(self) -> None:
        """Move bytes until either side ends."""
        try:
            while self._receive() and self._send():
                self._wait()
        except _ChannelClosed:
            self._finish()
        except (ConnectionError, ssl.SSLEOFError):
            pass  # the other end hung up without a goodbye
        except OSError as e:
            self.error = explain(e)
            _log.info("a TLS connection ended: %s", self.error)
        finally:
            self._pair.close()
            self._tls.close()

    def _receive(self) -> bool:
        """From the network to the channel; False when the other end has closed."""
        try:
            if not self._incoming:
                chunk = self._tls.recv(_CHUNK)
                if not chunk:
                    return False
                self._incoming = memoryview(chunk)
        except _LATER:
            return True
        try:
            sent = self._pair.send(self._incoming, socket.MSG_NOSIGNAL)
            self._incoming = self._incoming[sent:]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            raise _ChannelClosed from None
        return True

    def _send(self) -> bool:
        """From the channel to the network."""
        try:
            if not self._outgoing:
                self._outgoing = memoryview(self._pair.recv(_CHUNK))
        except BlockingIOError:
            return True
        except ConnectionResetError:  # closed, with something unread
            raise _ChannelClosed from None
        if not self._outgoing:
            raise _ChannelClosed
        try:
            self._outgoing = self._outgoing[self._tls.send(self._outgoing) :]
        except _LATER:
            pass
        except (ConnectionError, ssl.SSLEOFError):
            # Nobody takes it any more. But there may be something to receive that says why.
            self._outgoing = memoryview(b"")
        return True

    def _wait(self) -> None:
        """Until there is something to do."""
        if self._tls.pending() and not self._incoming:
            return
        full, waiting = bool(self._incoming), bool(self._outgoing)
        poll = select.poll()
        for sock, reading, writing in (
            (self._tls, not full, waiting),
            (self._pair, not waiting, full),
        ):
            events = (select.POLLIN if reading else 0) | (select.POLLOUT if writing else 0)
            if events:  # else it would still report that it is closed, again and again
                poll.register(sock, events)
        poll.poll()

    def _finish(self) -> None:
        """The channel is closed: send what it has written before, and say goodbye."""
        self._tls.settimeout(_GOODBYE)
        self._pair.setblocking(True)
        try:
            while self._outgoing:
                self._tls.sendall(self._outgoing)
                self._outgoing = memoryview(self._pair.recv(_CHUNK))
            self._tls.unwrap()
        except (OSError, ValueError):
            pass  # the other end need not listen

    def close(self) -> None:
        """Close a relay that was not started."""
        for sock in (self._tls, self._pair, self.inner):
            sock.close()

    def forked(self) -> None:
        """In a forked child: the sockets are the parent's."""
        self._tls.close()
        self.inner.close()
        self._pair.close()
