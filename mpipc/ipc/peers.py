"""Who may talk: who is at the other end, as the kernel or a certificate says, and who is let in."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
import time
from collections.abc import Callable, Collection
from typing import TypeAlias

import msgspec

from mpipc import hooks
from mpipc.errors import AddressError, Disconnected, Timeout
from mpipc.ipc.address import Protection

_UCRED = struct.Struct("3i")
_STATE, _OWNER, _INODE = 3, 7, 9  # columns of /proc/net/tcp
_ESTABLISHED = "01"
_POLL = 0.002  # seconds between looks for what the other process is about to do


class Peer(msgspec.Struct, frozen=True):
    """Who is at the other end of a connection; None is what cannot be known.

    Of a unix socket the kernel tells process, user and group; of a TCP connection within this
    machine the user. With TLS, `name` is that of the other end's certificate.
    """

    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        if self.name is not None:
            return f"certificate {self.name}"
        if self.uid is None:
            return "somebody unknown" if self.pid is None else f"process {self.pid}"
        try:
            user = f"{pwd.getpwuid(self.uid).pw_name} ({self.uid})"
        except KeyError:
            user = str(self.uid)
        return f"user {user}" if self.pid is None else f"user {user}, process {self.pid}"


def itself(peer: Peer) -> Peer:
    """What a parameter of this class is."""
    return peer


hooks.supply(Peer, itself)


Allowed: TypeAlias = "Collection[str | int] | Callable[[Peer], bool]"


def admission(allowed: Allowed | None, protection: Protection) -> Callable[[Peer], bool]:
    """A function that says whether a peer may talk.

    `allowed`: a function that says so; or a collection of user names, of user ids, and of "@NAME"
    for the members of a group; with certificates, of names in them. None: our own user; with
    certificates, whoever has one.

    Raises AddressError for users and groups that do not exist.
    """
    if callable(allowed):
        return allowed
    if isinstance(allowed, str):
        raise AddressError(f'peers: a list is expected: ["{allowed}"]')
    if protection.certs is not None:
        return lambda peer: allowed is None or peer.name in allowed
    if protection.insecure:
        if allowed is not None:
            raise AddressError("peers: nobody knows who is at the other end of insecure TCP")
        return lambda peer: True
    if allowed is None:
        return lambda peer: peer.uid == os.geteuid()
    users, groups = set[int](), set[int]()
    for each in allowed:
        if isinstance(each, int):
            users.add(each)
            continue
        try:
            if each.startswith("@"):
                groups.add(grp.getgrnam(each[1:]).gr_gid)
            else:
                users.add(pwd.getpwnam(each).pw_uid)
        except KeyError:
            kind = "group" if each.startswith("@") else "user"
            raise AddressError(f"peers: there is no {kind} {each.removeprefix('@')!r}") from None
    return lambda peer: peer.uid in users or bool(groups & _groups(peer))


def _groups(peer: Peer) -> set[int]:
    """The groups of a peer's user."""
    groups = set() if peer.gid is None else {peer.gid}
    if peer.uid is not None:
        try:
            user = pwd.getpwuid(peer.uid)
        except KeyError:
            return groups
        groups.update(os.getgrouplist(user.pw_name, user.pw_gid))
    return groups


def peer_of(sock: socket.socket, protection: Protection, timeout: float) -> Peer:
    """Who is at the other end of a socket, as the kernel says. `timeout`: seconds that it may take
    the other end to accept a TCP connection. Raises AddressError where nobody can know, Timeout,
    and Disconnected when the other end has gone.
    """
    if sock.family == socket.AF_UNIX:
        packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return Peer(*_UCRED.unpack(packed))
    return Peer() if protection.insecure else Peer(uid=_owner(sock, timeout))


def process_peer(pid: int) -> Peer:
    """Who a running process is."""
    try:
        owner = os.stat(f"/proc/{pid}")
    except OSError:
        return Peer(pid)
    return Peer(pid, owner.st_uid, owner.st_gid)


def _owner(sock: socket.socket, timeout: float) -> int:
    """The user that owns the other end of a TCP connection within this machine (proc(5))."""
    six = sock.family == socket.AF_INET6
    # From the other end's point of view.
    local, remote = _in_hex(sock.getpeername()), _in_hex(sock.getsockname())
    deadline = time.monotonic() + timeout
    while True:
        try:
            with open(f"/proc/net/tcp{'6' if six else ''}") as table:
                lines = [line.split() for line in table]
        except OSError as e:
            raise AddressError(f"cannot find out whose connection it is: {e}") from None
        owners = [line for line in lines if line[1:3] == [local, remote]]
        if owners and owners[0][_INODE] != "0":
            return int(owners[0][_OWNER])
        if not owners or owners[0][_STATE] != _ESTABLISHED:
            raise Disconnected("the other end has gone before it was known who it is")
        if time.monotonic() >= deadline:
            raise Timeout("the other end has not accepted the connection in time")
        time.sleep(_POLL)


def _in_hex(address: tuple[str, int]) -> str:
    """An address as /proc/net/tcp shows it: words of 32 bits in the machine's own byte order."""
    host, port = address[:2]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    packed = socket.inet_pton(family, host)
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"
