"""Child processes on a pair of sockets: what users call."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.errors import AddressError, Disconnected, Timeout
from mpipc.generate.load import generated_for
from mpipc.ipc import sockets, systemd
from mpipc.ipc.address import Protection
from mpipc.ipc.endpoints import begin, root_class, root_of
from mpipc.ipc.peers import Peer, peer_of, process_peer
from mpipc.ipc.seconds import checked_seconds
from mpipc.ipc.server import open_connection

if TYPE_CHECKING:
    import subprocess

    from mpipc.ipc.endpoints import Remote
    from mpipc.launch.sandbox import Sandbox

T = TypeVar("T")

_GRACE = 10.0  # seconds that a child has to end after it was disconnected


def spawn(
    argv: Sequence[str],
    root: Callable[..., T],
    *,
    timeout: float = 30.0,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
    sandbox: Sandbox | None = None,
    **options: Any,
) -> Remote[T]:
    """Start a child process on a socket pair and return its root object.

    The child gets `argv` with `-ipcfd N` added, and should call `mpipc.serve_spawned`. No other
    descriptor is inherited. Closing the root object, or losing the last reference to anything that
    came from the child, disconnects it; it is then reaped, and killed when it does not end.
    `timeout`, `limits` and `call_timeout` are as for `connect`.
    `sandbox` says what the child may do; by default as much as its parent.
    `options` are passed to `subprocess.Popen` (`env`, `cwd`, `stdout` …).

    Raises what Popen raises, Timeout, Disconnected when the child ends without serving,
    SandboxError where there can be no such sandbox, and SchemaError.
    """
    import subprocess  # which most programs do without

    timeout = checked_seconds("timeout", timeout)
    call_timeout = checked_seconds("call_timeout", call_timeout, optional=True)
    generated = generated_for(root_class(root))
    deadline = time.monotonic() + timeout
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        command = [*argv, "-ipcfd", str(fd)]
        if sandbox is None:
            child = subprocess.Popen(command, pass_fds=[fd], **options)
        else:
            # Only then, since it takes a while to import.
            from mpipc.launch.program import start

            child = start(command, keep=[fd], sandbox=sandbox, **options)
        theirs.close()
        sock = ours.dup()
    try:
        proxy: Remote[T]
        proxy, channel = begin(
            sock, f"spawn:{argv[0]}", generated, deadline, limits, call_timeout,
            peer=process_peer(child.pid),
        )  # fmt: skip
    except Timeout:
        child.terminate()
        _reap(child)
        raise Timeout(f"spawn:{argv[0]} did not answer within {timeout:g} s") from None
    except Disconnected as e:
        status = _reap(child)
        raise Disconnected(f"{e}; it ended with exit status {status}") from None
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
    root = root_of(impl)
    sock = sockets.adopt(fd)
    ended = threading.Event()
    with ExitStack() as restore:
        if threading.current_thread() is threading.main_thread():
            restore.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        channel, connection = open_connection(
            sock, f"fd:{fd}", root, limits, tracebacks=tracebacks, peer=_parent(sock)
        )
        channel.on_stop = ended.set
        channel.start(connection, "mpipc-io parent")
        systemd.attend(ended)
    return True


def _parent(sock: socket.socket) -> Peer:
    """Who made the pair of sockets, as the kernel says."""
    return peer_of(sock, Protection(insecure=True), 0)


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


def _reap(child: subprocess.Popen[bytes]) -> int:
    """Wait for a disconnected child to end, and make it end when it does not."""
    import subprocess

    for stop in (child.terminate, child.kill):
        try:
            return child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            stop()
    return child.wait()
