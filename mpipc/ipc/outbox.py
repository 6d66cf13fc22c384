"""What a channel has to write, and the socket does not take yet.

Writing never waits while the lock is held: what the socket does not take is queued, and the
channel's I/O thread writes it out as there is room.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from struct import pack
from typing import Any

_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_GATHER = 64  # parts that one sendmsg takes
_SMALL = 1 << 16  # bytes; joining such parts takes less time than handing over each
_LOW_WATER = 1 << 18  # bytes left to write below which a writer need not wait
# A peer that leaves this many bytes (more than any one message) unread and takes none of them for
# this long (seconds) is disconnected.
_HIGH_WATER = 1 << 27
_STALLED = 30.0


class Outbox:
    """The writing half of a socket. All but `full` and `drain` is called with the channel's lock
    held. `fd` is a descriptor of its own, which is registered with `epoll` while there is something
    to write: one descriptor can be registered only once.
    """

    def __init__(self, sock: socket.socket, lock: Any, epoll: select.epoll) -> None:
        self._sock = sock
        self._send = sock.send
        self._lock = lock
        self._epoll = epoll
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._progress = 0.0
        self._draining = 0
        # The part of the queue with which a descriptor goes, and that.
        self._passed: tuple[memoryview, socket.socket] | None = None
        self.stopped = False
        self.fd = os.dup(sock.fileno())
        epoll.register(self.fd, 0)

    def write(self, data: bytes) -> bool:
        """Write one piece, as far as that does not wait; whether it is `full` now."""
        if self._queue or self.stopped:
            self.write_all([data])
            return self.full
        try:
            sent = self._send(data, _SEND)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False  # whoever reads finds out why
        if sent == len(data):
            return False
        self.write_all([data[sent:]])
        return self.full

    def write_all(self, parts: list[bytes]) -> None:
        """Write many pieces."""
        if self.stopped:
            return
        if not self._queue:
            self._progress = time.monotonic()
        for part in pieces(parts):
            self._queue.append(memoryview(part))
            self._queued += len(part)
        self.go_on()

    def write_with(self, data: bytes, passed: socket.socket) -> None:
        """Write one piece, and pass a socket with it, which is closed here then."""
        self._forget_passed()
        if self.stopped:
            passed.close()
            return
        if not self._queue:
            self._progress = time.monotonic()
        part = memoryview(data)
        self._passed = part, passed
        self._queue.append(part)
        self._queued += len(data)
        self.go_on()

    def _ancillary(self, batch: list[memoryview]) -> list[tuple[int, int, bytes]]:
        """What to send a batch with; it is cut, if need be, since a descriptor goes with the first
        byte of one."""
        assert self._passed is not None
        part, passed = self._passed
        for index, each in enumerate(batch):
            if each is part:
                del batch[index or 1 :]
                return [] if index else [rights(passed.fileno())]
        return []

    def _forget_passed(self) -> None:
        if self._passed is not None:
            self._passed[1].close()
            self._passed = None

    def go_on(self) -> None:
        """Write what is queued, as far as that does not wait."""
        while self._queue:
            batch = [self._queue[i] for i in range(min(len(self._queue), _GATHER))]
            ancillary = self._passed and self._ancillary(batch)
            try:
                sent = self._sock.sendmsg(batch, ancillary or (), _SEND)
            except BlockingIOError:
                self._when_ready()
                break
            except OSError:
                self.clear()
                return
            if ancillary:
                self._forget_passed()
            self._queued -= sent
            self._progress = time.monotonic()
            while sent:
                head = self._queue[0]
                if sent < len(head):
                    self._queue[0] = head[sent:]
                    break
                sent -= len(head)
                self._queue.popleft()
        else:
            return
        stalled = time.monotonic() - self._progress
        if self._queued > _HIGH_WATER and stalled > _STALLED:
            # A peer that asks on and on and reads none of its answers.
            self.clear()
            self.shut_down()

    def clear(self) -> None:
        """Forget what is queued."""
        self._queue.clear()
        self._queued = 0
        self._forget_passed()

    def shut_down(self) -> None:
        """End the stream, both ways: whoever reads it wakes up."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was faster

    def _when_ready(self) -> None:
        if self._draining:
            return  # whoever drains goes on
        try:
            # The I/O thread goes on when there is room.
            self._epoll.modify(self.fd, select.EPOLLOUT | select.EPOLLONESHOT)
        except (OSError, ValueError):
            pass  # the channel was stopped meanwhile, and its descriptors are closed

    @property
    def full(self) -> bool:
        """Whether a writer should wait before it writes more."""
        return self._queued > _LOW_WATER

    def drain(self, stopped: Callable[[], bool]) -> None:
        """Wait until it is not full."""
        if not self.full:
            return
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        with self._lock:
            self._draining += 1
        try:
            while self.full and not stopped():
                poll.poll(1000)
                with self._lock:
                    self.go_on()
        finally:
            with self._lock:
                self._draining -= 1
                if self._queue:
                    self._when_ready()

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self.fd)
        self._forget_passed()


def rights(fd: int) -> tuple[int, int, bytes]:
    """What passes a descriptor, as `sendmsg` takes it."""
    return socket.SOL_SOCKET, socket.SCM_RIGHTS, pack("i", fd)


def pieces(parts: Sequence[bytes]) -> Iterator[bytes]:
    """The parts, runs of small ones joined, without empty ones: nothing can be sent of these."""
    for small, run in groupby(parts, lambda part: len(part) < _SMALL):
        if small:
            joined = b"".join(run)
            if joined:
                yield joined
        else:
            yield from run
