"""One connection in the Cap'n Proto protocol, with libmultiprocess's rules on top (WIRE.md).

It sits between the session (protocol state, no I/O) and a `Driver` (sockets and threads, no
protocol): it decides what a call's context is and which thread runs an incoming call.
"""

from __future__ import annotations

import logging
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from struct import error as StructError
from typing import Any, NoReturn, Protocol, TypeVar

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits, Message
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local
from mpipc.capnp.session import (
    Aborted,
    Answer,
    Broken,
    Capability,
    Delivery,
    Import,
    Kept,
    Lane,
    LocalCapability,
    Overloaded,
    OwnThread,
    Question,
    Session,
    again,
)
from mpipc.capnp.shortcuts import KIND_AT, SHORTEST, Incoming, Shortcuts
from mpipc.capnp.threads import ThreadCapability, ThreadMapCapability
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, ProtocolError, RemoteError, Unimplemented

R = TypeVar("R")
_log = logging.getLogger("mpipc")

# Callbacks nested more deeply than this may come near the interpreter's recursion limit. A call
# needs this many frames for itself, and for a callback that it causes to begin and to fail.
_DEEP = 4
_HEADROOM = 80
_BULK = 1 << 12  # words of parameters, beyond which a call is out of the ordinary
_MAKE_THREAD = ClientMethod(
    "makeThread", *threads.MAKE_THREAD, threads.ONE_POINTER, False, threads.read_capability
)
_HANDED_ON = object()
_CALL, _RETURN = rpc.CALL, rpc.RETURN


class DriverThread(threads.Thread, Protocol):
    """A thread as the driver knows it."""

    contexts: dict[Any, Lane | None]
    capability: ThreadCapability
    pins: dict[Any, OwnThread]
    home: object
    nested: int
    is_main: bool
    writing: Any

    def wake(self) -> None:
        """Make the thread look whether its answer has come."""


class Logger(Protocol):
    """Wraps clients and objects so that their calls are logged."""

    def client(self, client: type[Client]) -> type[Client]:
        """A client class that logs."""

    def object(self, impl: Any, interface: str, where: str) -> Any:
        """A stand-in for a local object that logs."""


class Driver(Protocol):
    """What a connection needs of the layer below it."""

    lock: Any

    def current(self) -> DriverThread:
        """The calling thread."""

    def start_worker(self, name: str) -> tuple[DriverThread, Callable[[], None]]:
        """Start a thread that runs what is posted to it, and a function that ends it."""

    def post_pool(self, task: Callable[[], None]) -> None:
        """Run a task on some worker thread."""

    def post_io(self, task: Callable[[], None]) -> None:
        """Run a task on the connection's I/O thread."""

    def post_cleanup(self, task: Callable[[], None]) -> None:
        """Run a task that may block and that nobody waits for."""

    def pump(self) -> None:
        """Write what there is to write, as far as that does not wait. Called with the lock held."""

    def write(self, data: bytes) -> bool:
        """As `pump`, for this alone; whether there is so much left to write that the caller should
        `drain`, if it may wait."""

    @property
    def uses(self) -> int:
        """How often a thread has received something itself."""

    def drain(self) -> None:
        """Wait until most of what is to be written is written. Called without the lock."""

    def expect(self, thread: Any) -> None:
        """A thread begins to make calls."""

    def claim(self, thread: Any) -> object:
        """Prepare a thread that is about to write and then wait: it is to read, if it may."""

    def recover(self, thread: Any) -> None:
        """An exception has left a call between `claim` and the end of `wait`."""

    def wait(self, question: Question, thread: Any) -> None:
        """Wait until the question is done, running what is posted to the thread meanwhile."""

    def kick(self) -> None:
        """Have somebody call `pump` soon. Called in any thread, lock held or not."""

    def stop(self) -> None:
        """Close the transport. Called without the lock."""

    def describe(self) -> str:
        """The other end, for people."""


class Connection:
    """See the module. `tracebacks`: send the tracebacks of undeclared exceptions to the peer.
    `logger`: wraps what is to be logged, None for no logging.
    """

    def __init__(
        self,
        driver: Driver,
        bootstrap: Local | None,
        limits: Limits,
        *,
        tracebacks: bool,
        logger: Logger | None,
    ) -> None:
        self.driver = driver
        self.limits = limits
        self._lock = driver.lock
        self._tracebacks = tracebacks
        self._logger = logger
        self._session = Session(bootstrap, limits, driver.kick)
        shortcuts = Shortcuts(self._session, self)
        self._take_answer, self._take_call = shortcuts.take_answer, shortcuts.take_call
        self._current = driver.current
        self._frames = FrameReader(limits)
        # What the driver asks for each time it reads and writes.
        self.room: memoryview | None = None
        self.handed_on = _HANDED_ON
        self.output = self._session.take_output
        self._root: weakref.ref[Import] | None = None
        self._thread_map: Import | None = None
        self._own_thread_map = ThreadMapCapability()
        self._threads: weakref.WeakSet[Any] = weakref.WeakSet()
        self._made_threads: weakref.WeakSet[ThreadCapability] = weakref.WeakSet()
        self._heard = 0
        self._handed_over = False
        self._dispatching = False
        self._dispatch_lock = threading.RLock()
        self.deferred = False

    # ----------------------------------------------------------------------------- for users

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._session.closed is not None

    def describe(self) -> str:
        """The other end, for people."""
        return f"on {self.driver.describe()}"

    def close(self) -> None:
        """Drop the connection: every waiting call raises Disconnected."""
        self.lost(Disconnected("the connection was closed on this side"))

    @property
    def greeted(self) -> bool:
        """Whether the peer has asked for our root object."""
        return self._session.greeted

    @property
    def heard(self) -> int:
        """A number that changes when something is received."""
        return self._heard + self.driver.uses

    @property
    def busy(self) -> bool:
        """Whether either side waits for an answer of the other's."""
        return self._session.busy

    @property
    def idle(self) -> bool:
        """Whether no proxy of the user's is left."""
        return not self._session.imports

    def is_root(self, target: Import) -> bool:
        """Whether this is the reference that `start` gave out."""
        return self._root is not None and self._root() is target

    # ------------------------------------------------------------------------------- calling

    def start(self, generated: Generated) -> Client:
        """Ask the peer for its root object and exchange thread maps with it."""
        thread = self.driver.current()
        question = self._ask(thread, self._session.bootstrap)
        payload = question.payload
        assert payload is not None
        root = payload.message.cap(payload.lo, payload.hi)
        if not isinstance(root, Import):
            raise Unimplemented("the other end serves no root object")
        self._root = weakref.ref(root)
        construct = generated.client._mpipc_construct
        if construct is not None:
            w = threads.write_capability(self._own_thread_map)
            try:
                thread_map = self.call(root, construct, w)
            except Unimplemented:
                pass  # a peer without thread maps picks threads as it likes
            else:
                if isinstance(thread_map, Import):
                    with self._lock:
                        self._thread_map = Kept(thread_map)
        return self._client(generated.client, root)

    def call(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        """Call a method, wait for its answer, and read that.

        Raises RemoteError, Disconnected, Timeout.
        """
        thread = self._current()
        lane = thread.contexts.get(self)
        own = lane.own if lane is not None else None
        if lane is None or own is None:
            return self._call_generally(target, method, w, thread)
        question = own.question
        if (
            not question.done
            or not question.kept
            or len(w.caps) != 2
            or not method.context
            or thread.nested > _DEEP
            or w.end > _BULK
        ):
            return self._call_generally(target, method, w, thread)
        driver, session = self.driver, self._session
        try:
            driver.claim(thread)
            thread.writing = self
            with self._lock:
                if session.closed:
                    raise again(session.closed)
                question.done = False
                own.export.references += 1
                call = rpc.call_in_context(
                    question.id, target.id, method.ids, method.pointer, lane.table, w.end
                )
                driver.write(b"".join((call, w.head, *w.parts)))
            thread.writing = None
            driver.wait(question, thread)
        except BaseException as e:
            self._give_up(question, thread, e)
            raise
        message = question.message
        if message is None:
            return self._unpacked(method, question)
        question.message = None
        content, data_words, pointers = question.content
        return method.unpack(message, content, data_words, pointers)

    def _call_generally(
        self, target: Import, method: ClientMethod[R], w: Writer, thread: DriverThread
    ) -> R:
        """A call that is not in a lane of its thread's, or out of the ordinary."""
        if thread.nested > _DEEP:
            _keep_headroom(_HEADROOM)
        if method.context:
            lane = thread.contexts.get(self) or self._first_lane(thread)
            if lane is not None and not lane.table:
                self._prepare(lane, thread)
            self._fill_in(w, thread, lane)
        if w.caps:
            w.caps = [self._outgoing(cap) for cap in w.caps]
        question = self._ask(
            thread, self._session.call, target, method.interface, method.number, w, method.shape
        )
        return self._unpacked(method, question)

    def _fill_in(self, w: Writer, thread: DriverThread, lane: Lane | None) -> None:
        """Fill the context into parameters that are out of the ordinary."""
        w.caps[1] = thread.capability
        if lane is not None:
            w.caps[0] = lane.remote
        else:
            # The context is always last in the fixed part.
            w.head = w.head[: -len(threads.CONTEXT)] + threads.CONTEXT_WITHOUT_THREAD

    def _unpacked(self, method: ClientMethod[R], question: Question) -> R:
        """The results in an answer of any form. Raises what it says."""
        if question.error is not None:
            self._raise(question)
        payload, question.payload = question.payload, None
        assert payload is not None
        payload.message.owner = self
        return method.unpack(payload.message, *payload.struct())

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

    def _raise(self, question: Question) -> NoReturn:
        """Raise what an answer says."""
        error, question.error = question.error, None
        assert error is not None
        try:
            raise error
        finally:
            # Nothing in its traceback may lead to it: such a cycle would keep all the objects
            # that the frames refer to until the garbage collector finds it.
            del error

    def _give_up(
        self, question: Question | None, thread: DriverThread, error: BaseException
    ) -> None:
        """An exception has left a call before its answer came."""
        interrupted, thread.writing = thread.writing, None
        if interrupted is not None and not isinstance(error, IpcError):
            interrupted.interrupted()
        elif question is not None:
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

    def empty_params(self, method: ClientMethod[Any]) -> Writer:
        """Parameters of a method that has none but its context."""
        if not method.context:
            return Writer(0)
        head = threads.context_pointer(0, 1).to_bytes(8, "little") + threads.CONTEXT
        return Writer(1 + threads.CONTEXT_WORDS, [None, None], head)

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

    def _outgoing(self, cap: Any) -> Any:
        """What to send for a capability: the peer's own object, when it is a proxy of one."""
        if isinstance(cap, Local):
            impl = cap.impl
            if isinstance(impl, Client) and impl._mpipc_connection is self:
                if impl._mpipc_target is None:
                    raise IpcError(f"{type(impl).__name__} was closed")
                return impl._mpipc_target
        return cap

    def _client(self, client: type[Client], target: Import) -> Client:
        return (self._logger.client(client) if self._logger else client)(self, target)

    def proxy(self, cap: Capability, client: type[Client]) -> Any:
        """The Python object for a received capability: a proxy, or our own object itself."""
        if cap is None:
            return None
        if isinstance(cap, Import):
            return self._client(client, cap)
        if isinstance(cap, Local) and cap.impl is not None:
            return cap.impl
        if isinstance(cap, Broken):
            raise again(cap.error)
        raise ProtocolError("an object of another kind was expected")

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
                        question.waiter.wake()
                    return None
            elif kind == _CALL and not self._session.events and not self._dispatching:
                # Else it might overtake what another thread is handing on.
                call = self._take_call(chunk)
                if call is not None:
                    running = call.capability.thread  # type: ignore[union-attr]
                    if running is thread:
                        return call
                    running.post(call)
                    return self.handed_on
        return self._receive(self._frames.feed(chunk))

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
        with self._lock:
            if not self._session.closed:
                self.driver.pump()
                self._session.close(error)
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
                    if isinstance(box[0], Local):
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
        self._session.close(
            Disconnected("the connection belongs to the process that this one was forked from")
        )
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
            method = target.server.methods.get((delivery.interface, delivery.method))
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
                self.driver.post_io(call)
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
            if impl is None:
                raise RemoteError("the object was destroyed")
            if self._logger:
                impl = self._logger.object(impl, call.target.server.name, self.describe())
            run = method.run
            if run is None:
                call.target.destroy()
                del impl
                w = Writer(0)
            else:
                content, data_words, pointers = call.content
                w = run(impl, call.message, content, data_words, pointers)
            if w.caps:
                w.caps = [self._outgoing(cap) for cap in w.caps]
        except BaseException as e:
            self._reply_error(call.answer, e, params_unused=self._give_back(call))
            # Ctrl-C belongs to the main thread. Elsewhere it is as good as any other exception:
            # `sys.exit` in a method must not end a thread that its client goes on using.
            if thread.is_main and not isinstance(e, Exception):
                raise
            return
        finally:
            contexts[self] = before
        driver, answer = self.driver, call.answer
        if thread.home is not None:
            # It goes back to waiting: the next call may be there as soon as this answer is.
            driver.claim(thread)
        if not call.simple or w.caps or w.end > _BULK:
            self._reply_generally(call, w, thread)
            return
        thread.writing = self
        with self._lock:
            session = self._session
            simple = not (answer.finished or answer.waiting or session.closed)
            if simple:
                call.lane.remote.id = -1  # type: ignore[union-attr]
                answer.done = True
                del session.answers[answer.id]
                head = rpc.simple_return(answer.id, w.end, method.pointer)
                behind = driver.write(b"".join((head, w.head, *w.parts)))
        thread.writing = None
        if not simple:
            self._reply_generally(call, w, thread)
        elif behind:
            driver.drain()

    def _reply_generally(self, call: Incoming, w: Writer, thread: DriverThread) -> None:
        """Answer a call with any results."""
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

    def _give_back(self, call: Incoming) -> bool:
        """Whether the answer gives back all that came with a call: when that is only its callback
        thread, which is not needed any more."""
        lane = call.lane
        if call.simple:
            lane.remote.id = -1  # type: ignore[union-attr]
            return True
        if lane is not None and call.hosted == (lane.remote,):
            lane.remote.disown()
            return True
        return not call.hosted

    def _reply_error(
        self, answer: Answer, error: BaseException, *, params_unused: bool = False
    ) -> None:
        name = error.type if isinstance(error, RemoteError) else type(error).__qualname__
        text = error.text if isinstance(error, RemoteError) else str(error)
        trace = f"{name}\n" if name else ""
        if self._tracebacks and trace:
            trace += "".join(traceback.format_exception(error))
        if not isinstance(error, RemoteError):
            _log.debug("an undeclared exception goes to the caller", exc_info=error)
            error = RemoteError(text, name)
        thread = self.driver.current()
        thread.writing = self
        with self._lock:
            self._session.reply_error(answer, error, trace, params_unused=params_unused)
            self.driver.pump()
        thread.writing = None
        self._dispatch()

    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        """Answer a call of the protocol's own, whose parameters' capabilities are kept."""
        with self._lock:
            self._session.reply(delivery.answer, w, shape, params_unused=False)
            self.driver.pump()
        self._dispatch()

    def _construct(self, delivery: Delivery) -> None:
        thread_map = threads.read_capability(delivery.message, *delivery.content)
        if isinstance(thread_map, Import):
            with self._lock:
                self._thread_map = Kept(thread_map)
        self._reply(delivery, threads.write_capability(self._own_thread_map), threads.ONE_POINTER)

    def _serve_thread(self, delivery: Delivery, target: LocalCapability) -> None:
        """Answer a call on a ThreadMap or a Thread."""
        called = delivery.interface, delivery.method
        if isinstance(target, ThreadCapability) and called == threads.THREAD_GET_NAME:
            w = threads.write_text(target.thread.name)
            self._reply(delivery, w, threads.ONE_POINTER)
        elif isinstance(target, ThreadMapCapability) and called == threads.MAKE_THREAD:
            if len(self._made_threads) >= self.limits.threads:
                raise Overloaded(f"more than {self.limits.threads} threads")
            name = threads.read_text(delivery.message, *delivery.content)
            # Another one than `worker.capability`, which goes to every peer that the thread calls:
            # only this peer's references decide when the thread ends.
            capability = ThreadCapability(*self.driver.start_worker(name))
            self._made_threads.add(capability)
            self._reply(delivery, threads.write_capability(capability), threads.ONE_POINTER)
        elif isinstance(target, ThreadMapCapability) and called == threads.MAKE_POOL:
            # The pool is always there, and grows as it is used.
            self._reply(delivery, Writer(0), 0)
        else:
            raise Unimplemented("threads have no such method")


def _keep_headroom(frames: int) -> None:
    """Raise RecursionError now rather than in the middle of a message."""
    if frames:
        _keep_headroom(frames - 1)
