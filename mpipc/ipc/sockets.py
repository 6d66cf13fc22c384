"""Listening and connecting sockets, and that nobody else can stand in their place."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from mpipc.errors import AddressError, Timeout, Unreachable
from mpipc.ipc import systemd
from mpipc.ipc.address import (
    LOCAL,
    Address,
    FdAddress,
    SystemdAddress,
    TcpAddress,
    UnixAddress,
)
from mpipc.ipc.peers import peer_of

_RETRY = 0.01  # seconds between attempts to get what others have at the moment
_TURN = 2.0  # seconds

# ---------------------------------------------------------------------------------- listening


def listen(address: Address, *, shared: bool = False) -> tuple[socket.socket, Address]:
    """A listening socket, and its address with what the system filled in; of an inherited socket,
    perhaps one that is connected already. `shared`: other users may connect, too.

    Raises AddressError.
    """
    if isinstance(address, UnixAddress):
        return _listen_unix(address.path, 0o666 if shared else 0o600), address
    if isinstance(address, TcpAddress):
        sock = _listen_tcp(address)
        return sock, msgspec.structs.replace(address, port=sock.getsockname()[1])
    fd = systemd.descriptor(address.name) if isinstance(address, SystemdAddress) else address.fd
    sock = adopt(fd)
    _check_protection(address, sock)
    return sock, address


def listens(sock: socket.socket) -> bool:
    """Whether a socket listens, rather than being connected."""
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _listen_tcp(address: TcpAddress) -> socket.socket:
    family, target = _resolve(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(target)
        sock.listen()
    except OSError as e:
        sock.close()
        raise AddressError(f"cannot listen on {address}: {e.strerror}") from None
    return sock


def _listen_unix(path: Path, mode: int) -> socket.socket:
    _check_directory(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _turn(path.parent):
            _remove_stale(path)
            sock.bind(str(path))
            # Nobody can connect before `listen`, so the file is private from the start.
            path.chmod(mode)
            sock.listen()
    except OSError as e:
        sock.close()
        raise AddressError(f"cannot listen on unix:{path}: {e.strerror}") from None
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Wait for others that are about to listen in a directory, lest they take our file for a stale
    one before it listens. Not for ever: in /tmp, anybody could hold this lock."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _TURN
        while time.monotonic() < deadline:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_RETRY)
        yield
    finally:
        os.close(fd)


def _check_directory(path: Path) -> None:
    """Refuse a place where somebody else could put another socket file instead of ours: every
    directory on the way must be ours or root's, and written by nobody else. In a sticky one, such
    as /tmp, others can create files but not touch ours; and both ends check their peer. A symbolic
    link could lead elsewhere later."""
    for directory in (path.parent, *path.parent.parents):
        try:
            info = directory.lstat()
        except OSError as e:
            reason = f"{directory}: {e.strerror}"
        else:
            mode = stat.S_IMODE(info.st_mode)
            if stat.S_ISLNK(info.st_mode):
                reason = f"{directory} is a symbolic link; use {path.parent.resolve()}"
            elif not stat.S_ISDIR(info.st_mode):
                reason = f"{directory} is no directory"
            elif info.st_uid not in (0, os.geteuid()):
                reason = f"{directory} belongs to somebody else"
            elif mode & 0o022 and not mode & stat.S_ISVTX:
                reason = (
                    f"others can write to {directory} (mode {mode:04o}); use a private directory"
                )
            else:
                continue
        raise AddressError(f"cannot listen on unix:{path}: {reason}")


def _remove_stale(path: Path) -> None:
    """Remove a socket file that nobody listens on; anything else in the way is an error."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(info.st_mode):
        raise AddressError(f"cannot listen on unix:{path}: the file exists and is no socket")
    if info.st_uid != os.geteuid():
        raise AddressError(f"cannot listen on unix:{path}: the socket belongs to somebody else")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # too busy to answer is in use all the same
    raise AddressError(f"cannot listen on unix:{path}: another process listens there")


# --------------------------------------------------------------------------------- connecting


def connect(address: Address, timeout: float) -> socket.socket | None:
    """A connected socket; None where nobody listens and the address is optional.

    Raises AddressError, Timeout.
    """
    if isinstance(address, SystemdAddress):
        raise AddressError(f"{address}: this is an address to serve")
    if isinstance(address, FdAddress):
        sock = adopt(address.fd)
        _check_protection(address, sock)
        if listens(sock):
            raise AddressError(f"{address}: the socket listens, so it is one to serve")
        return sock
    if isinstance(address, UnixAddress):
        family, target = socket.AF_UNIX, str(address.path)
    else:
        family, target = _resolve(address)  # type: ignore[assignment]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _connect(sock, target, timeout)
        if isinstance(address, UnixAddress):
            _check_owner(sock, address)
        else:
            tune(sock)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        if isinstance(address, UnixAddress) and address.optional:
            return None
        raise Unreachable(f"nobody listens on {address}") from None
    except (TimeoutError, BlockingIOError):
        sock.close()
        raise Timeout(f"{address} did not answer within {timeout:g} s") from None
    except OSError as e:
        sock.close()
        if e.errno == errno.ENOTSOCK:
            raise AddressError(f"cannot connect to {address}: the file is no socket") from None
        raise AddressError(f"cannot connect to {address}: {e.strerror or e}") from None
    except BaseException:
        sock.close()
        raise
    sock.settimeout(None)
    return sock


def _connect(sock: socket.socket, target: str | tuple[str, int], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    sock.settimeout(timeout)
    while True:
        try:
            sock.connect(target)
            return
        except BlockingIOError:  # more clients than the server's queue holds
            if time.monotonic() > deadline:
                raise
            time.sleep(_RETRY)


def _check_owner(sock: socket.socket, address: UnixAddress) -> None:
    """The file, and each link on the way to it, must belong to whom it leads to, so that nobody
    else's has led us there."""
    trusted = (0, os.geteuid(), peer_of(sock, LOCAL, 0).uid)
    for path in (address.path, *address.path.parents):
        info = path.lstat()
        counts = path == address.path or stat.S_ISLNK(info.st_mode)
        if counts and info.st_uid not in trusted:
            raise AddressError(f"cannot connect to {address}: {path} belongs to user {info.st_uid}")


def adopt(fd: int) -> socket.socket:
    """Take over an inherited descriptor, which must be a stream socket. Raises AddressError."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise AddressError(f"fd:{fd}: the descriptor is no socket")
        sock = socket.socket(fileno=fd)
    except OSError as e:
        raise AddressError(f"fd:{fd}: {e.strerror}") from None
    if sock.type != socket.SOCK_STREAM:
        raise AddressError(f"fd:{fd}: the descriptor is no stream socket")
    sock.set_inheritable(False)
    return sock


# ------------------------------------------------------------------------------------------ TCP


def tune(sock: socket.socket) -> None:
    """Send at once, and notice within two minutes when the other machine has vanished."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 6)
    # And when it takes nothing of what is sent (milliseconds).
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 120_000)


def _resolve(address: TcpAddress) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    except OSError as e:
        raise AddressError(f"{address}: {e.strerror}") from None
    host = str(found[4][0])
    _check_reach(address, host)
    return found[0], (host, address.port)


def _check_protection(address: FdAddress | SystemdAddress, sock: socket.socket) -> None:
    if sock.family != socket.AF_UNIX:
        _check_reach(address, str(sock.getsockname()[0]))
    elif address.protection != LOCAL:
        raise AddressError(f"{address}: a unix socket is private already")


def _check_reach(address: TcpAddress | FdAddress | SystemdAddress, host: str) -> None:
    """What leaves this machine must be protected."""
    if address.protection == LOCAL and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise AddressError(
            f"{address}: beyond this machine TCP needs certificates, which `mpipc certs` makes:"
            f" {address}?certs=DIRECTORY; or {address}?insecure, where anybody may read and talk"
        )
