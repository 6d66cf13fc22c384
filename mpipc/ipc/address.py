"""Addresses: where to listen and where to connect.

unix                    <datadir>/<name>.sock
unix:PATH               a socket file; a relative path is relative to the data directory
tcp:HOST:PORT           loopback only, between processes of one user; port 0 picks a free one
tcp:HOST:PORT?certs=DIR with TLS; DIR as `mpipc certs` makes it, relative to the data directory
tcp:HOST:PORT?insecure  anybody who reaches the port, readable on its way
fd:N                    an inherited socket; ?certs=DIR and ?insecure as above
systemd, systemd:NAME   for serving: the socket that systemd passes on (of that name)
auto, auto:PATH         for connecting: as unix, but nobody listening there is no error
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

import msgspec

from mpipc.errors import AddressError

_MAX_PATH = 107  # sun_path of struct sockaddr_un, without its closing NUL


class Protection(msgspec.Struct, frozen=True):
    """What protects a TCP connection: TLS with the certificates in a directory; nothing
    (`insecure`); or, by default, that it does not leave this machine and this user."""

    certs: Path | None = None
    insecure: bool = False

    def __str__(self) -> str:
        if self.certs is not None:
            return f"?certs={self.certs}"
        return "?insecure" if self.insecure else ""


LOCAL = Protection()


class UnixAddress(msgspec.Struct, frozen=True):
    """A socket file. `optional`: nobody listening there is no error (`auto`)."""

    path: Path
    optional: bool = False
    protection: ClassVar[Protection] = LOCAL

    def __str__(self) -> str:
        return f"unix:{self.path}"


class TcpAddress(msgspec.Struct, frozen=True):
    """A host and a port."""

    host: str
    port: int
    protection: Protection = LOCAL

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}{self.protection}"


class FdAddress(msgspec.Struct, frozen=True):
    """An inherited socket's descriptor. `protection` is what a TCP socket needs."""

    fd: int
    protection: Protection = LOCAL

    def __str__(self) -> str:
        return f"fd:{self.fd}{self.protection}"


class SystemdAddress(msgspec.Struct, frozen=True):
    """A socket that systemd listens on for this process; "" where there is only one."""

    name: str = ""
    protection: Protection = LOCAL

    def __str__(self) -> str:
        return f"systemd{':' if self.name else ''}{self.name}{self.protection}"


Address = UnixAddress | TcpAddress | FdAddress | SystemdAddress


def process_name() -> str:
    """This program's name without "bitcoin-" and ".py", which names its default socket."""
    name = Path(sys.argv[0] or "python").stem
    return name.removeprefix("bitcoin-")


def parse(text: str, *, datadir: str | os.PathLike[str] | None, name: str) -> Address:
    """Parse an address. `datadir` is by default the current directory; `name` names the default
    socket in it. Raises AddressError."""
    if not isinstance(text, str):
        raise AddressError(f"{text!r}: an address is a text, such as 'unix:node.sock'")
    scheme, _, rest = text.partition(":")
    base = Path(datadir or ".").absolute()
    if scheme in ("unix", "auto"):
        return UnixAddress(_socket_path(text, base / (rest or f"{name}.sock")), scheme == "auto")
    where, protection = _protection(text, base)
    scheme, _, rest = where.partition(":")
    if scheme == "tcp":
        host, _, port = rest.rpartition(":")
        if not host or not _is_number(port) or int(port) > 65535:
            raise AddressError(f"{text}: expected tcp:HOST:PORT")
        return TcpAddress(host.strip("[]"), int(port), protection)
    if scheme == "fd":
        if not _is_number(rest):
            raise AddressError(f"{text}: expected fd:NUMBER")
        return FdAddress(int(rest), protection)
    if scheme == "systemd":
        return SystemdAddress(rest, protection)
    raise AddressError(f"{text}: expected unix, unix:PATH, tcp:HOST:PORT, fd:NUMBER, systemd or"
                       " auto")  # fmt: skip


def _socket_path(text: str, path: Path) -> Path:
    # A name that begins with a NUL would be an abstract one, which belongs to nobody.
    if "\0" in str(path):
        raise AddressError(f"{text!r}: a path cannot have a NUL byte")
    size = len(os.fsencode(path))
    if size > _MAX_PATH:
        raise AddressError(
            f"{text}: the path {path} has {size} bytes; a socket file's path can have {_MAX_PATH}"
            " at most: choose a shorter data directory or path"
        )
    return path


def _protection(text: str, base: Path) -> tuple[str, Protection]:
    """What stands before "?", and what is asked for behind it."""
    where, mark, option = text.partition("?")
    key, _, value = option.partition("=")
    if not mark:
        return where, LOCAL
    if option == "insecure":
        return where, Protection(insecure=True)
    if key == "certs" and value:
        return where, Protection(base / value)
    raise AddressError(f"{text}: ?{option} is unknown: expected ?certs=DIRECTORY or ?insecure")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
