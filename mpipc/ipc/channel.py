"""A connection's bytes and threads: who reads, who writes, who waits.

There is no event loop. A thread that waits for its answer reads the socket itself, so an answer
needs no hand-over between threads. Reading is a role that one thread holds at a time:

- a thread that waits (a caller, or an idle worker of a server) takes the role when it is free;
- it gives it back when its answer has come, or when it has something to run;
- while nobody holds it, the channel's I/O thread stands guard: its epoll is armed, and it reads
  what arrives. While somebody holds the role, the epoll is disarmed, and the I/O thread sleeps.

Writing never waits while the lock is held, and the thread that reads never waits to write: what
the socket does not take is queued, and the I/O thread writes it out. So two peers that both send
more than the sockets hold cannot block each other.
"""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import groupby
from queue import Empty
from typing import Any, Protocol

from mpipc.errors import Disconnected, Timeout
from mpipc.ipc import forks, threads
from mpipc.ipc.threads import LocalThread, Pool, Task, Worker

_log = logging.getLogger("mpipc")
# Bytes that are received at once. Larger ones would leave the processor's cache before they are
# looked at, and have their memory mapped anew each time: twice as long for a large message.
_CHUNK = 1 << 16
_SEND = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
_GATHER = 64  # parts that one sendmsg takes
_ARMED = select.EPOLLIN | select.EPOLLONESHOT
_LOW_WATER = 1 << 18  # bytes left to write below which a writer need not wait
# A peer that leaves this many bytes (more than any one message) unread and takes none of them for
# this long (seconds) is disconnected.
_HIGH_WATER = 1 << 27
_STALLED = 30.0
# The main thread may be interrupted anywhere, such as between giving up the reader's role and
# arming the epoll, and the I/O thread then tidies up within this time (seconds).
_GUARD_TICK = 1.0


class Ticket(Protocol):
    """What a thread waits for."""

    done: bool


class ProtocolEnd(Protocol):
    """The protocol's side of a channel."""

    output: Callable[[], list[bytes]]
    """What is to be written. Called with the lock held."""

    def feed(self, received: bytes) -> bool:
        """Take in a chunk; whether it gave another thread something to run. Called without the
        lock, by one thread at a time."""

    def lost(self, error: Disconnected) -> None:
        """The transport is gone. Called without the lock, and perhaps again."""

    def interrupted(self) -> None:
        """An exception from outside came in the middle of a message. As `lost`."""

    def forked(self) -> None:
        """This is a forked child: the channel has a new lock, and nothing else is left of it."""

    def failed(self, task: Task | None, error: BaseException) -> None:
        """An exception has left a task, perhaps before it had begun."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""

    @property
    def deferred(self) -> bool:
        """Whether an answer given by any thread may give another thread something to run."""

    @property
    def idle(self) -> bool:
        """Whether nothing of this process uses the connection any more."""


class Channel:
    """One connected stream socket and the threads around it. It owns the socket.

    `close_when_idle`: end the connection when the last proxy is gone (a client's).
    `on_stop`: called by the I/O thread when the socket is closed.
    """

    def __init__(self, sock: socket.socket, description: str, *, pool_threads: int) -> None:
        sock.setblocking(True)
        self.lock = threading.Lock()
        self._sock = sock
        self._description = description
        self.close_when_idle = False
        # Its owner is the reader. Re-entrant locks know their owner, whatever interrupts it.
        self._reading = threading.RLock()
        self._end: ProtocolEnd
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        self._progress = time.monotonic()
        self.stopped = False
        self._guard_tick: float | None = None
        self._epoll = select.epoll()
        self._epoll.register(sock.fileno(), 0)
        # A second descriptor, since one can be registered only once: its readiness to write.
        self._out = os.dup(sock.fileno())
        self._epoll.register(self._out, 0)
        self._kick: _Kick | None = _Kick()
        self._epoll.register(self._kick.fd, select.EPOLLIN)
        self._kicked = False
        self._io_tasks: deque[Task] = deque()
        self._pool = Pool(pool_threads, self._work_until)
        self.io_thread: threading.Thread
        self.on_stop: Callable[[], None] | None = None

    def start(self, end: ProtocolEnd, name: str) -> None:
        """Begin to read, on behalf of `end`."""
        self._end = end
        forks.tell(self)
        self.io_thread = threading.Thread(target=self._io, name=name, daemon=True)
        self._arm()
        self.io_thread.start()

    def describe(self) -> str:
        return self._description

    # ------------------------------------------------------------------------------ threads

    current = staticmethod(threads.current)

    def start_worker(self, name: str) -> tuple[LocalThread, Callable[[], None]]:
        """Start a thread that runs what is posted to it, and a function that ends it."""
        worker = Worker(name, self._work_until)
        return worker.thread, worker.end

    def _work_until(self, worker: Worker, thread: LocalThread) -> None:
        try:
            self.wait(worker, thread)
        except BaseException as e:
            # A defect, but nobody may wait for ever because of it.
            _log.exception("a worker thread failed")
            self._end.lost(Disconnected(f"a worker thread failed: {e!r}"))

    def post_pool(self, task: Task) -> None:
        self._pool.post(task)

    def post_cleanup(self, task: Task) -> None:
        threads.cleanup.post(task)

    def post_io(self, task: Task) -> None:
        self._io_tasks.append(task)
        self.kick()

    # ------------------------------------------------------------------------------ waiting

    def claim(self, thread: LocalThread) -> None:
        """Take the reader's role, if it is free, for a thread that is about to write what will be
        answered soon. Taken after the write, the answer might wake the I/O thread first.

        A thread that sleeps in the socket does not notice what other threads post to it. So one
        that can be called through another connection, too, does not read but waits at its inbox,
        and nobody but the I/O thread reads while answers may set off calls.
        """
        if thread.away or thread.reads or (thread.home is not self and thread.home is not None):
            return
        if self._end.deferred:
            return
        if not self.stopped and self._reading.acquire(False):
            thread.reads = True
            try:
                self._epoll.modify(self._sock, 0)
            except (OSError, ValueError):
                pass  # stopped meanwhile

    def yield_role(self, thread: LocalThread) -> None:
        """Give the reader's role back, if the thread has it."""
        if thread.reads:
            thread.reads = False
            self._reading.release()
            try:
                self._epoll.modify(self._sock, _ARMED)
            except (OSError, ValueError):
                pass  # stopped meanwhile

    def recover(self, thread: LocalThread) -> None:
        """Give the reader's role back after an interrupt, which may have come between any two
        steps of `claim` and `yield_role`."""
        thread.reads = False
        try:
            while True:
                self._reading.release()
        except RuntimeError:
            pass  # the thread does not have it, or no longer
        self._arm()

    def wait(self, ticket: Ticket, thread: LocalThread) -> None:
        """Wait until the ticket is done; the thread runs what is posted to it meanwhile.

        Raises Timeout when the thread's deadline passes first. Only the thread itself calls this.
        """
        inbox = thread.inbox
        before = thread.home, thread.nested, thread.away
        try:
            if thread.home is None:
                thread.home = self
            else:
                thread.nested += 1
                thread.away += thread.home is not self
            while not ticket.done:
                if inbox.empty():
                    if not thread.reads:
                        self.claim(thread)
                    if thread.reads and self._read_until(ticket, thread):
                        continue
                self.yield_role(thread)
                if thread.is_main:
                    self._run_next_safely(thread)
                    continue
                task = inbox.get() if thread.deadline is None else inbox.get(True, _left(thread))
                if task is not None:
                    task()
                    del task  # and with it the objects that a call came with
        except Empty:
            raise Timeout("no answer in time") from None
        finally:
            self.yield_role(thread)
            thread.home, thread.nested, thread.away = before

    def _run_next_safely(self, thread: LocalThread) -> None:
        """Run the next task in the inbox of the thread that signals interrupt: whatever their
        handlers raise, nothing that was taken from the inbox gets lost unnoticed."""
        taken: list[Task | None] = []
        left = None if thread.deadline is None else _left(thread)
        try:
            # In one step: an interrupt comes before or after it.
            taken.extend(map(thread.inbox.get, (True,), (left,)))
            if taken[0] is not None:
                taken[0]()
        except BaseException as e:
            for task in taken:
                self._end.failed(task, e)
            raise

    def _read_until(self, ticket: Ticket, thread: LocalThread) -> bool:
        """Read, holding the reader's role, until the ticket is done or there is a task to run.

        False: it must go on at its inbox. Either others may post to it (see `claim`), or a worker
        that has nothing to do read what another thread has to run: it steps aside, so that the busy
        one can be the reader from now on.
        """
        inbox = thread.inbox
        if self._guard_tick is None and thread.is_main:
            self._guard_tick = _GUARD_TICK
            self.kick()
        while not ticket.done and inbox.empty() and not self.stopped:
            if thread.deadline is not None:
                self._await_input(thread.deadline)
            handed_over = self._receive_safely() if thread.is_main else self._receive(0)
            if self._end.deferred or (handed_over and isinstance(ticket, Worker)):
                break
        return ticket.done or not inbox.empty()

    def _await_input(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        # Also when there always is something to read, but never the answer.
        if left <= 0 or not poll.poll(math.ceil(left * 1000)):
            raise Timeout("no answer in time")

    # ------------------------------------------------------------------------------ reading

    def _receive(self, flags: int) -> bool:
        """Read once and hand it to the protocol; whether that gave another thread something to run.
        The caller holds the reader's role."""
        try:
            received = self._sock.recv(_CHUNK, flags)
        except BlockingIOError:
            return False
        except OSError as e:
            return self._broke(e)
        return self._end.feed(received) if received else self._closed()

    def _receive_safely(self) -> bool:
        """As `_receive`, in the thread that signals interrupt: whatever their handlers raise,
        nothing that was received gets lost unnoticed."""
        received: list[bytes] = []
        try:
            # In one step: an interrupt comes before or after it.
            received.extend(map(self._sock.recv, (_CHUNK,)))
            return self._end.feed(received[0]) if received[0] else self._closed()
        except OSError as e:
            if received:
                raise
            return self._broke(e)
        except BaseException:
            if received:
                self._end.interrupted()
            raise

    def _closed(self) -> bool:
        self._end.lost(Disconnected("the other end closed the connection"))
        return False

    def _broke(self, error: OSError) -> bool:
        self._end.lost(Disconnected(f"the connection broke: {error.strerror or error}"))
        return False

    def _arm(self) -> None:
        self._set_interest(self._sock, _ARMED)

    def _set_interest(self, fd: Any, events: int) -> None:
        try:
            self._epoll.modify(fd, events)
        except (OSError, ValueError):
            pass  # the channel was stopped meanwhile, and its descriptors are closed

    # ------------------------------------------------------------------------------ writing

    def pump(self) -> None:
        """Write what can be written without waiting. Called with the lock held."""
        parts = self._end.output()
        if not self._queue:
            if not parts or self.stopped:
                return
            size = sum(map(len, parts))
            if size < _CHUNK:
                data = b"".join(parts)
                try:
                    sent = self._sock.send(data, _SEND)
                except BlockingIOError:
                    sent = 0
                except OSError:
                    return  # whoever reads finds out why
                if sent == size:
                    return
                parts = [data[sent:]]
        if not self._queue:
            self._progress = time.monotonic()
        for part in _pieces(parts):
            self._queue.append(memoryview(part))
            self._queued += len(part)
        self._write_queue()

    def _write_queue(self) -> None:
        while self._queue:
            batch = [self._queue[i] for i in range(min(len(self._queue), _GATHER))]
            try:
                sent = self._sock.sendmsg(batch, (), _SEND)
            except BlockingIOError:
                # The I/O thread goes on when there is room.
                self._set_interest(self._out, select.EPOLLOUT | select.EPOLLONESHOT)
                break
            except OSError:
                self._queue.clear()
                self._queued = 0
                return
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
            self._queue.clear()
            self._queued = 0
            self._shutdown()

    def drain(self) -> None:
        """Wait until most of what is to be written is written. Called without the lock.

        The I/O thread does not wait: it is the one that must go on reading.
        """
        if self._queued <= _LOW_WATER or threading.current_thread() is self.io_thread:
            return
        self.yield_role(threads.current())
        while self._queued > _LOW_WATER and not self.stopped:
            poll = select.poll()
            poll.register(self._out, select.POLLOUT)
            poll.poll(1000)
            with self.lock:
                self._write_queue()

    # ---------------------------------------------------------------------------- I/O thread

    def kick(self) -> None:
        """Have the I/O thread look for work. Called in any thread, lock held or not, also while
        objects are garbage-collected."""
        kick = self._kick  # which keeps it open
        if kick is not None and not self._kicked:
            self._kicked = True
            os.eventfd_write(kick.fd, 1)

    def _io(self) -> None:
        threads.adopt(threading.current_thread().name)
        try:
            while not self.stopped:
                self._look_around()
        except Exception as e:
            # A defect, but nobody may wait for ever because of it.
            _log.exception("the I/O thread failed")
            self._end.lost(Disconnected(f"the I/O thread failed: {e!r}"))
        finally:
            # In case that whoever stopped the channel was interrupted.
            self._end.lost(Disconnected("the connection was closed on this side"))
            self._release()

    def _look_around(self) -> None:
        ready = self._epoll.poll(self._guard_tick)
        for fd, _ in ready:
            if fd == self._sock.fileno():
                self._guard()
            elif fd == self._out:
                with self.lock:
                    self._write_queue()
            else:
                self._work(fd)
        if not ready:
            self._tidy_up()

    def _guard(self) -> None:
        """Something has arrived while nobody reads."""
        if self._reading.acquire(False):
            try:
                self._receive(socket.MSG_DONTWAIT)
            finally:
                self._reading.release()
            self._arm()

    def _tidy_up(self) -> None:
        """What an interrupted main thread may have left undone."""
        if self._reading.acquire(False):
            self._reading.release()
            self._arm()
        self._kicked = False
        with self.lock:
            self.pump()

    def _work(self, kick_fd: int) -> None:
        os.eventfd_read(kick_fd)
        # Before looking: whoever comes later kicks again.
        self._kicked = False
        with self.lock:
            self.pump()
        while self._io_tasks:
            threads.run(self._io_tasks.popleft())
        if self.close_when_idle and self._end.idle and not self._end.closed:
            self._end.lost(Disconnected("the connection was closed on this side"))

    # -------------------------------------------------------------------------------- ending

    def stop(self) -> None:
        """Shut the socket down: whoever reads it wakes up, and the I/O thread cleans up."""
        self._shutdown()
        self._pool.end()
        self.stopped = True
        self._kicked = False
        self.kick()

    def _shutdown(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was faster

    def _release(self) -> None:
        """The I/O thread's last act: wait for the reader to leave, then close the descriptors."""
        with self._reading, self.lock:
            self._kick = None
            self._epoll.close()
            self._sock.close()
            os.close(self._out)
        if self.on_stop is not None:
            self.on_stop()

    def forked(self) -> None:
        """Close this process's copies of the descriptors, without a word to the other end."""
        if self._kick is None:
            return
        self._kick = None
        self.stopped = True
        self._epoll.close()
        self._sock.close()
        os.close(self._out)
        self._queue.clear()
        self._queued = 0
        self.lock = threading.Lock()
        self._reading = threading.RLock()
        self._pool = Pool(0, self._work_until)
        self._end.forked()

    def join(self, timeout: float) -> None:
        """Wait until the channel's descriptors are closed, at most `timeout` seconds."""
        if threading.current_thread() is not self.io_thread:
            self.io_thread.join(timeout)


def _pieces(parts: list[bytes]) -> Iterator[bytes]:
    """The parts, runs of small ones joined: copying them takes less time than handing over each."""
    for small, run in groupby(parts, lambda part: len(part) < _CHUNK):
        if small:
            yield b"".join(run)
        else:
            yield from run


def _left(thread: LocalThread) -> float:
    """Seconds until the thread's deadline."""
    assert thread.deadline is not None
    return max(0.0, thread.deadline - time.monotonic())


class _Kick:
    """An eventfd that is closed as soon as nobody uses it any more."""

    fd = -1

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if self.fd >= 0:
            close(self.fd)


class timeout:
    """`with mpipc.timeout(seconds):` calls inside raise Timeout when they take longer.

    The seconds count from entering the block and hold for everything in it. Nested blocks: the
    earliest deadline counts. The late answer of a call that timed out is dropped; the remote method
    runs to its end.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._outer: float | None = None

    def __enter__(self) -> None:
        thread = threads.current()
        self._outer = thread.deadline
        deadline = time.monotonic() + self._seconds
        thread.deadline = deadline if self._outer is None else min(deadline, self._outer)

    def __exit__(self, *exc_info: object) -> None:
        threads.current().deadline = self._outer
