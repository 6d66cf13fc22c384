"""What a connection needs of the layer below it, which has the sockets and the threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

from mpipc.capnp import threads
from mpipc.capnp.session import (
    Lane,
    OwnThread,
    Question,
)
from mpipc.capnp.sharing import Memory
from mpipc.capnp.threads import ThreadCapability
from mpipc.capnp.traffic import Tap, Traffic

R = TypeVar("R")


class DriverThread(threads.Thread, Protocol):
    """A thread as the driver knows it."""

    contexts: dict[Any, Lane | None]
    capability: ThreadCapability
    pins: dict[Any, OwnThread]
    reads: bool
    inbox: Any
    backlog: deque[Callable[[], None]]
    home: object
    nested: int
    deadline: float | None
    is_main: bool
    writing: Any

    def begin_waiting(self, channel: Any) -> object:
        """The thread begins to wait, for what a driver has. Returns what `end_waiting` is to be
        told."""

    def end_waiting(self, channel: Any, home: Any) -> None:
        """The wait has ended."""

    def wake(self) -> None:
        """Make the thread look whether its answer has come."""


class Writing(Protocol):
    """How a driver writes what is all there is to write."""

    busy: bool
    """Whether `pump` is to be called instead. To be set before `write` is called."""

    traffic: Traffic
    """What goes over the connection; what is written is counted here."""

    @property
    def waits(self) -> bool:
        """Whether that is because the other end does not take more now."""

    def write(self, data: bytes) -> bool:
        """Write one piece, as far as that does not wait; whether there is so much left that the
        caller should `drain`, if it may wait. Called without the lock. Afterwards somebody has to
        `pump` what others left meanwhile."""


class Driver(Protocol):
    """What a connection needs of the layer below it."""

    lock: Any

    @property
    def memory(self) -> Memory | None:
        """By which large messages can be shared; None where nothing is shared."""

    @property
    def outbox(self) -> Writing:
        """For whatever is sent often."""

    def current(self) -> DriverThread:
        """The calling thread."""

    def hand_over(self, thread: Any, task: Callable[[], None]) -> None:
        """Have another thread run a task, when this one waits or soon after."""

    def answered(self, question: Question, thread: Any) -> None:
        """As `hand_over`, for a thread that waits for an answer that is there now."""

    def start_worker(self, name: str) -> tuple[DriverThread, Callable[[], None]]:
        """Start a thread that runs what is posted to it, and a function that ends it."""

    def post_pool(self, task: Callable[[], None]) -> None:
        """Run a task on some worker thread."""

    def post_io(self, task: Callable[[], None]) -> None:
        """Run a task on the connection's I/O thread."""

    def post_cleanup(self, task: Callable[[], None]) -> None:
        """Run a task that may block and that nobody waits for."""

    def pump(self) -> None:
        """Write what there is to write, as far as that does not wait; or leave it to the thread
        that is writing. Called with the lock held."""

    def touch(self, thread: Any) -> None:
        """The thread will read soon, if nobody else waits for what arrives."""

    def pump_soon(self) -> None:
        """Have `pump` called within a few milliseconds. Called in any thread, lock held or not."""

    def tap(self, sent: Tap) -> None:
        """Have what is written passed to a function, too."""

    @property
    def uses(self) -> int:
        """How often a thread has received something itself."""

    def drain(self) -> None:
        """Wait until most of what is to be written is written. Called without the lock."""

    def expect(self, thread: Any) -> None:
        """A thread begins to make calls."""

    def claim(self, thread: Any) -> bool:
        """Prepare a thread that is about to write and then wait: whether it is to read."""

    call_timeout: float | None
    """How long a call may take at most (seconds), whatever the thread's deadline is."""

    def receive(self, received: list[bytes]) -> None:
        """Receive a chunk, holding the reader's role, and append it to `received` in one step.
        Raises OSError."""

    def failed_to_read(self, error: OSError) -> None:
        """What `receive` has raised: the connection is lost, unless it was only interrupted."""

    def give_back(self, thread: Any) -> None:
        """Give the reader's role back, if the thread has it, and go on with something else."""

    def leave(self, thread: Any) -> None:
        """Give the reader's role back when the answer is there."""

    def recover(self, thread: Any) -> None:
        """An exception has left a call between `claim` and the end of `wait`."""

    def run_async(
        self,
        coroutine: Coroutine[Any, Any, R],
        started: Callable[[Callable[[], object]], object],
    ) -> R:
        """Run a coroutine to its end. `started` is given a function that cancels it, which may be
        called in any thread and does not wait."""

    def in_thread(self, work: Callable[[], R], give_up: Callable[[], object]) -> Awaitable[R]:
        """Do work that may block on some thread, to be awaited. `give_up` is called when nobody
        awaits it any more."""

    def wait(self, question: Question, thread: Any, received: list[Any] | None = None) -> None:
        """Wait until the question is done, running what is posted to the thread meanwhile.
        `received`: what the thread has received already; taken out when it is taken in."""

    def stop(self) -> None:
        """Close the transport. Called without the lock."""

    def describe(self) -> str:
        """The other end, for people."""
