"""A call that a task awaits while a thread waits for its answer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mpipc.capnp.proxy import ClientMethod
from mpipc.capnp.session import Import, Question
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError

if TYPE_CHECKING:
    from mpipc.capnp.calling import Calling

R = TypeVar("R")


class AwaitedCall(Generic[R]):
    """See the module. When the task is cancelled, the peer is told, so that it cancels what runs
    the method; the thread goes on waiting until the peer has done so, since the peer's thread which
    runs this one's calls is busy as long."""

    def __init__(
        self, connection: Calling, target: Import, method: ClientMethod[R], w: Writer
    ) -> None:
        self._connection = connection
        self._call: Any = target, method, w
        self._question: Question | None = None
        self._given_up = False
        # The question may be another call's as soon as this one has done with it.
        self._lock = threading.Lock()

    def run(self) -> R:
        """Make the call, on a thread that may block. Raises what `Calling.call` raises."""
        connection, (target, method, w) = self._connection, self._call
        del self._call  # and with it, later on, what the call refers to
        if self._given_up:
            raise _given_up()
        question = self._question = connection.send(target, method, w)
        try:
            if self._given_up:  # `give_up` may have come before there was a question
                connection.abandon(question)
            connection.await_answer(question)
        except BaseException:
            connection.abandon(question)
            raise
        finally:
            with self._lock:
                self._question = None
        if question.abandoned:
            raise _given_up()
        found: R = connection.read_answer(method, question)
        return found

    def give_up(self) -> None:
        """Nobody needs the result any more; may be called in any thread."""
        self._given_up = True
        # By the I/O thread, which no interrupt of the user's catches in the middle of it.
        if self._question is not None and not self._connection.closed:
            self._connection.driver.post_io(self._abandon)

    def _abandon(self) -> None:
        with self._lock:
            if self._question is not None:
                self._connection.abandon(self._question)


def _given_up() -> IpcError:
    return IpcError("nobody waits for the call")
