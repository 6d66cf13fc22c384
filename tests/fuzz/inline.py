"""A connection's driver that does everything in one thread, when it is told to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Local
from mpipc.capnp.threads import ThreadCapability
from mpipc.capnp.traffic import Traffic
from mpipc.errors import Timeout

Task = Callable[[], None]
R = TypeVar("R")


class InlineThread:
    """Stands for a thread: what is posted to it runs when its driver gets to it."""

    def __init__(self, driver: InlineDriver, name: str) -> None:
        self.name = name
        self.inbox = Inbox(driver, self)
        self.backlog: deque[Task] = deque()
        self.contexts: dict[Any, Any] = {}
        self.capability = ThreadCapability(self)
        self.pins: dict[Any, Any] = {}
        self.home: object = None
        self.nested = 0
        self.deadline: float | None = None
        self.reads = True
        self.is_main = False
        self.writing: Any = None

    def post(self, task: Task) -> None:
        self.inbox.put(task)

    def begin_waiting(self, channel: object) -> None:
        self.nested += 1

    def end_waiting(self, channel: object, home: object) -> None:
        self.nested -= 1

    def wake(self) -> None:
        """It does not sleep."""


class Inbox:
    """The tasks of one thread, in the order of all of the driver's."""

    def __init__(self, driver: InlineDriver, thread: InlineThread) -> None:
        self._driver = driver
        self._thread = thread

    def put(self, task: Task) -> None:
        self._driver.tasks.append((self._thread, task))

    def empty(self) -> bool:
        return all(thread is not self._thread for thread, _ in self._driver.tasks)


class _Never:
    """What nobody waits for."""

    done = False


class InlineDriver:
    """What the connection says is appended to `out`. `more` is called when a thread waits for an
    answer and there is nothing to run: it has something received, or returns False when nothing
    will come any more."""

    uses = 0
    memory = None
    call_timeout: float | None = None
    busy = waits = False

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.outbox = self
        self.traffic = Traffic()
        self.tasks: deque[tuple[InlineThread, Task]] = deque()
        self.out: list[bytes] = []
        self.more: Callable[[], bool] = lambda: False
        self.main = InlineThread(self, "main")
        self.stopped = False
        self._running = self.main
        # Who reads: the thread that waits for an answer, or that ran something last.
        self._reader = self.main
        self._ahead: deque[bytes] = deque()
        self._serving = self._receiving = False
        self._end: Connection

    def start(self, root: Local | None, limits: Limits) -> Connection:
        """The connection that it drives."""
        self._end = Connection(self, root, limits, tracebacks=False, observer=None)
        return self._end

    # ------------------------------------------------------------------- for the connection

    def current(self) -> InlineThread:
        return self._running

    def run_async(self, coroutine: Coroutine[Any, Any, R], started: Any) -> R:
        raise NotImplementedError("nothing in these tests is async")

    def in_thread(self, work: Callable[[], R], give_up: Callable[[], object]) -> Awaitable[R]:
        raise NotImplementedError("nothing in these tests is async")

    def start_worker(self, name: str) -> tuple[InlineThread, Task]:
        return InlineThread(self, name), lambda: None

    def post_pool(self, task: Task) -> None:
        self.tasks.append((InlineThread(self, "pool"), task))

    def post_io(self, task: Task) -> None:
        self.tasks.append((self.main, task))

    post_cleanup = post_io

    def pump(self) -> None:
        self.out += self._end.output()

    def tap(self, sent: Callable[[bytes], object]) -> None:
        raise NotImplementedError

    def touch(self, thread: Any) -> None:
        pass

    def pump_soon(self) -> None:
        pass

    def write(self, data: bytes) -> bool:
        self.out.append(data)
        self.busy = False
        return False

    def hand_over(self, thread: InlineThread, task: Task) -> None:
        thread.post(task)

    def answered(self, question: Any, thread: InlineThread) -> None:
        pass

    def drain(self) -> None:
        pass

    def expect(self, thread: Any) -> None:
        pass

    def claim(self, thread: Any) -> bool:
        return True

    def give_back(self, thread: Any) -> None:
        pass

    leave = recover = give_back

    def receive(self, received: list[bytes]) -> None:
        """As of a socket that does not wait."""
        if not self._ahead and not self._serving and not self.stopped:
            self._receiving = True
            try:
                self.more()
            finally:
                self._receiving = False
        if not self._ahead:
            raise BlockingIOError
        received.append(self._ahead.popleft())

    def failed_to_read(self, error: OSError) -> None:
        assert isinstance(error, BlockingIOError)

    def wait(self, question: Any, thread: Any, received: list[Any] | None = None) -> None:
        reader, self._reader = self._reader, thread
        home = thread.begin_waiting(self)
        try:
            if received:
                self._take(received)
            while not question.done:
                if self._ahead:
                    self._take([self._ahead.popleft()])
                elif not self.run_next() and not self.more():
                    raise Timeout("no answer in time")
        finally:
            thread.end_waiting(self, home)
            self._reader = reader

    def stop(self) -> None:
        self.stopped = True

    def describe(self) -> str:
        return "fuzzing"

    # ----------------------------------------------------------------------- for the harness

    def run_next(self) -> bool:
        """Run the next task; whether there was one."""
        if not self.tasks:
            return False
        before = self._running
        self._running, task = self.tasks.popleft()
        self._reader = self._running
        try:
            task()
        finally:
            self._running = before
        return True

    def feed(self, chunk: bytes) -> None:
        """Have something received, as a channel does."""
        if chunk:
            self._ahead.append(chunk)
        while self._ahead and not self._receiving:
            self._take([self._ahead.popleft()])

    def _take(self, received: list[Any]) -> None:
        end, before = self._end, self._running
        while received and not self.stopped:
            room = end.room
            if room is not None:
                chunk = received.pop()
                size = min(len(room), len(chunk))
                room[:size] = chunk[:size]
                end.filled(size)
                if chunk[size:]:
                    received.append(chunk[size:])
                continue
            reader = self._running = self._reader
            self._serving = True
            try:
                end.serve(_Never, reader, received)
                self._serving = False
                if received:
                    found = end.take(received, reader)
                    received.clear()
                    if found is not None and found is not end.handed_on:
                        end.execute(found, reader)  # type: ignore[arg-type]
            finally:
                self._running = before
                self._serving = False

    def sent(self) -> bytes:
        """All that was said since the last time."""
        with self.lock:
            self.pump()
        sent = b"".join(self.out)
        self.out.clear()
        return sent
