"""Serving, connecting and spawning: what users call."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.capnp.proxy import Generated, Local
from mpipc.declare import INTERFACE, InterfaceOptions, options_of
from mpipc.errors import AddressError, Disconnected, IpcError, SchemaError, Timeout
from mpipc.generate.load import generated_for
from mpipc.ipc import address as addresses
from mpipc.ipc import forks, log
from mpipc.ipc.channel import Channel, timeout

T = TypeVar("T")
_log = logging.getLogger("mpipc")

if TYPE_CHECKING:

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


_SPAWN_GRACE = 10.0  # seconds that a spawned child has to end after it was disconnected
_ACCEPT_RETRY = 0.1  # seconds to wait when the process is out of descriptors


class Server:
    """Listens and serves each client that connects, in threads; made by `serve`.

    `address` is where it listens, with what the system filled in (a free port).
    """

    def __init__(self, sock: socket.socket, address: addresses.Address, root: Local,
                 limits: Limits, *, tracebacks: bool) -> None:  # fmt: skip
        self.address = str(address)
        self._where = address
        self._sock = sock
        self._root = root
        self._limits = limits
        self._tracebacks = tracebacks
        self._lock = threading.Lock()
        self._channels: set[Channel] = set()
        self._connections: set[Connection] = set()
        self._closed = threading.Event()
        forks.tell(self)
        self._accepting = threading.Thread(
            target=self._accept, name=f"mpipc-accept {self.address}", daemon=True
        )
        self._accepting.start()

    def serve_forever(self) -> None:
        """Block until the server is closed. Ctrl-C raises KeyboardInterrupt as usual."""
        self._closed.wait()

    def close(self) -> None:
        """Stop listening, drop every client, and wait until their sockets are closed. May be
        called more than once, and from any thread."""
        if self._closed.is_set():
            return
        self._closed.set()
        if isinstance(self._where, addresses.UnixAddress):
            # Ours alone: nobody else can have put another file there meanwhile.
            self._where.path.unlink(missing_ok=True)
        try:
            self._sock.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        except OSError:
            pass
        self._accepting.join(5)
        self._sock.close()
        with self._lock:
            connections, channels = list(self._connections), list(self._channels)
        for connection in connections:
            connection.close()
        for channel in channels:
            channel.join(5)

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                sock, _ = self._sock.accept()
            except OSError as e:
                if self._closed.is_set():
                    return
                # Out of descriptors, or a client that left at once: go on when there is room.
                _log.warning("cannot accept a client on %s: %s", self.address, e.strerror)
                self._closed.wait(_ACCEPT_RETRY)
                continue
            try:
                if sock.family == socket.AF_UNIX:
                    addresses.check_peer(sock, self.address)
                else:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve(sock)
            except (IpcError, OSError) as e:
                _log.warning("refused a client: %s", e)
                sock.close()

    def _serve(self, sock: socket.socket) -> None:
        # Each client has a root capability of its own, on the same object.
        root = Local(self._root.impl, self._root.server)
        channel, connection = _connection(
            sock, self.address, root, self._limits, tracebacks=self._tracebacks
        )

        def gone() -> None:
            with self._lock:
                self._channels.discard(channel)
                self._connections.discard(connection)

        channel.on_stop = gone
        with self._lock:
            self._channels.add(channel)
            self._connections.add(connection)
        channel.start(connection, f"mpipc-io {self.address}")

    def forked(self) -> None:
        """In a forked child: the socket is the parent's, and so is its file."""
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()
        self._sock.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server {self.address}{' closed' if self._closed.is_set() else ''}>"


def serve(
    address: str,
    impl: object,
    *,
    datadir: str | os.PathLike[str] | None = None,
    name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    tracebacks: bool = False,
) -> Server:
    """Listen on an address and serve `impl`, an object of a root interface, to every client.

    Methods run in threads: each thread of a client has a thread of its own here.

    `datadir`     what relative paths are relative to; by default the current directory.
    `name`        names the default socket (`unix` alone); by default this program's name.
    `limits`      what each client may ask for.
    `tracebacks`  whether clients get the tracebacks of undeclared exceptions.

    Raises AddressError, and SchemaError when `impl` has no root interface.
    """
    root = _root_of(impl)
    where = addresses.parse(address, datadir=datadir, name=name or addresses.process_name())
    sock, where = addresses.listen(where)
    return Server(sock, where, root, limits, tracebacks=tracebacks)


@overload
def connect(  # type: ignore[overload-overlap]
    address: Literal["auto"],
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    limits: Limits = DEFAULT_LIMITS,
) -> Remote[T] | None: ...
@overload
def connect(
    address: str,
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    limits: Limits = DEFAULT_LIMITS,
) -> Remote[T]: ...
def connect(
    address: str,
    root: Callable[..., T],
    *,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    limits: Limits = DEFAULT_LIMITS,
) -> Remote[T] | None:
    """Connect to a server and return its root object, an instance of the interface `root`.

    Use it in `with`, or close it with `mpipc.close`, which ends the connection; it also ends when
    the last object that came through it is garbage-collected.

    `root` is annotated as a Callable because a type checker does not take an abstract class for a
    `type[T]`.

    `timeout`  seconds until the server must have answered.
    `datadir`  what relative paths are relative to; by default the current directory.
    `name`     names the default socket (`unix` and `auto` alone).
    `limits`   what the server may ask for, and how large its answers may be.

    With `auto` it returns None when nobody listens there. Raises AddressError, Timeout,
    Disconnected, and SchemaError when `root` is no root interface.
    """
    where = addresses.parse(address, datadir=datadir, name=name)
    generated = generated_for(_root_class(root))
    began = time.monotonic()
    sock = addresses.connect(where, timeout)
    if sock is None:
        return None
    proxy: Remote[T] = _start(sock, str(where), generated, began, timeout, limits)[0]
    return proxy


def spawn(
    argv: Sequence[str],
    root: Callable[..., T],
    *,
    timeout: float = 30.0,
    limits: Limits = DEFAULT_LIMITS,
    **options: Any,
) -> Remote[T]:
    """Start a child process on a socket pair and return its root object.

    The child gets `argv` with `-ipcfd N` added, and should call `mpipc.serve_spawned`. No other
    descriptor is inherited. Closing the root object, or losing the last reference to anything that
    came from the child, disconnects it; it is then reaped, and killed when it does not end.
    `options` are passed to `subprocess.Popen` (`env`, `cwd`, `stdout` …).

    Raises what Popen raises, Timeout, Disconnected when the child ends without serving, and
    SchemaError.
    """
    generated = generated_for(_root_class(root))
    began = time.monotonic()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        child = subprocess.Popen([*argv, "-ipcfd", str(fd)], pass_fds=[fd], **options)
        theirs.close()
        sock = ours.dup()
    try:
        proxy: Remote[T]
        proxy, channel = _start(sock, f"spawn:{argv[0]}", generated, began, timeout, limits)
    except Disconnected as e:
        status = _reap(child)
        raise Disconnected(f"{argv[0]} ended with exit status {status}: {e}") from None
    except BaseException:
        child.terminate()
        _reap(child)
        raise
    channel.on_stop = threading.Thread(
        target=_reap, args=(child,), name=f"mpipc-reap {child.pid}", daemon=True
    ).start
    if channel.stopped:
        _reap(child)
    return proxy


def serve_spawned(
    impl: object, *, limits: Limits = DEFAULT_LIMITS, tracebacks: bool = False
) -> bool:
    """In a child made by `spawn`: serve `impl` until the parent disconnects, then return True.

    Returns False at once when this process was not spawned (no `-ipcfd N` in `sys.argv`). Ignores
    SIGINT meanwhile: Ctrl-C in a terminal reaches the parent, too, which ends the child in order.
    Raises AddressError when N is no inherited socket.
    """
    fd = _ipcfd(sys.argv)
    if fd is None:
        return False
    root = _root_of(impl)
    sock = addresses.adopt(fd)
    ended = threading.Event()
    with ExitStack() as restore:
        if threading.current_thread() is threading.main_thread():
            restore.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        channel, connection = _connection(sock, f"fd:{fd}", root, limits, tracebacks=tracebacks)
        channel.on_stop = ended.set
        channel.start(connection, "mpipc-io parent")
        ended.wait()
    return True


def _ipcfd(argv: Sequence[str]) -> int | None:
    for index, argument in enumerate(argv):
        name, equals, value = argument.partition("=")
        if name.lstrip("-") == "ipcfd" and name.startswith("-"):
            if not equals:
                value = argv[index + 1] if index + 1 < len(argv) else ""
            if not value.isdecimal():
                raise AddressError("-ipcfd needs the number of an inherited descriptor")
            return int(value)
    return None


def _start(
    sock: socket.socket,
    description: str,
    generated: Generated,
    began: float,
    seconds: float,
    limits: Limits,
) -> tuple[Any, Channel]:
    """Begin to talk on a connected socket, and get the other end's root object."""
    channel, connection = _connection(sock, description, None, limits, tracebacks=False)
    channel.start(connection, f"mpipc-io {description}")
    try:
        with timeout(began + seconds - time.monotonic()):
            proxy = connection.start(generated)
    except Timeout:
        connection.close()
        channel.join(5)
        raise Timeout(f"{description} did not answer within {seconds:g} s") from None
    except BaseException:
        connection.close()
        channel.join(5)
        raise
    channel.close_when_idle = True
    return proxy, channel


def _connection(
    sock: socket.socket, description: str, root: Local | None, limits: Limits, *, tracebacks: bool
) -> tuple[Channel, Connection]:
    channel = Channel(sock, description, pool_threads=limits.threads)
    logger = log.Logger() if log.enabled() else None
    connection = Connection(channel, root, limits, tracebacks=tracebacks, logger=logger)
    return channel, connection


def _reap(child: subprocess.Popen[bytes]) -> int:
    """Wait for a disconnected child to end, and make it end when it does not."""
    for stop in (child.terminate, child.kill):
        try:
            return child.wait(_SPAWN_GRACE)
        except subprocess.TimeoutExpired:
            stop()
    return child.wait()


def _root_of(impl: object) -> Local:
    """`impl` as the capability that clients start with."""
    if isinstance(impl, type):
        raise SchemaError(f"{impl.__name__} is a class: serve an object of it instead")
    for cls in type(impl).__mro__:
        options = options_of(cls, INTERFACE)
        if isinstance(options, InterfaceOptions) and options.root:
            return Local(impl, generated_for(cls).server)
    raise SchemaError(
        f"{type(impl).__name__} implements no root interface: derive it from an ABC that is"
        " decorated with @mpipc.interface(root=True)"
    )


def _root_class(root: object) -> type:
    options = options_of(root, INTERFACE)
    if isinstance(root, type) and isinstance(options, InterfaceOptions) and options.root:
        return root
    name = getattr(root, "__name__", repr(root))
    raise SchemaError(f"{name} is no root interface: decorate it with @mpipc.interface(root=True)")
