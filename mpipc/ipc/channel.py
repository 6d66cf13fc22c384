"""A connection's bytes and threads: who reads, who writes, who waits.

There is no event loop. A thread that waits for its answer reads the socket itself, so an answer
needs no hand-over between threads (`reader.py` says who reads when).

Writing never waits while the lock is held, and the thread that reads never waits to write: what
the socket does not take is queued, and the I/O thread writes it out (`outbox.py`). So two
peers that both send more than the sockets hold cannot block each other.
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
from collections.abc import Awaitable, Callable
from queue import Empty
from struct import pack
from time import perf_counter
from typing import Any, Protocol, TypeVar

from mpipc.capnp.frame import CHUNK
from mpipc.errors import Disconnected, Timeout
from mpipc.ipc import coroutines, forks, threads
from mpipc.ipc.alertness import Alertness
from mpipc.ipc.memory import ChannelMemory
from mpipc.ipc.outbox import Outbox
from mpipc.ipc.reader import TICK, ReaderRole
from mpipc.ipc.seconds import checked_seconds
from mpipc.ipc.threads import Budget, LocalThread, Pool, Task, Worker, turns

R = TypeVar("R")

_log = logging.getLogger("mpipc")
_CHUNK = (CHUNK,)
_AT_ONCE = (socket.MSG_DONTWAIT,)
# Seconds for which a thread looks whether something has come, before it sleeps: what it takes to
# wake the other end's, and an ordinary call.
_ALERT = 1e-4
_CLOSED = "the other end closed the connection"
# The main thread may be interrupted anywhere, such as between giving up the reader's role and
# having it guarded, and the I/O thread then tidies up within this time (seconds).
_TIDY_TICK = 1.0
_TIMEVAL = pack("@ll", 1, 0)


class Ticket(Protocol):
    """What a thread waits for."""

    done: bool


class ProtocolEnd(Protocol):
    """The protocol's side of a channel."""

    output: Callable[[], list[bytes]]
    """What is to be written. Called with the lock held."""

    room: memoryview | None
    """Where to receive more of a large message into; None for a chunk."""

    handed_on: object
    """What `take` returns when it gave another thread something to run."""

    def take(self, received: list[Any], thread: Any) -> object:
        """Take in a chunk, which may stay in `received`. Returns a call that `thread`, which calls
        this, should `execute`; `handed_on`; or None. Called without the lock, by one thread at a
        time."""

    def filled(self, count: int) -> object:
        """As `take`, for so many bytes that were received into `room`."""

    def execute(self, call: Any, thread: Any) -> None:
        """Run a call on the current thread."""

    def serve(self, ticket: Any, thread: Any, received: list[Any]) -> None:
        """Run the call that the thread has received, and those that it receives then, as long as
        they are as usual. What is left in `received` is to be taken in."""

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

    deferred: bool
    """Whether an answer given by any thread may give another thread something to run."""

    @property
    def idle(self) -> bool:
        """Whether nothing of this process uses the connection any more."""


class Channel:
    """One connected stream socket and the threads around it. It owns the socket.

    `close_when_idle`: end the connection when the last proxy is gone (a client's).
    `on_stop`: called by the I/O thread when the socket is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        description: str,
        *,
        pool_threads: int,
        budget: Budget | None = None,
    ) -> None:
        sock.setblocking(True)
        self.lock = threading.Lock()
        self._sock = sock
        self._recv: Callable[..., bytes] = sock.recv
        self._recv_into = sock.recv_into
        self._description = description
        self._alertness = Alertness()
        self.close_when_idle = False
        self.call_timeout: float | None = None
        self._end: ProtocolEnd
        self.stopped = False
        self._tick: float | None = None
        self._epoll = select.epoll()
        self._fd = sock.fileno()
        self._role = ReaderRole(self, self._epoll, self._fd)
        self.claim, self.give_back = self._role.claim, self._role.give_back
        self.leave = self._role.leave
        self.pump_soon = self._role.watch
        self.outbox = Outbox(sock, self.lock, self._epoll)
        self.memory = (
            ChannelMemory(sock, self.outbox, self._receive_by, self._interrupted)
            if sock.family == socket.AF_UNIX
            else None
        )
        self._kick: _Kick | None = _Kick()
        self._epoll.register(self._kick.fd, select.EPOLLIN)
        self._kicked = False
        self._io_tasks: deque[Task] = deque()
        self._budget = budget or Budget()
        self._pool = Pool(pool_threads, self._work_until, self._budget)
        self.io_thread: threading.Thread
        self.on_stop: Callable[[], None] | None = None

    def start(self, end: ProtocolEnd, name: str) -> None:
        """Begin to read, on behalf of `end`."""
        self._end = self._role.end = end
        forks.tell(self)
        self.io_thread = threading.Thread(target=self._io, name=name, daemon=True)
        self._role.arm()
        self.io_thread.start()

    def describe(self) -> str:
        return self._description

    # ------------------------------------------------------------------------------ threads

    current = staticmethod(threads.current)

    def start_worker(self, name: str) -> tuple[LocalThread, Callable[[], None]]:
        """Start a thread that runs what is posted to it, and a function that ends it. Raises
        RemoteError when there cannot be another one."""
        worker = Worker(name, self._work_until, self._budget)
        return worker.thread, worker.end

    def hand_over(self, thread: LocalThread, task: Task) -> None:
        """Have another thread run a task, when this one waits or soon after."""
        turns.add(thread, task)
        self._role.watch()

    def answered(self, ticket: Ticket, thread: LocalThread) -> None:
        """As `hand_over`, for a thread that waits for what is there now."""
        if self._role.asking.get(thread) is ticket:
            turns.add(thread, None)
            self._role.watch()

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

    run_async = staticmethod(coroutines.run)

    def in_thread(self, work: Callable[[], R], give_up: Callable[[], object]) -> Awaitable[R]:
        """Do work that may block on some thread, with the deadline of this one, to be awaited.
        `give_up` is called when nobody awaits it any more."""
        deadline = threads.current().deadline

        def within_deadline() -> R:
            thread = threads.current()
            thread.deadline = deadline
            try:
                return work()
            finally:
                thread.deadline = None

        return coroutines.in_thread(within_deadline, give_up)

    def post_io(self, task: Task) -> None:
        self._io_tasks.append(task)
        self.kick()

    # ------------------------------------------------------------------------------ waiting

    def expect(self, thread: LocalThread) -> None:
        """A thread begins to make calls."""
        if thread.is_main and self._tick is None:
            # Python notices an interrupt that comes right before a system call only after it.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL)
            self._tick = _TIDY_TICK
            self.kick()

    def recover(self, thread: LocalThread) -> None:
        """An exception has left a call between `claim` and the end of `wait`."""
        self._role.recover(thread)

    def wait(self, ticket: Ticket, thread: LocalThread, received: list[Any] | None = None) -> None:
        """Wait until the ticket is done; the thread runs what is posted to it meanwhile.

        `received` is what the thread has received already, and it has the reader's role then.
        Raises Timeout when the thread's deadline passes first. Only the thread itself calls this.
        """
        if received is None:
            received = []
        inbox, backlog, role = thread.inbox, thread.backlog, self._role
        home = thread.begin_waiting(self)
        try:
            while not ticket.done:
                aside = False
                if backlog and not received:
                    self.give_back(thread)
                    backlog.popleft()()
                    continue
                if received or (inbox.empty() and (thread.reads or self.claim(thread))):
                    # Whoever had the role before may have left something since it was looked for.
                    if not received and (ticket.done or backlog or not inbox.empty()):
                        continue
                    aside = self._read_until(ticket, thread, received)
                    if not aside:
                        continue
                    role.give_back_and_wait(thread)
                else:
                    self.give_back(thread)
                if not inbox.empty():
                    role.uses += 1  # it reads soon: no call has lasted long yet
                    self._run_next(thread)
                    continue
                waiting = role.idling if isinstance(ticket, Worker) else role.asking
                waiting[thread] = ticket
                # Whoever gives the role back, or has the answer, from now on sees that this thread
                # waits.
                if not ticket.done and (aside or not self.claim(thread)):
                    if turns.waiting:
                        turns.next()
                    self._run_next(thread)
                waiting.pop(thread, None)
        except Empty:
            raise Timeout("no answer in time") from None
        except BaseException:
            if received:
                self._end.interrupted()
            raise
        finally:
            if thread.reads:
                self.leave(thread)
            else:
                role.asking.pop(thread, None)
            thread.end_waiting(self, home)

    def _run_next(self, thread: LocalThread) -> None:
        """Wait for the next task in the inbox and run it. Whatever the handler of an interrupt
        raises, nothing that was taken from the inbox gets lost unnoticed."""
        taken: list[Task | None] = []
        left = None if thread.deadline is None else _left(thread)
        try:
            # In one step: an interrupt comes before or after it.
            taken.extend(map(thread.inbox.get, (True,), (left,)))
            task = taken[0]
            if task is not None:
                task()
        except BaseException as e:
            for task in taken:
                self._end.failed(task, e)
            raise

    def _read_until(self, ticket: Ticket, thread: LocalThread, received: list[Any]) -> bool:
        """Read, holding the reader's role, and run what comes for this thread, until the ticket is
        done or there is something else to run; it may have lost the role then. `received` holds
        what was received and is not taken in yet: an interrupt may come between any two steps.

        True: the thread steps aside, and is to go on at its inbox. Either others may post to it
        (see `claim`), or others have something to do now and the last of them reads.
        """
        end, inbox, backlog = self._end, thread.inbox, thread.backlog
        while not self.stopped:
            room = None
            if not received:
                room = end.room
                if thread.deadline is not None:
                    self._await_input(thread.deadline)
                try:
                    # In one step: an interrupt comes before or after it.
                    if room is None:
                        received.extend(map(self._recv, _CHUNK))
                    else:
                        received.extend(map(self._recv_into, (room,)))
                except OSError as e:
                    self.failed_to_read(e)
                    if ticket.done:
                        return False
                    continue
            if room is None:
                end.serve(ticket, thread, received)
                if not received:
                    if ticket.done or not thread.reads or backlog or not inbox.empty():
                        return False
                    continue
            found: Any = None
            if not received[0]:
                self._lost(_CLOSED)
            elif room is None:
                found = end.take(received, thread)
            else:
                found = end.filled(received[0])
            received.clear()
            if ticket.done:
                return False
            if found is not None and found is not end.handed_on:
                self.give_back(thread)
                try:
                    end.execute(found, thread)
                except BaseException as e:
                    end.failed(found, e)
                    raise
                found = None  # and with it the objects that the call came with
                if ticket.done or not thread.reads or backlog or not inbox.empty():
                    return False
            elif not inbox.empty():
                return False
            elif end.deferred:
                return True
            elif turns.waiting:
                self.give_back(thread)
                return True
        return True

    def failed_to_read(self, error: OSError) -> None:
        """What `receive` has raised: the connection is lost, unless it was only interrupted."""
        if not isinstance(error, BlockingIOError):
            self._lost(f"the connection broke: {error.strerror or error}")

    def _await_input(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        # Also when there always is something to read, but never the answer.
        if left <= 0 or not poll.poll(math.ceil(left * 1000)):
            raise Timeout("no answer in time")

    # ------------------------------------------------------------------------------ reading

    def receive(self, received: list[bytes]) -> None:
        """Receive a chunk, holding the reader's role. Raises OSError.

        Before it sleeps, the thread looks for a moment whether there is something, while that pays
        off and nobody else wants to go on.
        """
        alertness = self._alertness
        if alertness.sleepy:
            alertness.sleepy -= 1
        elif not self._role.asking:
            until = perf_counter() + _ALERT
            while not received:
                try:
                    # In one step: an interrupt comes before or after it.
                    received.extend(map(self._recv, _CHUNK, _AT_ONCE))
                except BlockingIOError:
                    if perf_counter() > until:
                        break
            else:
                alertness.slept = 1
                return
            alertness.failed()
        received.extend(map(self._recv, _CHUNK))

    def _receive_by(self, recv: Callable[..., bytes]) -> None:
        self._recv = recv

    def _interrupted(self) -> None:
        self._end.interrupted()

    def _lost(self, reason: str) -> None:
        self._end.lost(Disconnected(reason))

    # ------------------------------------------------------------------------------ writing

    def pump(self) -> None:
        """Write what there is to write, as far as that does not wait; or leave it to the thread
        that is writing. Called with the lock held."""
        outbox = self.outbox
        if not outbox.busy or outbox.waits:
            parts = self._end.output()
            if parts:
                outbox.write_all(parts)

    def tap(self, sent: Callable[[bytes], object]) -> None:
        """Have what is written passed to a function, too."""
        self.outbox.tap(sent)

    def touch(self, thread: LocalThread) -> None:
        """The thread will read soon, if nobody else waits for what arrives."""
        if self.claim(thread) and thread.home is None:
            self.give_back(thread)

    @property
    def uses(self) -> int:
        """How often a thread has received something itself."""
        return self._role.uses

    def drain(self) -> None:
        """Wait until most of what is to be written is written. Called without the lock.

        The I/O thread does not wait: it is the one that must go on reading.
        """
        if self.outbox.full and threading.current_thread() is not self.io_thread:
            self._role.give_back_and_wait(threads.current())
            self.outbox.drain(lambda: self.stopped)

    # ---------------------------------------------------------------------------- I/O thread

    def kick(self, write: Callable[[int, int], object] = os.eventfd_write) -> None:
        """Have the I/O thread look for work. Called in any thread, lock held or not, also while
        objects are garbage-collected, and when the interpreter has taken modules apart already."""
        kick = self._kick  # which keeps it open
        if kick is not None and not self._kicked:
            self._kicked = True
            write(kick.fd, 1)

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
        role = self._role
        ready = self._epoll.poll(TICK if role.watching else self._tick)
        for fd, _ in ready:
            if fd == self._fd:
                role.disarmed()
                self._guard()
            elif fd == self.outbox.fd:
                with self.lock:
                    self.outbox.go_on()
            else:
                self._work(fd)
        if role.watching:
            with self.lock:
                self.pump()
            self._end_when_idle()
            turns.check()
            if not turns.waiting and role.unused() and self._guard():
                role.was_late()
                turns.was_late()
        elif not ready:
            self._tidy_up()

    def _guard(self) -> bool:
        """Read what has arrived, if nobody else does; whether there was something."""
        thread = threads.current()
        if not self._role.take(thread):
            return False
        received = b""
        try:
            received = self._recv(*_CHUNK, *_AT_ONCE)
            if received:
                self._end.take([received], thread)
                turns.wake_all()
            else:
                self._lost(_CLOSED)
        except BlockingIOError:
            pass
        except OSError as e:
            self._lost(f"the connection broke: {e.strerror or e}")
        finally:
            self._role.give_back_and_wait(thread)
        return bool(received)

    def _tidy_up(self) -> None:
        """What an interrupted main thread may have left undone."""
        thread = threads.current()
        if self._role.take(thread):
            self._role.give_back_and_wait(thread)
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
        self._end_when_idle()

    def _end_when_idle(self) -> None:
        if self.close_when_idle and self._end.idle and not self._end.closed:
            self._end.lost(Disconnected("the connection was closed on this side"))

    # -------------------------------------------------------------------------------- ending

    def stop(self) -> None:
        """Shut the socket down: whoever reads it wakes up, and the I/O thread cleans up."""
        self.outbox.shut_down()
        self._pool.end()
        self.stopped = self.outbox.stopped = True
        self._kicked = False
        self.kick()

    def _release(self) -> None:
        """The I/O thread's last act: wait for the reader to leave, then close the descriptors."""
        while not self._role.take(threads.current()):
            time.sleep(TICK)
        with self.lock:
            self._kick = None
            self._epoll.close()
            self._sock.close()
            self.outbox.close()
            self._close_memory()
        if self.on_stop is not None:
            self.on_stop()

    def _close_memory(self) -> None:
        if self.memory is not None:
            self.memory.close()

    def forked(self) -> None:
        """Close this process's copies of the descriptors, without a word to the other end."""
        if self._kick is None:
            return
        self._kick = None
        self.stopped = self.outbox.stopped = True
        self._epoll.close()
        self._sock.close()
        self.outbox.close()
        self.outbox.clear()
        self._close_memory()
        self.lock = threading.Lock()
        self._pool = Pool(0, self._work_until, self._budget)
        self._end.forked()

    def join(self, timeout: float) -> None:
        """Wait until the channel's descriptors are closed, at most `timeout` seconds."""
        if threading.current_thread() is not self.io_thread:
            self.io_thread.join(timeout)


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


class within:
    """As `timeout`, for seconds that were checked before or computed, which may be none left."""

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


class timeout(within):
    """`with mpipc.timeout(seconds):` calls inside raise Timeout when they take longer.

    The seconds count from entering the block and hold for everything in it. Nested blocks: the
    earliest deadline counts. The late answer of a call that timed out is dropped; the remote method
    runs to its end.

    Raises TypeError and ValueError for what is no time.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(checked_seconds("seconds", seconds))
