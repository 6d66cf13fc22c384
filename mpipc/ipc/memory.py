"""Shared memory of one channel, for large messages (`mpipc/capnp/sharing.py` says when).

The sender puts a message into a memfd and seals it, so that nobody can change or shorten it any
more, and passes the descriptor. The receiver looks at the seals and the size before it maps the
memory: without the seals, the other end could change what was checked already, or have a read end
in SIGBUS.
"""

from __future__ import annotations

import os
import socket
import weakref
from array import array
from collections.abc import Callable, Sequence
from fcntl import F_ADD_SEALS, F_GET_SEALS, F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE, fcntl, ioctl
from mmap import MAP_PRIVATE, PAGESIZE, PROT_READ, mmap
from struct import Struct
from termios import TIOCOUTQ
from typing import Any

from mpipc.capnp.frame import LONGEST_HEADER, MARK, MARKED
from mpipc.capnp.large import large_memory
from mpipc.errors import ProtocolError
from mpipc.ipc.outbox import Outbox, pieces, rights

_SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
_INT = Struct("i")
_ONE = socket.CMSG_SPACE(_INT.size)
_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
# Each mapping keeps a descriptor open. What is in more messages than this is copied.
_MAPPINGS = 64


class ChannelMemory:
    """See the module, and `Memory` of `mpipc/capnp/sharing.py`.

    `receive_by`: has the channel call another function instead of its socket's `recv`.
    `interrupted`: called when an exception from outside came in the middle of receiving.
    """

    def __init__(
        self,
        sock: socket.socket,
        outbox: Outbox,
        receive_by: Callable[[Callable[..., bytes]], None],
        interrupted: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._outbox = outbox
        self._receive_by = receive_by
        self._interrupted = interrupted
        self._out: socket.socket | None = None
        self._in: socket.socket | None = None
        self._kept: int | None = None
        # Makes room for a descriptor that comes when the process has no other.
        self._spare: int | None = None
        self._mapped: weakref.WeakSet[mmap] = weakref.WeakSet()

    # ------------------------------------------------------------------------------- sending

    def fill(self, parts: Sequence[bytes]) -> _Filled | None:
        """New memory with these parts in it; None where there cannot be any now."""
        out = self._out
        try:
            # One at a time, as the stream lets only so much be on its way.
            if out is None or _unread(out):
                return None
            return _Filled(out, parts)
        except (OSError, ValueError):
            return None  # no descriptor, no memory, or closed meanwhile

    def send_with_pair(self, data: bytes) -> None:
        """Send some bytes, and with them, if that is possible, one end of a new socket pair.
        Called with the channel's lock held."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            self._outbox.write_all([data])  # without, as the other end will say
        else:
            _close(self._out)
            self._out = ours
            self._outbox.write_with(data, theirs)

    # ----------------------------------------------------------------------------- receiving

    def keep_descriptors(self) -> None:
        """Keep a descriptor that comes with what is received from now on. Called while nobody
        receives."""
        self._receive_by(self._recv)

    def _recv(self, size: int, flags: int = 0) -> bytes:
        """As `socket.recv`, keeping a descriptor."""
        received: list[Any] = []
        flags |= socket.MSG_CMSG_CLOEXEC
        try:
            # In one step: an interrupt comes before or after it.
            received.extend(map(self._sock.recvmsg, (size,), (_ONE,), (flags,)))
            data, ancillary, _, _ = received[0]
            fd = _descriptor(ancillary)
            if fd is not None:
                self._drop_kept()
                self._kept = fd
            return bytes(data)
        except BaseException:
            if received:
                self._interrupted()
            raise

    def accept_pair(self) -> bool:
        """Use the socket that has come, and keep no descriptors from now on; whether one has."""
        self._receive_by(self._sock.recv)
        fd, self._kept = self._kept, None
        if fd is None:
            return False
        try:
            found = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            return False
        if (found.family, found.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
            found.close()
            return False
        _close(self._in)
        self._in = found
        self._reserve()
        return True

    def take(self, size: int) -> mmap:
        """The memory for which there was a mark of this size, mapped. Raises ProtocolError where it
        is not what it must be."""
        if self._in is None:
            raise ProtocolError("a mark for shared memory that was not agreed upon")
        self._drop_spare()
        try:
            _, ancillary, _, _ = self._in.recvmsg(
                1, _ONE, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
            )
            fd = _descriptor(ancillary)
        except OSError:
            fd = None
        if fd is None:
            raise ProtocolError("no memory came with a large message")
        try:
            _check(fd, size)
            return self._map(fd, size)
        finally:
            os.close(fd)
            self._reserve()

    def _reserve(self) -> None:
        self._drop_spare()
        if self._in is not None:
            try:
                self._spare = os.dup(self._in.fileno())
            except OSError:
                pass  # another thread was faster

    def _drop_spare(self) -> None:
        fd, self._spare = self._spare, None
        if fd is not None:
            os.close(fd)

    def _map(self, fd: int, size: int) -> mmap:
        if len(self._mapped) < _MAPPINGS:
            try:
                # Private: older kernels refuse to map sealed memory otherwise.
                mapped = mmap(fd, size, flags=MAP_PRIVATE, prot=PROT_READ)
            except OSError:
                pass  # no descriptor is left
            else:
                self._mapped.add(mapped)
                return mapped
        copy = large_memory(size)
        room = memoryview(copy)
        while room:
            count = os.preadv(fd, [room], size - len(room))
            if not count:
                raise ProtocolError("shared memory is shorter than it was")
            room = room[count:]
        return copy

    # -------------------------------------------------------------------------------- ending

    def close(self) -> None:
        """Close the descriptors."""
        _close(self._out)
        _close(self._in)
        self._out = self._in = None
        self._drop_kept()
        self._drop_spare()

    def _drop_kept(self) -> None:
        fd, self._kept = self._kept, None
        if fd is not None:
            os.close(fd)


class _Filled:
    """Memory with a message's parameters or results in it, behind room for a header."""

    def __init__(self, out: socket.socket, parts: Sequence[bytes]) -> None:
        self._fd = -1
        self._out = out
        self._fd = fd = os.memfd_create("mpipc", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.lseek(fd, LONGEST_HEADER, os.SEEK_SET)
        for piece in pieces(parts):
            view = memoryview(piece)
            while view:
                view = view[os.write(fd, view) :]

    def hand_over(self, header: bytes) -> bytes | None:
        """Put the header before them, seal it all, and pass the descriptor. Returns the mark; None
        if that failed."""
        at = LONGEST_HEADER - len(header)
        if at < 0:
            return None
        try:
            os.pwrite(self._fd, header, at)
            fcntl(self._fd, F_ADD_SEALS, _SEALS)
            self._out.sendmsg([b"\0"], [rights(self._fd)], _SEND)
            return MARK.pack(MARKED, at, os.fstat(self._fd).st_size)
        except OSError:
            return None
        finally:
            self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self._close()


def _check(fd: int, size: int) -> None:
    """Refuse what is no sealed memory of this size. Raises ProtocolError."""
    try:
        seals = fcntl(fd, F_GET_SEALS)
    except OSError:
        raise ProtocolError("a large message came in something that is no memory") from None
    if seals & _SEALS != _SEALS:
        raise ProtocolError("a large message came in memory that is not sealed")
    if os.fstat(fd).st_size != size:
        raise ProtocolError("a large message came in memory of another size than was announced")
    if os.fstatvfs(fd).f_bsize != PAGESIZE:
        # Of huge pages, reading may fail for want of one.
        raise ProtocolError("a large message came in memory of another kind")


def _unread(sock: socket.socket) -> bool:
    """Whether the other end has not taken all that was sent."""
    waiting = array("i", [0])
    ioctl(sock.fileno(), TIOCOUTQ, waiting)
    return waiting[0] > 0


def _descriptor(ancillary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """The descriptor that came; there is room for one."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(data) >= _INT.size:
            first, *others = (fd for (fd,) in _INT.iter_unpack(data[: len(data) & -_INT.size]))
            for fd in others:
                os.close(fd)
            return int(first)
    return None


def _close(sock: socket.socket | None) -> None:
    if sock is not None:
        sock.close()
