"""The HTTP server: who may ask, how much, and for how long."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from mpipc.errors import AddressError
from mpipc.jsonrpc.cookie import Cookie
from mpipc.jsonrpc.dispatch import Dispatcher, Limits

_log = logging.getLogger("mpipc.jsonrpc")
_WRONG_PASSWORD = 0.25
"""Seconds until somebody with a wrong password gets an answer."""


def serve(
    *objects: object,
    cookie: str | Path,
    namespaces: Mapping[str, object] = MappingProxyType({}),
    host: str = "127.0.0.1",
    port: int = 0,
    limits: Limits = Limits(),  # noqa: B008
) -> Server:
    """Serve the methods of some objects, each an object of an interface, to whoever can read the
    cookie file. Returns at once.

    `cookie`      where to write it: `__cookie__:PASSWORD`, for HTTP basic authentication
    `namespaces`  other objects, whose methods are called as `NAMESPACE.METHOD`; a ByName stands for
                  many objects
    `host`        a loopback address, since nothing encrypts it
    `port`        by default a free one

    Raises AddressError where it cannot listen, OSError where the cookie cannot be written, and
    SchemaError for what has no methods that JSON can call.
    """
    dispatcher = Dispatcher(*objects, namespaces=namespaces, limits=limits)
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise AddressError(f"{host}: nothing is encrypted, so only loopback addresses are allowed")
    try:
        http = _Http(host, port, dispatcher)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise AddressError(f"cannot listen on {host}:{port}: {why}") from None
    try:
        http.cookie = Cookie(Path(cookie))
    except BaseException:
        http.server_close()
        raise
    return Server(http)


class Server:
    """A server that runs, usable in `with`, which closes it."""

    def __init__(self, http: _Http) -> None:
        self._http = http
        host, port = http.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        self.address = f"http://{shown}:{port}/"
        self._thread = threading.Thread(
            target=http.serve_forever, args=(0.1,), name="mpipc-jsonrpc", daemon=True
        )
        self._thread.start()

    def serve_forever(self) -> None:
        """Block until the server is closed."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening, drop every client and remove the cookie. Calls run to their end."""
        self._http.shutdown()
        self._http.server_close()
        self._http.drop(everybody=True)
        self._http.cookie.remove()
        self._thread.join()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    cookie: Cookie

    def __init__(self, host: str, port: int, dispatcher: Dispatcher) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.dispatcher = dispatcher
        self.limits = dispatcher.limits
        self._lock = threading.Lock()
        self._until: dict[socket.socket, float] = {}
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # That of HTTPServer looks up the host's name, which may take long.
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._until) >= self.limits.connections:
                return False
            self._until[request] = time.monotonic() + self.limits.seconds
        return True

    def hurry(self, request: socket.socket, *, wanted: bool) -> None:
        """From now on a client has to be done within the limit, or has all the time there is."""
        seconds = self.limits.seconds if wanted else float("inf")
        with self._lock:
            if request in self._until:
                self._until[request] = time.monotonic() + seconds

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._until.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.drop(everybody=False)

    def drop(self, *, everybody: bool) -> None:
        """Drop clients that are late."""
        now = time.monotonic()
        with self._lock:
            for request, until in self._until.items():
                if everybody or until < now:
                    try:
                        request.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # it is gone already

    def handle_error(self, request: Any, client_address: Any) -> None:
        _log.debug("a client was dropped", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "mpipc"
    sys_version = ""
    server: _Http

    def handle_one_request(self) -> None:
        self.server.hurry(self.connection, wanted=True)
        super().handle_one_request()

    def do_POST(self) -> None:
        if not self.server.cookie.allows(self.headers.get("Authorization")):
            time.sleep(_WRONG_PASSWORD)
            self._refuse(401, "WWW-Authenticate", 'Basic realm="jsonrpc"')
            return
        if self.path != "/":
            self._refuse(404)
            return
        body = self._body()
        if body is None:
            return
        self.server.hurry(self.connection, wanted=False)
        answer = self.server.dispatcher.handle(body)
        self.server.hurry(self.connection, wanted=True)
        self.send_response(204 if answer is None else 200)
        if answer is not None:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if answer is not None:
            self.wfile.write(answer)

    def _body(self) -> bytes | None:
        """The body; None where it was refused, or did not come."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(lengths) != 1:
            self._refuse(411)
            return None
        length = lengths[0].strip()
        if not (length.isascii() and length.isdigit()):
            self._refuse(400)
            return None
        if len(length) > 19 or int(length) > self.server.limits.body:
            self._refuse(413)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            self.close_connection = True
            return None
        return body

    def _refuse(self, status: int, *header: str) -> None:
        """Answer with a status alone, and read no further."""
        self.close_connection = True
        self.send_response(status)
        if header:
            self.send_header(*header)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)
