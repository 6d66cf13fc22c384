"""What a channel writes, and what the socket does not take yet.

One thread writes at a time. What others have to write meanwhile they leave to it, so that no thread
waits for another one's system call, and what comes together goes out together. Nobody ever waits
for the socket: what it does not take is queued, and the channel's I/O thread writes it out as there
is room.
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

from mpipc.capnp.traffic import Traffic

_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_GATHER = 64  # parts that one sendmsg takes
_SMALL = 1 << 16  # bytes; joining such parts takes less time than handing over each
_LOW_WATER = 1 << 18  # bytes left to write below which a writer need not wait
# A peer that leaves this many bytes (more than any one message) unread and takes none of them for
# this long (seconds) is disconnected.
_HIGH_WATER = 1 << 27
_STALLED = 30.0


class Outbox:
    """The writing half of a socket. All but `write`, `full` and `drain` is called with the
    channel's lock held. `fd` is a descriptor of its own, which is registered with `epoll` while
    there is something to write: one descriptor can be registered only once.

    `busy`: a thread is in `write`, or something is queued. Set by whoever is about to call `write`,
    with the lock held. Whoever finds it set leaves what it has to write where the writer looks for
    it afterwards.
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
        self.busy = False
        self.stopped = False
        self.traffic = Traffic()
        self.fd = os.dup(sock.fileno())
        epoll.register(self.fd, 0)

    def write(self, data: bytes) -> bool:
        """Write one piece, as far as that does not wait; whether it is `full` now. Called without
        the lock, by the thread that has set `busy`."""
        size = len(data)
        self.traffic.sent += size
        try:  # as `_sent`, without a call more
            sent = self._send(data, _SEND)
        except OSError:
            sent = self._sent(data)
        if sent == size:
            self.busy = False
            return False
        with self._lock:
            self._add([data[sent:]])
        return self.full

    def write_all(self, parts: list[bytes]) -> None:
        """Write many pieces, behind what is queued."""
        self.traffic.sent += sum(map(len, parts))
        if not self._queue and len(parts) == 1 and not self.stopped:
            rest = parts[0][self._sent(parts[0]) :]
            if not rest:
                return
            parts = [rest]
        self._add(parts)

    def tap(self, sent: Callable[[bytes], object]) -> None:
        """Have what is written passed to a function, too."""
        # The methods are replaced, so that an outbox that nobody taps pays nothing.
        write, write_all = self.write, self.write_all

        def tapped_write(data: bytes) -> bool:
            sent(data)
            return write(data)

        def tapped_write_all(parts: list[bytes]) -> None:
            for part in parts:
                sent(part)
            write_all(parts)

        self.__dict__.update(write=tapped_write, write_all=tapped_write_all)

    def _sent(self, data: bytes) -> int:
        """How much of it the socket takes."""
        try:
            return self._send(data, _SEND)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # whoever reads finds out why

    def _add(self, parts: list[bytes]) -> None:
        """Queue pieces, and write what can be written."""
        if self.stopped:
            return
        if not self._queue:
            self._progress = time.monotonic()
        for part in pieces(parts):
            self._queue.append(memoryview(part))
            self._queued += len(part)
            self.busy = True
        self.go_on()

    def write_with(self, data: bytes, passed: socket.socket) -> None:
        """Write one piece, behind what is queued, and pass a socket with it, which is closed here
        then."""
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
        self.busy = True
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

    @property
    def waits(self) -> bool:
        """Whether something is queued."""
        return bool(self._queue)

    def go_on(self) -> None:
        """Write what is queued, as far as that does not wait."""
        if not self._queue:
            return
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
            self.busy = False
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
        self.busy = False

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
