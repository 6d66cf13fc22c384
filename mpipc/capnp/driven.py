"""An endpoint that threads drive: what calling and serving have in common, and how it ends."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from functools import partial
from sys import getrefcount
from typing import Any, TypeVar

from mpipc.capnp.bursts import Bursts
from mpipc.capnp.driver import Driver, DriverThread
from mpipc.capnp.endpoint import Endpoint, Observer
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Local
from mpipc.capnp.session import Delivery, Question
from mpipc.capnp.sharing import INTERFACE, Sharing, Step
from mpipc.capnp.shortcuts import Shortcuts
from mpipc.capnp.traffic import Tap
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError

R = TypeVar("R")
_log = logging.getLogger("mpipc")

# References to an object, that of the question for it included, when this is the last one.
_LAST = 2
_SOON = 1e-4  # seconds


class Driven(Endpoint):
    """See the module."""

    def __init__(
        self,
        driver: Driver,
        bootstrap: Local | None,
        limits: Limits,
        *,
        tracebacks: bool,
        observer: Observer | None,
    ) -> None:
        super().__init__(
            bootstrap,
            limits,
            driver.lock,
            driver.pump_soon,
            tracebacks=tracebacks,
            observer=observer,
        )
        self.driver = driver
        shortcuts = Shortcuts(self._session, self, self._lock)
        self._take_answer, self._take_call = shortcuts.take_answer, shortcuts.take_call
        self._answers, self._calls = shortcuts.answers, shortcuts.calls
        self._hosted, self._nesting = shortcuts.hosted, limits.nesting
        self._current, self._claim = driver.current, driver.claim
        self._give_back_role = driver.give_back
        self._outbox = driver.outbox
        self.traffic = driver.outbox.traffic
        self._frames = FrameReader(limits)
        self._sharing: Sharing | None = None
        if driver.memory is not None:
            self._sharing = Sharing(driver.memory, self._ask_to_share)
            self._frames.take_memory = driver.memory.take
        # What the driver asks for each time it reads and writes.
        self.room: memoryview | None = None
        self.handed_on = object()
        self.output = self._session.take_output
        self._threads: weakref.WeakSet[Any] = weakref.WeakSet()
        self._heard = 0
        self._bursts = Bursts(self)
        self._tap: Tap | None = None  # of what is received
        self._handed_over = False
        self._dispatching = False
        self._dispatch_lock = threading.RLock()
        self.deferred = False

    def describe(self) -> str:
        """The other end, for people."""
        return f"on {self.driver.describe()}"

    def _flush(self) -> None:
        """Write what others have left while this thread was writing."""
        session, outbox = self._session, self._outbox
        while session.out or session.let_go:
            with self._lock:
                if outbox.busy or session.bulky or not session.out:
                    self.driver.pump()
                    return
                outbox.busy = True
                out = session.take_output()
            outbox.write(out[0])

    def _share(self, w: Writer, thread: DriverThread) -> None:
        """Have what is `viewed` go by shared memory, if it can."""
        if self._sharing is not None:
            try:
                self._sharing.prepare(w)
            except BaseException as e:
                self._give_up(None, thread, e)
                raise

    def _shared(self, thread: DriverThread) -> None:
        """What is `viewed` was sent, in whatever way."""
        if self._sharing is not None:
            try:
                self._sharing.agree()
            except BaseException as e:
                self._give_up(None, thread, e)
                raise

    def _ask_to_share(self, method: int, step: Step, with_pair: bool) -> None:
        target, memory, session = self._thread_map, self.driver.memory, self._session
        if target is None or memory is None:
            return
        thread, outbox = self._current(), self._outbox
        thread.writing = self
        asked = False
        while not asked:
            with self._lock:
                asked = not with_pair or outbox.waits or not outbox.busy or self.closed
                if asked and not session.closed:
                    step.question = session.call(target, INTERFACE, method, Writer(0), 0, step)
                    if with_pair:
                        memory.send_with_pair(b"".join(session.take_output()))
                    else:
                        self.driver.pump()
            if not asked:
                time.sleep(_SOON)  # until the thread that is writing has done so
        thread.writing = None

    def _give_up(
        self, question: Question | None, thread: DriverThread, error: BaseException
    ) -> None:
        """An exception has left a call before its answer came."""
        interrupted, thread.writing = thread.writing, None
        if interrupted is not None and not isinstance(error, IpcError):
            interrupted.interrupted()
        elif question is not None and not question.done:
            thread.writing = self
            with self._lock:
                self._session.abandon(question)
                own = thread.pins.get(self)
                if own is not None and own.question is question and not self.closed:
                    self._session.renew(own)
                self.driver.pump()
            thread.writing = None
        self.driver.recover(thread)

    def interrupted(self) -> None:
        """An exception from outside, as Ctrl-C raises it, came in the middle of a message: nothing
        of what follows could be understood."""
        self.lost(Disconnected("the connection was interrupted in the middle of a message"))

    def drop(self, reason: str) -> None:
        """End the connection because of something that the peer did, and tell it."""
        _log.warning("dropped the connection %s: %s", self.describe(), reason)
        with self._lock:
            self._session.abort(reason)
            self.driver.pump()
        self._dispatch()
        self.lost(Disconnected(f"the connection was dropped: {reason}"))

    def lost(self, error: Disconnected) -> None:
        """The transport is gone, or goes now. May be called again."""
        try:
            self._lose(error)
        except BaseException:
            # Interrupted, which does not happen to the I/O thread.
            self.driver.post_io(partial(self._lose, error))
            raise

    def _lose(self, error: Disconnected) -> None:
        named = self._named(error)
        with self._lock:
            if not self._session.closed:
                self.driver.pump()
                running = [answer.cancel for answer in self._session.answers.values()]
                self._end_session(named)
                for cancel in filter(None, running):
                    cancel()
            users = list(self._threads)
            for thread in users:
                thread.contexts.pop(self, None)
                thread.pins.pop(self, None)
        self._dispatch()
        for thread in users:
            thread.wake()  # also the one that an interrupted thread was about to wake
        self.driver.stop()

    def _dispatch(self) -> None:
        """Hand on what the session has found in received messages, in order. Called without the
        lock; when delivering causes new events, the outermost call hands them on."""
        session = self._session
        # Another thread may be about to hand on what this one has received. Then wait for it: a
        # thread that went back to reading would not notice what it is given.
        if not session.events and not session.freed and not self._dispatching:
            return
        with self._dispatch_lock:
            if self._dispatching:
                return
            self._dispatching = self.deferred = True
            try:
                while session.events:
                    event = session.events.popleft()
                    if isinstance(event, Question):
                        event.waiter.wake()
                    else:
                        self._deliver(event)
                while session.freed:
                    # In a box, so that no reference stays here.
                    box = [session.freed.popleft()]
                    # What others refer to does not end here.
                    if isinstance(box[0], Local) and getrefcount(box[0].impl) <= _LAST:
                        self.driver.post_cleanup(box.clear)
                    else:
                        box.clear()  # runs none of the user's code
            finally:
                self._dispatching = False
                self.deferred = session.deferred > 0
        if session.events:  # they came while the flag was still set
            self._dispatch()

    def forked(self) -> None:
        """This is a forked child, and the connection is its parent's."""
        self._lock = self.driver.lock
        self._dispatch_lock = threading.RLock()
        self._dispatching = False
        reason = "the connection belongs to the process that this one was forked from"
        self._session.close(self._named(Disconnected(reason)))
        self._session.events.clear()
        for thread in list(self._threads):
            thread.contexts.pop(self, None)
            thread.pins.pop(self, None)

    def _deliver(self, delivery: Delivery) -> None:
        """Have an incoming call run."""
        raise NotImplementedError
