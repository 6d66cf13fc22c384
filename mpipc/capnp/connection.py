"""One connection in the Cap'n Proto protocol, with libmultiprocess's rules on top (WIRE.md).

It sits between the session (protocol state, no I/O) and a `Driver` (sockets and threads, no
protocol): it decides what a call's context is and which thread runs an incoming call.
"""

from __future__ import annotations

import logging
import threading
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from struct import error as StructError
from typing import Any, Protocol

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits, Message
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local, ServerMethod
from mpipc.capnp.session import (
    Broken,
    Capability,
    Delivery,
    Import,
    Kept,
    LocalCapability,
    Overloaded,
    Question,
    Session,
    again,
)
from mpipc.capnp.shortcuts import KIND_AT, SHORTEST, Shortcuts
from mpipc.capnp.threads import ThreadCapability, ThreadMapCapability
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, ProtocolError, RemoteError, Unimplemented

_log = logging.getLogger("mpipc")

# Callbacks nested more deeply than this may come near the interpreter's recursion limit. A call
# needs this many frames for itself, and for a callback that it causes to begin and to fail.
_DEEP = 4
_HEADROOM = 80


class DriverThread(threads.Thread, Protocol):
    """A thread as the driver knows it."""

    contexts: dict[Any, Import]
    capability: ThreadCapability
    pins: dict[Any, Callable[[], None]]
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
        """Write what can be written without blocking. Called with the lock held."""

    def drain(self) -> None:
        """Wait until most of what is to be written is written. Called without the lock."""

    def claim(self, thread: Any) -> None:
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
        self._shortcuts = Shortcuts(self._session)
        self._frames = FrameReader(limits)
        # What the driver asks for each time it writes.
        self.output = self._session.take_output
        self._root: weakref.ref[Import] | None = None
        self._thread_map: Import | None = None
        self._own_thread_map = ThreadMapCapability()
        self._threads: weakref.WeakSet[Any] = weakref.WeakSet()
        self._made_threads: weakref.WeakSet[ThreadCapability] = weakref.WeakSet()
        self.heard = 0
        """How often something was received."""
        self._handed_over = False
        self._dispatching = False
        self._dispatch_lock = threading.RLock()

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
    def busy(self) -> bool:
        """Whether either side waits for an answer of the other's."""
        return bool(self._session.answers or self._session.questions)

    @property
    def idle(self) -> bool:
        """Whether no proxy of the user's is left."""
        return not self._session.imports

    @property
    def deferred(self) -> bool:
        """Whether an answer given by any thread may give another thread something to run."""
        session = self._session
        # In this order: what was deferred becomes an event, which is taken out to be handed on.
        return bool(session.deferred or session.events or self._dispatching)

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
                result = self.call(root, construct, w)
            except Unimplemented:
                pass  # a peer without thread maps picks threads as it likes
            else:
                thread_map = threads.read_capability(*result)
                if isinstance(thread_map, Import):
                    with self._lock:
                        self._thread_map = Kept(thread_map)
        return self._client(generated.client, root)

    def call(
        self, target: Import, method: ClientMethod, w: Writer
    ) -> tuple[Message, int, int, int]:
        """Call a method and wait: (message, content, data words, pointers) of its results.

        Raises RemoteError, Disconnected, Timeout.
        """
        thread = self.driver.current()
        if thread.nested > _DEEP:
            _keep_headroom(_HEADROOM)
        if method.context:
            remote = thread.contexts.get(self)
            if remote is None and self._thread_map is not None:
                remote = self._make_thread(thread)
            w.caps[0] = remote
            w.caps[1] = thread.capability
            if remote is None:
                # The context is always last.
                fixed = w.parts[0]
                w.parts[0] = fixed[: -len(threads.CONTEXT)] + threads.CONTEXT_WITHOUT_THREAD
        if len(w.caps) > 2 or (w.caps and not method.context):
            w.caps = [self._outgoing(cap) for cap in w.caps]
        question = self._ask(
            thread, self._session.call, target, method.interface, method.number, w, method.shape
        )
        message = question.message
        if message is not None:
            message.owner = self
            return (message, *question.content)
        payload = question.payload
        assert payload is not None
        payload.message.owner = self
        return (payload.message, *payload.struct())

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
        error, question.error = question.error, None
        if error is not None:
            try:
                raise error
            finally:
                # Nothing in its traceback may lead to it: such a cycle would keep all the objects
                # that the frames refer to until the garbage collector finds it.
                del error
        return question

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
                self.driver.pump()
            thread.writing = None
        self.driver.recover(thread)

    def interrupted(self) -> None:
        """An exception from outside, as Ctrl-C raises it, came in the middle of a message: nothing
        of what follows could be understood."""
        self.lost(Disconnected("the connection was interrupted in the middle of a message"))

    def empty_params(self, method: ClientMethod) -> Writer:
        """Parameters of a method that has none but its context."""
        if not method.context:
            return Writer(0)
        w = Writer(1 + threads.CONTEXT_WORDS, threads.CONTEXT_CAPS)
        w.parts[0] = threads.context_pointer(0, 1).to_bytes(8, "little") + threads.CONTEXT
        return w

    def _make_thread(self, thread: DriverThread) -> Import | None:
        """The thread of the peer's that runs this thread's calls from now on."""
        assert self._thread_map is not None
        make = ClientMethod("makeThread", *threads.MAKE_THREAD, threads.ONE_POINTER, context=False)
        result = self.call(self._thread_map, make, threads.write_text(thread.name))
        remote = threads.read_capability(*result)
        if not isinstance(remote, Import):
            return None
        capability = thread.capability
        with self._lock:
            kept = Kept(remote)
            if not self.closed:
                self._threads.add(thread)
                thread.contexts[self] = kept
                # Every call of this thread's passes it on as callback thread; keep it exported.
                thread.pins[self] = partial(self._session.unpin, self._session.pin(capability))
        return kept

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

    def feed(self, received: bytes) -> bool:
        """Take in a chunk; whether it gave another thread something to run. A peer that breaks the
        protocol is disconnected."""
        frames = self._frames
        self.heard += 1
        self._handed_over = False
        try:
            if len(received) >= SHORTEST and not frames.missing and self._take(received):
                return self._handed_over
            with self._lock:
                for message in frames.feed(received):
                    message.owner = self
                    self._session.receive(message)
                self.driver.pump()
            self._dispatch()
        except (IpcError, StructError, RecursionError) as e:
            self.drop(str(e))
        except BaseException:
            self.interrupted()
            raise
        return self._handed_over

    def drop(self, reason: str) -> None:
        """End the connection because of something that the peer did, and tell it."""
        _log.warning("dropped the connection %s: %s", self.describe(), reason)
        with self._lock:
            self._session.abort(reason)
            self.driver.pump()
        self._dispatch()
        self.lost(Disconnected(f"the connection was dropped: {reason}"))

    def _take(self, chunk: bytes) -> bool:
        """Take in a chunk if it is one of the messages for which there is a short cut."""
        kind = chunk[KIND_AT]
        if kind == rpc.RETURN:
            with self._lock:
                question = self._shortcuts.take_answer(chunk)
            if question is None:
                return False
            question.waiter.wake()
            if self._session.freed:
                self._dispatch()
            return True
        if kind == rpc.CALL:
            if self._session.events or self._dispatching:
                return False  # it must not overtake what another thread is handing on
            with self._lock:
                call = self._shortcuts.take_call(chunk)
            if call is None:
                return False
            self._handed_over = True
            delivery = call.delivery
            delivery.message.owner = self
            call.thread.thread.post(partial(self._execute, delivery, call.method, call.callback))
            return True
        return False

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
            self._dispatching = True
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

    def failed(self, task: Callable[[], None] | None, error: BaseException) -> None:
        """An exception has left a task, perhaps before it had begun: nobody may wait for it."""
        if not isinstance(task, partial) or task.func.__name__ != Connection._execute.__name__:
            return
        connection: Connection = task.func.__self__  # type: ignore[attr-defined]  # or another one
        delivery: Delivery = task.args[0]
        if not delivery.answer.done and connection.driver.current().writing is None:
            connection._reply_error(delivery, error)

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
            elif not method.context:
                self.driver.post_io(partial(self._execute, delivery, method, None))
            else:
                thread, callback = threads.read_context(delivery.message, *delivery.content)
                if isinstance(callback, ThreadCapability):
                    # A call of ours that turned out to be on an object of ours, so that the peer
                    # passed it back: the thread that waits for it can run it.
                    thread = callback
                callback_thread = callback if isinstance(callback, Import) else None
                run = partial(self._execute, delivery, method, callback_thread)
                if isinstance(thread, ThreadCapability):
                    self._handed_over = True
                    thread.thread.post(run)
                elif thread is None:
                    self.driver.post_pool(run)
                elif isinstance(thread, Broken):
                    raise again(thread.error)
                else:
                    raise RemoteError("the call's thread is no thread of this process")
        except IpcError as e:
            self._reply_error(delivery, e)

    def _execute(self, delivery: Delivery, method: ServerMethod, callback: Import | None) -> None:
        """Run a call on the current thread and answer it.

        Calls that it makes back over this connection are run by the thread that made it.
        """
        target = delivery.target
        assert isinstance(target, Local)
        thread = self.driver.current()
        contexts = thread.contexts
        before = contexts.get(self)
        if callback is not None:
            contexts[self] = callback
        try:
            impl = target.impl
            if impl is None:
                raise RemoteError("the object was destroyed")
            if method.run is None:
                target.destroy()
                del impl
                w = Writer(0)
            else:
                if self._logger:
                    impl = self._logger.object(impl, target.server.name, self.describe())
                w = method.run(impl, delivery.message, *delivery.content)
                if w.caps:
                    w.caps = [self._outgoing(cap) for cap in w.caps]
        except Exception as e:
            self._reply_error(delivery, e)
            return
        except BaseException as e:
            # Ctrl-C belongs to the main thread. Elsewhere it is as good as any other exception:
            # `sys.exit` in a method must not end a thread that its client goes on using.
            self._reply_error(delivery, e)
            if thread.is_main:
                raise
            return
        finally:
            if callback is not None:
                if before is None:
                    contexts.pop(self, None)
                else:
                    contexts[self] = before
        unused = not delivery.hosted
        if thread.home is not None:
            # It goes back to waiting: the next call may be there as soon as this answer is.
            self.driver.claim(thread)
        thread.writing = self
        with self._lock:
            if callback is not None and delivery.hosted == (callback,):
                # Only the callback thread came with the call, and it is not needed any more: the
                # answer itself gives it back.
                callback.disown()
                unused = True
            if self._session.closed or delivery.answer.finished:
                _log.info("%s ran to its end, but its caller is gone", method.name)
            self._session.reply(delivery, w, method.shape, params_unused=unused)
            self.driver.pump()
        thread.writing = None
        self._dispatch()
        self.driver.drain()

    def _reply_error(self, delivery: Delivery, error: BaseException) -> None:
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
            self._session.reply_error(delivery.answer, error, trace)
            self.driver.pump()
        thread.writing = None
        self._dispatch()

    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        """Answer a call of the protocol's own, whose parameters' capabilities are kept."""
        with self._lock:
            self._session.reply(delivery, w, shape, params_unused=False)
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
