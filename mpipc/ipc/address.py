"""Addresses: where to listen and where to connect.

unix             <datadir>/<name>.sock
unix:PATH        a socket file; a relative path is relative to the data directory
tcp:HOST:PORT    loopback only, since nothing encrypts it; port 0 picks a free one
fd:N             an inherited socket
auto, auto:PATH  for connecting: as unix, but nobody listening there is no error
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
import struct
import sys
from pathlib import Path

import msgspec

from mpipc.errors import AddressError

_MAX_PATH = 107  # sun_path of struct sockaddr_un, without its closing NUL
_LOOPBACK = "only loopback addresses are allowed, because plain TCP is readable on its way"


class UnixAddress(msgspec.Struct, frozen=True):
    """A socket file. `optional`: nobody listening there is no error (`auto`)."""

    path: Path
    optional: bool = False

    def __str__(self) -> str:
        return f"unix:{self.path}"


class TcpAddress(msgspec.Struct, frozen=True):
    """A loopback host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return (
            f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"
        )


class FdAddress(msgspec.Struct, frozen=True):
    """An inherited socket's descriptor."""

    fd: int

    def __str__(self) -> str:
        return f"fd:{self.fd}"


Address = UnixAddress | TcpAddress | FdAddress


def process_name() -> str:
    """This program's name without "bitcoin-" and ".py", which names its default socket."""
    name = Path(sys.argv[0] or "python").stem
    return name.removeprefix("bitcoin-")


def parse(text: str, *, datadir: str | os.PathLike[str] | None, name: str) -> Address:
    """Parse an address. `datadir` is by default the current directory; `name` names the default
    socket in it. Raises AddressError."""
    scheme, _, rest = text.partition(":")
    if scheme in ("unix", "auto"):
        path = Path(datadir or ".").absolute() / (rest or f"{name}.sock")
        if len(os.fsencode(path)) > _MAX_PATH:
            raise AddressError(
                f"{text}: the path {path} has {len(os.fsencode(path))} bytes; a socket file's path"
                f" can have {_MAX_PATH} at most: choose a shorter data directory or path"
            )
        return UnixAddress(path, optional=scheme == "auto")
    if scheme == "tcp":
        host, _, port = rest.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise AddressError(f"{text}: expected tcp:HOST:PORT")
        return TcpAddress(host.strip("[]"), int(port))
    if scheme == "fd":
        if not rest.isdecimal():
            raise AddressError(f"{text}: expected fd:NUMBER")
        return FdAddress(int(rest))
    raise AddressError(f"{text}: expected unix, unix:PATH, tcp:HOST:PORT, fd:NUMBER or auto")


# ---------------------------------------------------------------------------------- listening


def listen(address: Address) -> tuple[socket.socket, Address]:
    """A listening socket, and its address with what the system filled in. Raises AddressError."""
    if isinstance(address, UnixAddress):
        return _listen_unix(address.path), address
    if isinstance(address, FdAddress):
        return adopt(address.fd), address
    info = _resolve(address)
    sock = socket.socket(info[0], socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(info[1])
        sock.listen()
    except OSError as e:
        sock.close()
        raise AddressError(f"cannot listen on {address}: {e.strerror}") from None
    return sock, TcpAddress(address.host, sock.getsockname()[1])


def _listen_unix(path: Path) -> socket.socket:
    _check_directory(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(str(path))
        # Nobody can connect before `listen`, so the file is private from the start.
        path.chmod(0o600)
        sock.listen()
    except OSError as e:
        sock.close()
        raise AddressError(f"cannot listen on unix:{path}: {e.strerror}") from None
    except BaseException:
        sock.close()
        raise
    return sock


def _check_directory(path: Path) -> None:
    """Refuse a directory in which somebody else could replace the socket file. In a sticky one,
    such as /tmp, others can create files but not touch ours; and both ends check their peer."""
    try:
        info = path.parent.stat()
    except OSError as e:
        raise AddressError(f"cannot listen on unix:{path}: {path.parent}: {e.strerror}") from None
    if info.st_uid not in (0, os.geteuid()):
        raise AddressError(f"cannot listen on unix:{path}: {path.parent} belongs to somebody else")
    if info.st_mode & 0o022 and not info.st_mode & stat.S_ISVTX:
        raise AddressError(
            f"cannot listen on unix:{path}: others can write to {path.parent}"
            f" (mode {stat.S_IMODE(info.st_mode):04o}); use a private directory"
        )


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

    Raises AddressError.
    """
    if isinstance(address, FdAddress):
        return adopt(address.fd)
    if isinstance(address, UnixAddress):
        family, target = socket.AF_UNIX, str(address.path)
    else:
        family, target = _resolve(address)  # type: ignore[assignment]
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    try:
        sock.connect(target)
        if family == socket.AF_UNIX:
            check_peer(sock, str(address))
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (FileNotFoundError, ConnectionRefusedError):
        sock.close()
        if isinstance(address, UnixAddress) and address.optional:
            return None
        raise AddressError(f"nobody listens on {address}") from None
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


def check_peer(sock: socket.socket, description: str) -> None:
    """Raise AddressError when the process at the other end of a unix socket is another user's."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("3i", packed)
    if uid != os.geteuid():
        raise AddressError(f"{description}: the other end (process {pid}) is user {uid}, not us")


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


def _resolve(address: TcpAddress) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
    except OSError as e:
        raise AddressError(f"{address}: {e.strerror}") from None
    host = str(found[4][0])
    if not ipaddress.ip_address(host).is_loopback:
        raise AddressError(f"{address}: {_LOOPBACK}")
    return found[0], (host, address.port)
