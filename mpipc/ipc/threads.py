"""Threads that can be asked to run something while they wait.

Every thread that uses a connection has a `LocalThread`: an inbox of tasks, which the thread runs
whenever it waits for an answer. A `Worker` is a thread that does nothing but that. This is what
lets a callback run on the very thread that made the call (WIRE.md, "A call").
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from mpipc.capnp.threads import ThreadCapability
from mpipc.errors import RemoteError
from mpipc.ipc import forks

Task = Callable[[], None]
_log = logging.getLogger("mpipc")
_EAGER = 256  # times that a thread is woken at once, after one has waited long


class LocalThread:
    """A thread of this process and its inbox. None in the inbox only wakes the thread up.

    `contexts`: for each connection, the peer's thread that runs this thread's calls. `pins`: for
    each connection, what to call when the thread ends. `deadline`: on the monotonic clock, None for
    none.
    `home`: the channel that this thread waits on, outermost; `nested`: how many waits are nested in
    that one, and `away`: how many of them are on other channels; `reads`: whether it has the
    reader's role of its home; `writing`: the connection that it is in the middle of a message to.
    `is_main`: the thread that signals interrupt. `backlog`: calls that came together with one that
    it runs, and that it is to run next.
    """

    __slots__ = (
        "name", "ident", "inbox", "backlog", "contexts", "capability", "pins", "deadline", "home",
        "nested", "away", "reads", "writing", "is_main", "__weakref__",
    )  # fmt: skip

    def __init__(self, name: str, ident: int) -> None:
        self.name = name
        self.ident = ident
        self.inbox: SimpleQueue[Task | None] = SimpleQueue()
        self.backlog: deque[Task] = deque()
        self.contexts: dict[Any, Any] = {}
        self.capability = ThreadCapability(self)
        self.pins: dict[Any, Any] = {}
        self.deadline: float | None = None
        self.home: object = None
        self.nested = 0
        self.away = 0
        self.reads = False
        self.writing: Any = None
        self.is_main = ident == threading.main_thread().ident

    def forked(self) -> None:
        """Only the thread that forked is left, and it is the main thread now."""
        self.is_main = True

    def begin_waiting(self, channel: object) -> object:
        """The thread begins to wait on a channel. Returns what `end_waiting` is to be told."""
        home = self.home
        if home is None:
            self.home = channel
        else:
            self.nested += 1
            self.away += home is not channel
        return home

    def end_waiting(self, channel: object, home: object) -> None:
        """The wait has ended."""
        if home is None:
            self.home = None
        else:
            self.nested -= 1
            self.away -= home is not channel

    def post(self, task: Task) -> None:
        """Queue a task; the thread runs it when it is idle or waits for an answer."""
        self.inbox.put(task)

    def wake(self) -> None:
        """Make the thread look whether its answer has come; the thread itself knows already."""
        if threading.get_ident() != self.ident:
            self.inbox.put(None)


class _Turns:
    """Threads that have something to do and still sleep.

    Python runs one thread at a time. Threads that are woken together queue up for that, which costs
    several times what their work does. So they are woken one by one: whoever is about to wait wakes
    the next one. When nobody does for a few milliseconds, because a thread runs something long, an
    I/O thread wakes them all, and for some time whoever has something to do is woken at once.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[LocalThread, Task | None]] = deque()
        self._seen: object = None
        self._eager = 0
        forks.tell(self)

    def add(self, thread: LocalThread, task: Task | None) -> None:
        """A thread has something to run; or, with None, to look at. The caller is about to wait,
        and the I/O thread of a channel watches."""
        if self._eager:
            self._eager -= 1
            thread.inbox.put(task)
        else:
            self.waiting.append((thread, task))

    def next(self) -> None:
        """Wake one thread, if there is one to wake."""
        try:
            thread, task = self.waiting.popleft()
        except IndexError:
            return
        thread.inbox.put(task)

    def wake_all(self) -> None:
        """Wake all of them, on behalf of a thread that goes on with something else."""
        while self.waiting:
            self.next()

    def check(self) -> None:
        """Wake all if nobody has taken turns since the last time. I/O threads call this every few
        milliseconds."""
        waiting = self.waiting
        first = waiting[0] if waiting else None
        if first is not None and first is self._seen:
            self.was_late()
            self.wake_all()
        self._seen = first

    def was_late(self) -> None:
        """Something had to be done that nobody has come to."""
        self._eager = _EAGER

    def forked(self) -> None:
        self.waiting.clear()


turns = _Turns()
_current = threading.local()


def current() -> LocalThread:
    """The calling thread's LocalThread."""
    try:
        found: LocalThread = _current.thread
    except AttributeError:
        found = adopt(threading.current_thread().name)
    return found


def adopt(name: str) -> LocalThread:
    """Make a LocalThread for the calling thread."""
    _current.thread = thread = LocalThread(name, threading.get_ident())
    _current.end = _End(thread)
    forks.tell(thread)
    return thread


class _End:
    """Lives as long as its thread, and then lets go of what others keep for the thread."""

    def __init__(self, thread: LocalThread) -> None:
        self._thread = thread

    def __del__(self) -> None:
        self._thread.contexts.clear()
        while self._thread.pins:
            self._thread.pins.popitem()[1]()


class Budget:
    """How many worker threads there may be together; every one that ends makes room."""

    def __init__(self, limit: float = math.inf) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._used = 0

    def take(self) -> None:
        """Raises RemoteError when there are as many as there may be."""
        with self._lock:
            if self._used >= self._limit:
                raise RemoteError(f"more than {self._limit} threads over all connections")
            self._used += 1

    def give_back(self) -> None:
        with self._lock:
            self._used -= 1


class Worker:
    """A thread that runs what is posted to it, until `end` is called and its inbox is empty.

    `done` is its ticket: `wait_until(worker, thread)` of a channel returns once it is set. Raises
    RemoteError when there cannot be another thread.
    """

    def __init__(
        self, name: str, wait_until: Callable[[Worker, LocalThread], None], budget: Budget
    ) -> None:
        self.done = False
        self._wait_until = wait_until
        self._budget = budget
        self._ready = threading.Event()
        self.thread: LocalThread
        self._os_thread = threading.Thread(target=self._run, name=name, daemon=True)
        budget.take()
        try:
            self._os_thread.start()
        except RuntimeError as e:
            budget.give_back()
            raise RemoteError(str(e)) from None
        self._ready.wait()

    def _run(self) -> None:
        try:
            self.thread = adopt(self._os_thread.name)
            self._ready.set()
            self._wait_until(self, self.thread)
        finally:
            self._budget.give_back()

    def end(self) -> None:
        """Let the thread end, after what it was asked to run so far. May be called by itself."""
        self.thread.post(self._end)

    def _end(self) -> None:
        self.done = True


class Pool:
    """Worker threads for calls that name no thread: one per call in progress, reused, at most
    `limit` and as the budget has room for; calls beyond that queue."""

    def __init__(
        self, limit: int, wait_until: Callable[[Worker, LocalThread], None], budget: Budget
    ) -> None:
        self._limit = limit
        self._wait_until = wait_until
        self._budget = budget
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._workers: list[Worker] = []
        self._queue: list[Task] = []

    def post(self, task: Task) -> None:
        """Run the task on an idle worker, on a new one, or on the first that becomes idle. Raises
        RemoteError when there is none, and can be none."""
        with self._lock:
            worker = self._idle.pop() if self._idle else self._another()
            if worker is None:
                self._queue.append(task)
                return
        worker.thread.post(lambda: self._run(worker, task))

    def _another(self) -> Worker | None:
        if len(self._workers) >= self._limit:
            return None
        try:
            worker = Worker(f"pool-{len(self._workers)}", self._wait_until, self._budget)
        except RemoteError:
            if not self._workers:
                raise
            return None
        self._workers.append(worker)
        return worker

    def _run(self, worker: Worker, task: Task) -> None:
        while True:
            run(task)
            with self._lock:
                if not self._queue:
                    self._idle.append(worker)
                    return
                task = self._queue.pop(0)

    def end(self) -> None:
        """Let every worker end, and start no other."""
        with self._lock:
            workers, self._workers = self._workers, []
            self._idle.clear()
            self._limit = 0
        for worker in workers:
            worker.end()


def run(task: Task) -> None:
    """Run a task of a worker; what it raises is logged, since nobody else would see it."""
    try:
        task()
    except BaseException:
        _log.exception("a task failed")


class _Cleanup:
    """One thread for the whole process that lets objects of gone peers end, however long that
    takes them; started when it is first needed."""

    def __init__(self) -> None:
        self.forked()
        forks.tell(self)

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._started = False

    def post(self, task: Task) -> None:
        self._tasks.put(task)
        with self._lock:
            if not self._started:
                threading.Thread(target=self._run, name="mpipc-cleanup", daemon=True).start()
                self._started = True

    def _run(self) -> None:
        while True:
            run(self._tasks.get())


cleanup = _Cleanup()
