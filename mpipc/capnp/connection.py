"""One connection in the Cap'n Proto protocol, with libmultiprocess's rules on top (WIRE.md).

It sits between the session (protocol state, no I/O) and a `Driver` (sockets and threads, no
protocol): it decides what a call's context is and which thread runs an incoming call.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from struct import Struct
from struct import error as StructError
from sys import getrefcount
from typing import Any, Protocol, TypeVar

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.awaited import AwaitedCall
from mpipc.capnp.endpoint import Endpoint, Observer, Tap
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits, Message
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local
from mpipc.capnp.session import (
    Aborted,
    Answer,
    Broken,
    Delivery,
    Import,
    Kept,
    Lane,
    LocalCapability,
    OwnThread,
    Promised,
    Question,
    again,
)
from mpipc.capnp.sharing import INTERFACE, OFFER, OPEN, Memory, Sharing, Step
from mpipc.capnp.shortcuts import (
    ANSWER_CONTENT,
    CALL_CONTENT,
    KIND_AT,
    SHORTEST,
    Calls,
    Incoming,
    Shortcuts,
)
from mpipc.capnp.threads import ThreadCapability, ThreadMapCapability
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, RemoteError, Unimplemented

R = TypeVar("R")
_log = logging.getLogger("mpipc")

# Callbacks nested more deeply than this may come near the interpreter's recursion limit. A call
# needs this many frames for itself, and for a callback that it causes to begin and to fail.
_DEEP = 4
_HEADROOM = 80
# References to an object, that of the question for it included: when this is the last one, and when
# it is in `hosted` and a variable.
_LAST = 2
_HOSTED = 3
_SOON = 1e-4  # seconds
_BATCH = 300  # pieces of messages that wait to be written together
_BULK = 1 << 12  # words of parameters, beyond which a call is out of the ordinary
_MAKE_THREAD = ClientMethod(
    "makeThread", *threads.MAKE_THREAD, threads.ONE_POINTER, False, threads.read_capability
)
_HANDED_ON = object()
_CALL, _RETURN = rpc.CALL, rpc.RETURN
_CALL_BEGIN, _CALL_WORDS, _pack_call = (
    rpc.CALL_BEGIN, rpc.CALL_IN_CONTEXT_WORDS, rpc.call_in_context,
)  # fmt: skip
_RETURN_BEGIN, _RETURN_MIDDLE, _RETURN_WORDS, _NOTHING_LEFT, _pack_return = (
    rpc.RETURN_BEGIN, rpc.RETURN_MIDDLE, rpc.SIMPLE_RETURN_WORDS, rpc.NOTHING_LEFT,
    rpc.simple_return,
)  # fmt: skip
_TABLE = Struct("<II")


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
    away: int
    deadline: float | None
    is_main: bool
    writing: Any

    def wake(self) -> None:
        """Make the thread look whether its answer has come."""


class Writing(Protocol):
    """How a driver writes what is all there is to write."""

    busy: bool
    """Whether `pump` is to be called instead. To be set before `write` is called."""

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


class AlreadyThere(Exception):
    """The object that was promised is to be called itself."""


class Connection(Endpoint):
    """A connection that threads drive; see the module."""

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
        self._frames = FrameReader(limits)
        self._sharing: Sharing | None = None
        if driver.memory is not None:
            self._sharing = Sharing(driver.memory, self._ask_to_share)
            self._frames.take_memory = driver.memory.take
        # What the driver asks for each time it reads and writes.
        self.room: memoryview | None = None
        self.handed_on = _HANDED_ON
        self.output = self._session.take_output
        self._threads: weakref.WeakSet[Any] = weakref.WeakSet()
        self._heard = 0
        self._handed_over = False
        self._dispatching = False
        self._dispatch_lock = threading.RLock()
        self.deferred = False

    # ----------------------------------------------------------------------------- for users

    def describe(self) -> str:
        """The other end, for people."""
        return f"on {self.driver.describe()}"

    def close(self) -> None:
        """Drop the connection: every waiting call raises Disconnected."""
        self.lost(Disconnected("the connection was closed on this side"))

    def names_thread(self) -> bool:
        return super().names_thread() or self._current().contexts.get(self) is not None

    def tap(self, sent: Tap, received: Tap) -> None:
        # The methods are replaced, so that a connection that nobody taps pays nothing.
        take, filled = self.take, self.filled

        def tapped_take(chunk: bytes, thread: DriverThread) -> object:
            received(chunk)
            return take(chunk, thread)

        def tapped_filled(count: int) -> object:
            assert self.room is not None
            received(bytes(self.room[:count]))
            return filled(count)

        # With nothing remembered, all is taken in here.
        self.__dict__.update(take=tapped_take, filled=tapped_filled, _answers={}, _calls={})
        self.driver.tap(sent)

    @property
    def heard(self) -> int:
        return self._heard + self.driver.uses

    # ------------------------------------------------------------------------------- calling

    def start(self, generated: Generated) -> Client:
        """Ask the peer for its root object and exchange thread maps with it."""
        thread = self.driver.current()
        question = self._ask(thread, self._session.bootstrap)
        root = self._started(question)
        construct = generated.client._mpipc_construct
        if construct is not None:
            w = threads.write_capability(self._own_thread_map)
            try:
                thread_map = self.call(root, construct, w)
            except Unimplemented:
                pass  # a peer without thread maps picks threads as it likes
            else:
                self._keep_thread_map(thread_map)
        return self._client(generated.client, root)

    def ping(self) -> None:
        """Wait for an answer that takes nothing of the peer but that it is well. Raises
        Disconnected, Timeout."""
        question = self._ask(self.driver.current(), self._session.bootstrap)
        payload, question.payload = question.payload, None
        if payload is not None:
            # Read, so that it is let go of.
            payload.message.cap(payload.lo, payload.hi)

    def call(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        thread = self._current()
        lane: Any = thread.contexts.get(self)
        # Without a context it has no lane; nor has a thread whose first call it is.
        own: Any = lane.own if lane is not None and method.context else None
        if own is None:
            return self._call_generally(target, method, w, thread)
        question = own.question
        if not question.done or thread.nested > _DEEP or w.end > _BULK:
            return self._call_generally(target, method, w, thread)
        objects = w.caps
        if len(objects) != 2:
            objects = [self._outgoing(cap) for cap in objects[2:]]
        driver, session, outbox = self.driver, self._session, self._outbox
        message: Message | None = None
        received: list[bytes] = []
        try:
            reads = driver.claim(thread)
            thread.writing = self
            with self._lock:
                if session.closed:
                    raise again(session.closed)
                if objects is w.caps:
                    table, more = lane.table, 0
                else:
                    table, more = session.table_with(lane, own, objects), len(objects)
                question.done = False
                own.export.references += 1
                head = _pack_call(
                    w.end + _CALL_WORDS + (more << 1), _CALL_BEGIN, question.id, method.ids,
                    target.id, method.pointer + (more << 3),
                )  # fmt: skip
                if session.out or outbox.busy:
                    session.out += (head, table, w.head, *w.parts)
                    driver.pump()
                    alone = False
                else:
                    alone = outbox.busy = True
            if alone:
                outbox.write(b"".join((head, table, w.head, *w.parts)))
                if session.out:
                    self._flush()
            thread.writing = None
            # What comes next is nearly always the answer, and looks as the last one did; or else a
            # callback.
            if (
                reads
                and thread.deadline is None
                and driver.call_timeout is None
                and not thread.backlog
                and thread.inbox.empty()
            ):
                try:
                    driver.receive(received)
                except OSError as e:
                    driver.failed_to_read(e)
                if more and received and received[0]:
                    self._serve_in(question, thread, received)
                if received:
                    chunk = received[0]
                    answer = self._answers.get(chunk[:ANSWER_CONTENT])
                    if (
                        answer is not None
                        and answer.question is question
                        and answer.size == len(chunk)
                        and answer.export.references
                        and not self._frames.missing
                    ):
                        answer.export.references -= 1
                        if more:
                            with self._lock:
                                session.take_back(question)
                        question.done = True
                        driver.leave(thread)
                        if session.freed:
                            self._dispatch()
                        message = Message(
                            chunk, 8, answer.size, None, answer.budget, self._nesting, (), self
                        )
                        content, data_words, pointers = answer.content
            if message is None:
                driver.wait(question, thread, received)
        except BaseException as e:
            if received and not question.done:
                self.interrupted()
            self._give_up(question, thread, e)
            raise
        if message is None:
            message = question.message
            if message is None:
                return self._unpacked(method, question)
            question.message = None
            content, data_words, pointers = question.content
        return method.unpack(message, content, data_words, pointers)

    def _serve_in(self, question: Question, thread: DriverThread, received: list[bytes]) -> None:
        """As `serve`, while waiting for an answer."""
        home = thread.home
        if home is None:
            thread.home = self.driver
        else:
            thread.nested += 1
            thread.away += home is not self.driver
        try:
            self.serve(question, thread, received)
        finally:
            if home is None:
                thread.home = None
            else:
                thread.nested -= 1
                thread.away -= home is not self.driver

    def call_async(self, target: Import, method: ClientMethod[R], w: Writer) -> Awaitable[R]:
        call = AwaitedCall(self, target, method, w)
        return self.driver.in_thread(call.run, call.give_up)

    def _call_generally(
        self, target: Import, method: ClientMethod[R], w: Writer, thread: DriverThread
    ) -> R:
        """A call that is not in a lane of its thread's, or out of the ordinary."""
        if thread.nested > _DEEP:
            _keep_headroom(_HEADROOM)
        if method.context:
            self._fill_in(w, thread, self._lane(thread))
        if w.caps:
            w.caps = [self._outgoing(cap) for cap in w.caps]
        if w.viewed:
            self._share(w, thread)
        question = self._ask(
            thread, self._session.call, target, method.interface, method.number, w, method.shape
        )
        if w.viewed:
            self._shared(thread)
        return self._unpacked(method, question)

    def send(
        self, target: Import | Promised | None, method: ClientMethod[Any], w: Writer
    ) -> Question:
        """Send a call, to be waited for by `await_answer`; it may go out together with others."""
        thread = self._current()
        lane = thread.contexts.get(self)
        own = lane.own if lane is not None else None
        if (
            lane is None
            or own is None
            or not method.context
            or len(w.caps) != 2
            or type(target) is not Import
            or w.end > _BULK
        ):
            return self._send_generally(target, method, w, thread)
        session = self._session
        with self._lock:
            if session.closed:
                raise again(session.closed)
            question = own.spare.pop() if own.spare else session.spare(own)
            question.done = False
            own.export.references += 1
            out = session.out
            out += (
                _pack_call(
                    w.end + _CALL_WORDS, _CALL_BEGIN, question.id, method.ids, target.id,
                    method.pointer,
                ), lane.table, w.head, *w.parts,
            )  # fmt: skip
        if len(out) > _BATCH:
            self._send_off(thread)
        return question

    def _send_generally(
        self,
        target: Import | Promised | None,
        method: ClientMethod[Any],
        w: Writer,
        thread: DriverThread,
    ) -> Question:
        """As `send`, for a call that is not in a lane of its thread's, or out of the ordinary.
        Raises AlreadyThere."""
        if target is None:
            raise IpcError("the object was closed")
        if method.context:
            self._fill_in(w, thread, self._lane(thread))
        w.caps = [self._outgoing(cap) for cap in w.caps]
        if w.viewed:
            self._share(w, thread)
        with self._lock:
            if isinstance(target, Promised) and target.question.done:
                raise AlreadyThere  # and the peer has been told to forget the answer
            question = self._session.call(
                target, method.interface, method.number, w, method.shape, thread
            )
        if w.end > _BULK:
            self._send_off(thread)
        if w.viewed:
            self._shared(thread)
        return question

    def _send_off(self, thread: DriverThread) -> None:
        """Send what is to go out together."""
        # Nobody needs to read yet: the I/O thread would take its time from this one.
        self.driver.touch(thread)
        thread.writing = self
        self._flush()
        thread.writing = None

    def await_answer(self, question: Question) -> None:
        """Wait for the answer to what was sent. Raises Timeout, and then it can be waited for
        again."""
        thread = self._current()
        driver = self.driver
        try:
            driver.claim(thread)
            thread.writing = self
            with self._lock:
                driver.pump()
            thread.writing = None
            driver.wait(question, thread)
        except BaseException as e:
            self._give_up(None, thread, e)
            raise

    def abandon(self, question: Question) -> None:
        """Tell the peer that nobody needs the answer to what was sent. It still comes, and whoever
        waits for it must not read it."""
        with self._lock:
            self._session.abandon(question)
            self.driver.pump()
        self._dispatch()

    def read_answer(self, method: ClientMethod[R], question: Question) -> R:
        """Read an answer that is there. Raises what it says."""
        try:
            message = question.message
            if message is None:
                return self._unpacked(method, question)
            question.message = None
            return method.unpack(message, *question.content)
        finally:
            if question.kept and question.spares is not None:
                question.spares.append(question)

    def _flush(self) -> None:
        """Write what others have left while this thread was writing."""
        session, outbox = self._session, self._outbox
        while session.out:
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

    def _lane(self, thread: DriverThread) -> Lane | None:
        """The lane of a thread's calls, ready for them."""
        lane = thread.contexts.get(self) or self._first_lane(thread)
        if lane is not None and not lane.table:
            self._prepare(lane, thread)
        return lane

    def _fill_in(self, w: Writer, thread: DriverThread, lane: Lane | None) -> None:
        """Fill the context into parameters that are out of the ordinary."""
        w.caps[1] = thread.capability
        if lane is not None:
            w.caps[0] = lane.remote
        else:
            # The context is always last in the fixed part.
            w.head = w.head[: -len(threads.CONTEXT)] + threads.CONTEXT_WITHOUT_THREAD

    def _ask(self, thread: DriverThread, ask: Callable[..., Question], *args: Any) -> Question:
        """Ask a question (of the session's) and wait for the answer. Raises what that says."""
        driver = self.driver
        question = None
        try:
            driver.claim(thread)
            thread.writing = self
            with self._lock:
                question = ask(*args, thread)
                driver.pump()
            thread.writing = None
            driver.wait(question, thread)
        except BaseException as e:
            self._give_up(question, thread, e)
            raise
        if question.error is not None:
            self._raise(question)
        return question

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

    def _first_lane(self, thread: DriverThread) -> Lane | None:
        """Ask for a thread of the peer's that runs this thread's calls from now on; None from a
        peer that makes no threads."""
        if self._thread_map is None:
            return None
        made = self.call(self._thread_map, _MAKE_THREAD, threads.write_text(thread.name))
        if not isinstance(made, Import):
            return None
        self.driver.expect(thread)
        with self._lock:
            lane = Lane(Kept(made))
            if not self.closed:
                self._threads.add(thread)
                thread.contexts[self] = lane
        return lane

    def _prepare(self, lane: Lane, thread: DriverThread) -> None:
        with self._lock:
            if self.closed:
                return  # as the call will notice
            own = thread.pins.get(self)
            if own is None:
                # Every call of this thread's passes it on as callback thread.
                self._threads.add(thread)
                own = thread.pins[self] = self._session.pin(thread.capability, thread)
            self._session.prepare(lane, own)

    # ---------------------------------------------------------------------- for the driver

    def take(self, chunk: bytes, thread: DriverThread) -> object:
        """Take in a chunk. Returns a call that `thread`, which calls this, should `execute`;
        `handed_on`; or None."""
        if len(chunk) >= SHORTEST and not self._frames.missing:
            kind = chunk[KIND_AT]
            if kind == _RETURN:
                question = self._take_answer(chunk)
                if question is not None:
                    if question.waiter is not thread:
                        self.driver.answered(question, question.waiter)
                    if self._session.freed:
                        self._dispatch()
                    return None
            elif kind == _CALL and not self._session.events and not self._dispatching:
                # Else it might overtake what another thread is handing on.
                call = self._take_call(chunk)
                if call is not None:
                    running = call.capability.thread  # type: ignore[union-attr]
                    if running is thread:
                        return call
                    self.driver.hand_over(running, call)
                    return self.handed_on
            return self._take_some(chunk, thread)
        return self._receive(self._frames.feed(chunk))

    def _take_some(self, chunk: bytes, thread: DriverThread) -> object:
        """As `take`, for the messages at the beginning of a chunk for which there are short cuts,
        and then the rest."""
        session, take_answer, take_call = self._session, self._take_answer, self._take_call
        at, size = 0, len(chunk)
        calls: list[Incoming] = []
        handed_on = None
        while size - at >= SHORTEST and not session.events and not self._dispatching:
            segments, words = _TABLE.unpack_from(chunk, at)
            end = at + 8 + words * 8
            if segments or end > size or end - at < SHORTEST:
                break
            message = chunk[at:end]
            kind = message[KIND_AT]
            if kind == _RETURN:
                question = take_answer(message)
                if question is None:
                    break
                if question.waiter is not thread:
                    self.driver.answered(question, question.waiter)
            elif kind == _CALL:
                call = take_call(message)
                if call is None:
                    break
                if calls and calls[0].capability is not call.capability:
                    handed_on = self._hand_over(calls, thread) or handed_on
                    calls = []
                calls.append(call)
            else:
                break
            at = end
        if calls:
            handed_on = self._hand_over(calls, thread) or handed_on
        if session.freed:
            self._dispatch()
        if at == size:
            return handed_on
        return self._receive(self._frames.feed(chunk[at:])) or handed_on

    def _hand_over(self, calls: list[Incoming], thread: DriverThread) -> object:
        """Have calls run that came together, for one thread; `thread` is the current one."""
        running: Any = calls[0].capability.thread  # type: ignore[union-attr]
        # Where an interrupt may come, no call is to be lost because of another one.
        tasks: list[Any] = calls if len(calls) == 1 or running.is_main else [Calls(calls)]
        if running is thread:
            for task in tasks:
                running.post(task)
            return None
        for task in tasks:
            self.driver.hand_over(running, task)
        return self.handed_on

    def filled(self, count: int) -> object:
        """As `take`, for so many bytes that were received into `room`."""
        self._heard += 1
        complete = self._frames.filled(count)
        self.room = self._frames.room()
        return None if complete is None else self._receive(complete)

    def _receive(self, messages: Iterator[Message]) -> object:
        """Take in any messages. A peer that breaks the protocol is disconnected."""
        self._heard += 1
        self._handed_over = False
        try:
            with self._lock:
                for message in messages:
                    message.owner = self
                    self._session.receive(message)
                self.room = self._frames.room()
                # Before anybody can settle what it waits for.
                self.deferred = self._session.deferred > 0
                self.driver.pump()
            self._dispatch()
        except Aborted as e:
            _log.info("lost the connection %s: %s", self.describe(), e)
            self.lost(Disconnected(str(e)))
        except (IpcError, StructError, RecursionError) as e:
            self.drop(str(e))
        return self.handed_on if self._handed_over else None

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
                self._session.close(named)
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

    def failed(self, task: object, error: BaseException) -> None:
        """An exception has left a task, perhaps before it had begun: nobody may wait for it."""
        if not isinstance(task, Incoming):
            return
        connection: Connection = task.message.owner  # or another one
        if not task.answer.done and connection.driver.current().writing is None:
            connection._reply_error(task.answer, error)

    # ------------------------------------------------------------------------------- serving

    def _deliver(self, delivery: Delivery) -> None:
        """Have an incoming call run by the thread that it is meant for."""
        target: LocalCapability = delivery.target
        try:
            if not isinstance(target, Local):
                self._serve_thread(delivery, target)
                return
            method = self.served(target.server, delivery.interface, delivery.method)
            if method is None:
                name = target.server.name
                raise Unimplemented(f"{name} has no such method ({delivery.method})")
            if method.kind == "construct":
                self._construct(delivery)
                return
            call = Incoming(
                delivery.answer, target, method, delivery.message, delivery.content,
                hosted=delivery.hosted,
            )  # fmt: skip
            if not method.context:
                post = self.driver.post_pool if method.is_async else self.driver.post_io
                post(call)
                return
            thread, callback = threads.read_context(delivery.message, *delivery.content)
            if isinstance(callback, ThreadCapability):
                # A call of ours that turned out to be on an object of ours, so that the peer
                # passed it back: the thread that waits for it can run it.
                thread = callback
            elif isinstance(callback, Import):
                call.lane = Lane(callback)
            if isinstance(thread, ThreadCapability):
                self._handed_over = True
                call.capability = thread  # which lives as long
                thread.thread.post(call)
            elif thread is None:
                self.driver.post_pool(call)
            elif isinstance(thread, Broken):
                raise again(thread.error)
            else:
                raise RemoteError("the call's thread is no thread of this process")
        except IpcError as e:
            self._reply_error(delivery.answer, e)

    def serve(self, ticket: Any, thread: DriverThread, received: list[bytes]) -> None:
        """Run the call that `thread` has received, and those that it receives then, as far as they
        are as usual: calls for itself, alone in their chunk, that look as earlier ones did. It has
        the reader's role, and mostly again when this returns. What is left in `received` is
        something else. Returns when the ticket is done, or there may be something else to run."""
        driver, session, outbox = self.driver, self._session, self._outbox
        pending, frames, inbox, contexts = (
            session.answers,
            self._frames,
            thread.inbox,
            thread.contexts,
        )
        before = contexts.get(self)
        answer: Answer | None = None
        try:
            while True:
                chunk = received[0]
                head = self._calls.get(chunk[:CALL_CONTENT])
                if (
                    head is None
                    or not head.usual
                    or head.size != len(chunk)
                    or not chunk.startswith(head.context, head.context_at)
                    or (head.pointer and not chunk.startswith(head.pointer, head.pointer_at))
                    or (pending and (head.id in pending or len(pending) >= self.limits.calls))
                    or frames.missing
                    or session.events
                    or self._dispatching
                ):
                    return
                own: Any = head.thread.target
                export = session.exports.get(head.target)
                if own is None or own.thread is not thread or export is None:
                    return
                target: Any = export.target
                # What has taken an object's place may be of another kind.
                if type(target) is not Local or target.server is not head.server:
                    return
                impl = target.impl
                if impl is None:
                    return
                caps: Any = ()
                if head.objects is not None:
                    caps = self._hosted(head.objects, chunk)
                    if caps is None:
                        return
                lane, method, answer = head.lane, head.method, head.answer
                lane.remote.id = head.callback
                answer.done = False
                pending[head.id] = answer
                message: Any = Message(
                    chunk, 8, head.size, None, head.budget, self._nesting,
                    (own, lane.remote, *caps) if caps else (own, lane.remote), self,
                )  # fmt: skip
                received.clear()
                self._give_back_role(thread)
                contexts[self] = lane
                try:
                    w: Any = method.run(impl, message, *head.content)  # type: ignore[misc]
                except BaseException as e:
                    contexts[self] = before
                    head.answer = Answer(head.id)
                    call = Incoming(
                        answer, target, method, message, head.content, lane, own, True, caps
                    )
                    self._reply_error(answer, e, params_unused=self._give_back(call))
                    # As in `execute`.
                    if thread.is_main and not isinstance(e, Exception):
                        raise
                    return
                contexts[self] = before
                del impl
                # Whether there is another call to run at once: then the answers may go together.
                more = thread.backlog or not inbox.empty()
                if not more:
                    # It goes back to waiting: the next call may be there as soon as this answer is.
                    self._claim(thread)
                thread.writing = self
                with self._lock:
                    if (
                        w.caps
                        or w.end > _BULK
                        or answer.finished
                        or answer.waiting
                        or session.closed
                        or (caps and not _given_back(message, caps))
                    ):
                        break
                    lane.remote.id = -1
                    answer.done = True
                    del pending[answer.id]
                    begin = _pack_return(
                        w.end + _RETURN_WORDS, _RETURN_BEGIN, answer.id, _NOTHING_LEFT,
                        _RETURN_MIDDLE, method.pointer,
                    )  # fmt: skip
                    if more or session.out or outbox.busy:
                        session.out += (begin, w.head, *w.parts)
                        driver.pump()
                        alone = False
                    else:
                        alone = outbox.busy = True
                if alone:
                    if outbox.write(b"".join((begin, w.head, *w.parts))):
                        driver.drain()
                    if session.out:
                        self._flush()
                thread.writing = target = message = caps = w = None
                if (
                    more
                    or not thread.reads
                    or ticket.done
                    or thread.deadline is not None
                    or self.room is not None
                    or not inbox.empty()
                ):
                    return
                try:
                    driver.receive(received)
                except OSError as e:
                    driver.failed_to_read(e)
                    return
            # Not as simple as it seemed.
            thread.writing = None
            head.answer = Answer(head.id)
            call = Incoming(answer, target, method, message, head.content, lane, own, True, caps)
            self._answer(call, w, thread)
        except BaseException as e:
            if answer is not None and not answer.done and thread.writing is None:
                self._reply_error(answer, e)
            raise

    def execute(self, call: Incoming, thread: DriverThread) -> None:
        """Run a call on the current thread and answer it.

        Calls that it makes back over this connection are run by the thread that made it.
        """
        contexts = thread.contexts
        before = contexts.get(self)
        contexts[self] = call.lane
        method = call.method
        try:
            impl = call.target.impl
            if impl is None or not method.plain or self.wraps_objects:
                del impl
                w = self._run(call)
            else:
                content, data_words, pointers = call.content
                w = method.run(impl, call.message, content, data_words, pointers)  # type: ignore[misc]
                del impl
        except BaseException as e:
            self._reply_error(call.answer, e, params_unused=self._give_back(call))
            # Ctrl-C belongs to the main thread. Elsewhere it is as good as any other exception:
            # `sys.exit` in a method must not end a thread that its client goes on using.
            if thread.is_main and not isinstance(e, Exception):
                raise
            return
        finally:
            contexts[self] = before
        # Whether there is another call to run at once: then the answers may go together.
        more = thread.backlog or not thread.inbox.empty()
        if thread.home is not None and not more:
            # It goes back to waiting: the next call may be there as soon as this answer is.
            self._claim(thread)
        if (
            w.caps
            or not call.simple
            or w.end > _BULK
            or (call.hosted and not self._give_back(call))
        ):
            self._answer(call, w, thread)
            return
        answer, session, outbox = call.answer, self._session, self._outbox
        thread.writing = self
        with self._lock:
            simple = not (answer.finished or answer.waiting or session.closed)
            if simple:
                call.lane.remote.id = -1  # type: ignore[union-attr]
                answer.done = True
                del session.answers[answer.id]
                head = _pack_return(
                    w.end + _RETURN_WORDS, _RETURN_BEGIN, answer.id, _NOTHING_LEFT, _RETURN_MIDDLE,
                    method.pointer,
                )  # fmt: skip
                if more or session.out or outbox.busy:
                    session.out += (head, w.head, *w.parts)
                    if more and len(session.out) < _BATCH:
                        self.driver.pump_soon()
                    else:
                        self.driver.pump()
                    alone = False
                else:
                    alone = outbox.busy = True
        if simple and alone:
            if outbox.write(b"".join((head, w.head, *w.parts))):
                self.driver.drain()
            if session.out:
                self._flush()
        thread.writing = None
        if not simple:
            self._answer(call, w, thread)

    def execute_all(self, calls: list[Incoming], thread: DriverThread) -> None:
        """Run calls that came together, one after the other, and answer them together as far as
        they do not take long. Those that still have to run are the thread's backlog, which it goes
        on with also while one of them waits for an answer of its own."""
        backlog, contexts, session = thread.backlog, thread.contexts, self._session
        backlog.extend(calls)
        calls.clear()
        before = contexts.get(self)
        try:
            while len(backlog) > 1:
                call: Any = backlog.popleft()
                impl, method = call.target.impl, call.method
                if (
                    impl is None
                    or not method.plain
                    or self.wraps_objects
                    or call.hosted
                    or call.message.owner is not self
                ):
                    contexts[self] = before
                    call()
                    continue
                contexts[self] = call.lane
                try:
                    content, data_words, pointers = call.content
                    w = method.run(impl, call.message, content, data_words, pointers)
                    del impl
                    if w.caps or w.end > _BULK:
                        self._answer(call, w, thread)
                        continue
                except BaseException as e:
                    self._reply_error(call.answer, e, params_unused=self._give_back(call))
                    continue
                answer = call.answer
                with self._lock:
                    simple = not (answer.finished or answer.waiting or session.closed)
                    if simple:
                        call.lane.remote.id = -1
                        answer.done = True
                        del session.answers[answer.id]
                        out = session.out
                        out += (
                            _pack_return(
                                w.end + _RETURN_WORDS, _RETURN_BEGIN, answer.id, _NOTHING_LEFT,
                                _RETURN_MIDDLE, method.pointer,
                            ), w.head, *w.parts,
                        )  # fmt: skip
                if not simple:
                    self._answer(call, w, thread)
                elif len(out) > _BATCH:
                    self._flush()
                else:
                    self.driver.pump_soon()
        finally:
            contexts[self] = before
        # The last one as if it had come alone: its answer does not wait for others.
        if backlog:
            backlog.popleft()()

    def _run(self, call: Incoming) -> Writer:
        """The results of a call that is not the usual one."""
        impl, method = call.target.impl, call.method
        if impl is None:
            raise RemoteError("the object was destroyed")
        if self._observer is not None and self.wraps_objects:
            impl = self._observer.object(impl, call, self)
        run = method.run
        if run is not None and method.supplied:
            run = partial(run, _peer=self.peer)
        w: Writer
        if method.run_async is not None and impl.awaits:
            w = self._run_async(call, partial(method.run_async, impl))
        elif run is None:
            del impl
            call.target.destroy()
            w = Writer(0)
        elif method.is_async:
            w = self._run_async(call, partial(run, impl))
        else:
            w = run(impl, call.message, *call.content)
        return w

    def _run_async(self, call: Incoming, run: Callable[..., Any]) -> Writer:
        """What a method gives that is awaited. It is cancelled when its caller does not wait for it
        any more, or is gone."""
        answer = call.answer

        def started(cancel: Callable[[], object]) -> None:
            with self._lock:
                answer.cancel = cancel
                unwanted = answer.finished or self.closed
            if unwanted:
                cancel()

        if answer.finished:
            raise RemoteError("the call was cancelled before it began")
        try:
            w: Writer = self.driver.run_async(run(call.message, *call.content), started)
        finally:
            answer.cancel = None
        return w

    def _answer(self, call: Incoming, w: Writer, thread: DriverThread) -> None:
        """Answer a call that has ended well, with any results."""
        if w.caps:
            try:
                w.caps = [self._outgoing(cap) for cap in w.caps]
            except IpcError as e:
                self._reply_error(call.answer, e, params_unused=self._give_back(call))
                return
        if w.viewed and not call.answer.finished:
            self._share(w, thread)
        thread.writing = self
        with self._lock:
            if self._session.closed or call.answer.finished:
                _log.info("%s ran to its end, but its caller is gone", call.method.name)
            unused = self._give_back(call)
            self._session.reply(call.answer, w, call.method.shape, params_unused=unused)
            self.driver.pump()
        thread.writing = None
        self._dispatch()
        self.driver.drain()
        if w.viewed:
            self._shared(thread)

    def _give_back(self, call: Incoming) -> bool:
        """Whether the answer gives back all that came with a call, which is when nobody has kept
        any of it."""
        if call.given_back is None:
            lane = call.lane
            call.given_back = _given_back(
                call.message, call.hosted, lane.remote if lane is not None else None
            )
            if call.simple and lane is not None:
                if not call.given_back:
                    self._session.dropped(~lane.remote.id)
                lane.remote.id = -1
        return call.given_back

    def _reply_error(
        self, answer: Answer, error: BaseException, *, params_unused: bool = False
    ) -> None:
        told, trace = self._reported(error)
        thread = self.driver.current()
        thread.writing = self
        with self._lock:
            self._session.reply_error(answer, told, trace, params_unused=params_unused)
            self.driver.pump()
        thread.writing = None
        self._dispatch()

    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        with self._lock:
            self._session.reply(delivery.answer, w, shape, params_unused=False)
            self.driver.pump()
        self._dispatch()

    def _serve_thread(self, delivery: Delivery, target: LocalCapability) -> None:
        memory = self.driver.memory
        if (
            memory is not None
            and delivery.interface == INTERFACE
            and isinstance(target, ThreadMapCapability)
        ):
            if delivery.method == OFFER:
                memory.keep_descriptors()
            elif delivery.method != OPEN or not memory.accept_pair():
                raise RemoteError("no socket has come with the call")
            self._reply(delivery, Writer(0), 0)
        else:
            super()._serve_thread(delivery, target)

    def _make_thread(self, name: str) -> ThreadCapability:
        return ThreadCapability(*self.driver.start_worker(name))


def _given_back(message: Message, hosted: Sequence[Import], thread: Import | None = None) -> bool:
    """Whether nobody has kept any of the peer's objects that came with a call. Then they do not
    count as ours any more. `thread` is one that its lane refers to."""
    message.caps = ()
    for held in hosted:
        if getrefcount(held) > _HOSTED + (held is thread):
            return False
    for held in hosted:
        held.disown()
    return True


def _keep_headroom(frames: int) -> None:
    """Raise RecursionError now rather than in the middle of a message."""
    if frames:
        _keep_headroom(frames - 1)
