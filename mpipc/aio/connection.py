"""A connection that an event loop drives: the protocol of a transport, in asyncio's words.

There are no threads, so a context names none where the peer does without; incoming calls become
tasks. Everything here runs in the loop's thread, but for `call`, `close`, and dropped references.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from struct import error as StructError
from struct import pack
from time import perf_counter
from typing import Any, TypeVar

import msgspec

from mpipc.aio.calls import begun
from mpipc.aio.iterators import Later
from mpipc.aio.remote_threads import MAKE_POOL, MAKE_THREAD, RemoteThreads, pool_of_threads
from mpipc.capnp import threads
from mpipc.capnp.endpoint import Endpoint, Observer
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local, ServerMethod
from mpipc.capnp.session import Aborted, Answer, Delivery, Import, Question
from mpipc.capnp.shortcuts import Incoming
from mpipc.capnp.threads import ThreadCapability
from mpipc.capnp.traffic import Tap
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, RemoteError, Unimplemented
from mpipc.ipc import forks
from mpipc.ipc.alertness import Alertness

R = TypeVar("R")
_log = logging.getLogger("mpipc")

_FULL = 1 << 18  # bytes left to write, above which whoever has more to write waits
# A peer that leaves this many bytes (more than any one message) unread is not listened to.
_UNREAD = 1 << 27
_BULK = 1 << 12  # words of parameters that are not put off
_NO_CONTEXT = pack("<QQ", 0, 0)
_THREAD_ONLY = pack("<QQ", 3, 0)
# Seconds for which the loop goes on looking whether something has come, before it sleeps: what it
# takes to wake the other end's, and an ordinary call.
_ALERT = 2e-4
_CLOSING = 1.0  # seconds for what is still to be written


class _Caller(msgspec.Struct, eq=False):
    """Who made the call that a task runs: calls back go to that thread, as long as it waits."""

    connection: Connection
    thread: Import | None


_caller: contextvars.ContextVar[_Caller | None] = contextvars.ContextVar("caller", default=None)


class _Loop(msgspec.Struct):
    """What stands for a thread: all that a peer makes are the loop."""

    name: str

    def post(self, task: Callable[[], None]) -> None:
        raise NotImplementedError("tasks run in the loop")


class Connection(Endpoint, asyncio.Protocol):
    """See the module. `description`: the other end, for people."""

    def __init__(
        self,
        bootstrap: Local | None,
        limits: Limits,
        description: str,
        *,
        tracebacks: bool = False,
        observer: Observer | None = None,
    ) -> None:
        super().__init__(
            bootstrap,
            limits,
            nullcontext(),
            self._flush_soon,
            tracebacks=tracebacks,
            observer=observer,
        )
        self._output = self._session.take_output
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._description = description
        self._frames = FrameReader(limits)
        self._transport: asyncio.Transport | None = None
        self._sock: socket.socket | None = None
        self._heard = 0
        self._flushing = False
        self._alertness = Alertness()
        self._looking = False
        self._waiting = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._asking_for_threads = asyncio.Lock()
        self._remote_threads: RemoteThreads | None = None
        self._knows_threads = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._executor: ThreadPoolExecutor | None = None
        self.close_when_idle = False
        self.ended = asyncio.Event()

    def describe(self) -> str:
        return f"on {self._description}"

    @property
    def heard(self) -> int:
        return self._heard

    def tap(self, sent: Tap, received: Tap, ended: Callable[[Disconnected], object]) -> None:
        # Replaced, so that a connection that nobody taps pays nothing.
        output, take = self._output, self.data_received

        def tapped_output() -> list[bytes]:
            parts = output()
            for part in parts:
                sent(part)
            return parts

        def tapped_take(data: bytes) -> None:
            received(data)
            take(data)

        self._output = tapped_output
        self.__dict__["data_received"] = tapped_take
        self._on_end = ended

    # ------------------------------------------------------------------------------- calling

    async def start(self, generated: Generated) -> Client:
        """Ask the peer for its root object and exchange thread maps with it."""
        root = self._started(await self._ask(self._session.bootstrap))
        construct = generated.client._mpipc_construct
        if construct is not None:
            w = threads.write_capability(self._own_thread_map)
            try:
                self._keep_thread_map(await self.call_async(root, construct, w))
            except Unimplemented:
                pass  # a peer without thread maps picks threads as it likes
        await self._learn_threads()
        self.close_when_idle = True
        return self._client(generated.client, root)

    def call(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        if self.blocks():
            made = self.call_async(target, method, w)
            return asyncio.run_coroutine_threadsafe(made, self._loop).result()
        calls = self.begun()
        if calls is None or calls:
            raise IpcError(
                f"{method.name} is not async, and would block the event loop:"
                " await mpipc.aio.call(proxy.method, ...)"
            )
        calls.append(self.call_async(target, method, w))
        return None  # type: ignore[return-value]  # `mpipc.aio.call` awaits the call

    def blocks(self) -> bool:
        return threading.get_ident() != self._thread

    def begun(self) -> list[Any] | None:
        return None if self.blocks() else begun.get()

    def iterate(self, client: Client, method: ClientMethod[Any], w: Writer) -> Any:
        if self.blocks() or begun.get() is not None:
            return client._mpipc_call(method, w)
        opening: Any = client._mpipc_await(method, w)
        return Later(opening)

    async def call_async(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        while not self._writable.is_set():
            await self._writable.wait()
        if not method.context:
            return self._unpacked(method, await self._send(target, method, w))
        caller = _caller.get()
        if caller is not None and caller.connection is self and caller.thread is not None:
            return await self._call_on(caller.thread, target, method, w)
        if not self._knows_threads and self._thread_map is not None:
            await self._learn_threads()
        pool = self._remote_threads
        if pool is None:
            return await self._call_on(None, target, method, w)
        thread = await pool.take()
        busy = True
        try:
            question = await self._send(target, method, self._in_context(w, method, thread))
            busy = False
        finally:
            pool.give_back(thread, busy=busy)
        return self._unpacked(method, question)

    async def _call_on(
        self, thread: Import | None, target: Import, method: ClientMethod[R], w: Writer
    ) -> R:
        question = await self._send(target, method, self._in_context(w, method, thread))
        return self._unpacked(method, question)

    def _in_context(self, w: Writer, method: ClientMethod[Any], thread: Import | None) -> Writer:
        """Parameters whose context names this thread, or none; nobody waits as callback thread."""
        # The context is always last in the fixed part.
        fixed = w.head[: -len(_NO_CONTEXT)]
        if thread is None:
            w.head = fixed + _NO_CONTEXT
            w.caps = [] if len(w.caps) == len(threads.CONTEXT_CAPS) else w.caps
        else:
            w.head = fixed + _THREAD_ONLY
            w.caps[0] = thread
        # As between programs that block, nothing is for a peer that has no threads.
        if self._observer is not None and self.names_thread():
            text = self._observer.carried()
            if text:
                threads.carry(w, method.shape, text)
        return w

    async def _send(self, target: Import, method: ClientMethod[Any], w: Writer) -> Question:
        """Send a call and wait for its answer, of whatever kind."""
        if w.caps:
            w.caps = [self._outgoing(cap) for cap in w.caps]
        question = self._session.call(
            target, method.interface, method.number, w, method.shape, self._waiter()
        )
        if w.end > _BULK:
            self._flush()  # now, so that others wait if this is too much
        return await self._answered(question)

    async def _ask(self, ask: Callable[[Any], Question]) -> Question:
        question = await self._answered(ask(self._waiter()))
        if question.error is not None:
            self._raise(question)
        return question

    def _waiter(self) -> asyncio.Future[None]:
        return self._loop.create_future()

    async def _answered(self, question: Question) -> Question:
        """Wait until a question is answered. A task that is cancelled tells the peer."""
        # Where others wait already, more calls may come before the loop comes round.
        if self._waiting:
            self._flush_soon()
        else:
            self._flush()
        self._waiting += 1
        try:
            await question.waiter
        except BaseException:
            self._session.abandon(question)
            self._flush_soon()
            raise
        finally:
            self._waiting -= 1
        return question

    async def _learn_threads(self) -> None:
        """Find out whether the peer runs calls that name no thread."""
        async with self._asking_for_threads:
            thread_map = self._thread_map
            if self._knows_threads or thread_map is None:
                return
            try:
                await self.call_async(thread_map, MAKE_POOL, pool_of_threads())
            except RemoteError:

                async def make() -> Any:
                    w = threads.write_text("asyncio")
                    return await self.call_async(thread_map, MAKE_THREAD, w)

                self._remote_threads = RemoteThreads(make)
            self._knows_threads = True

    # ------------------------------------------------------------------------------- serving

    def _dispatch(self) -> None:
        """Hand on what the session has found in received messages, in order."""
        session = self._session
        while session.events:
            event = session.events.popleft()
            if isinstance(event, Delivery):
                self._deliver(event)
            elif not event.waiter.done():
                event.waiter.set_result(None)
        while session.freed:
            session.freed.popleft()

    def _deliver(self, delivery: Delivery) -> None:
        """Begin to run an incoming call."""
        target: Any = delivery.target
        try:
            method = self._called(delivery)
            if method is None:
                return
            callback = None
            if method.context:
                callback = threads.read_context(delivery.message, *delivery.content)[1]
            thread = callback if isinstance(callback, Import) else None
        except IpcError as e:
            self._reply_error(delivery.answer, e)
            return
        task = self._loop.create_task(self._run(delivery, target, method, thread))
        self._tasks.add(task)
        delivery.answer.cancel = partial(self._cancel, task, delivery.answer)
        if delivery.answer.finished:  # already, by what came together with the call
            delivery.answer.cancel()

    def _cancel(self, task: asyncio.Task[None], answer: Answer) -> None:
        """The peer does not wait for the answer any more."""
        task.add_done_callback(partial(self._cancelled, answer))
        task.cancel()

    def _cancelled(self, answer: Answer, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not answer.done:  # it had not even begun
            self._reply_error(answer, asyncio.CancelledError())

    async def _run(
        self, delivery: Delivery, target: Local, method: ServerMethod, thread: Import | None
    ) -> None:
        """Run a call and answer it."""
        caller = _Caller(self, thread)
        _caller.set(caller)
        try:
            await self._answer(delivery, target, method, caller)
        finally:
            # Not when it is done: the loop would come round once more for that.
            self._tasks.discard(asyncio.current_task())

    async def _answer(
        self, delivery: Delivery, target: Local, method: ServerMethod, caller: _Caller
    ) -> None:
        try:
            w = await self._result(delivery, target, method)
            if w.caps:
                w.caps = [self._outgoing(cap) for cap in w.caps]
        except BaseException as e:
            unused = _given_back(delivery, caller)
            # `sys.exit` in a method must not end the loop.
            again = isinstance(e, asyncio.CancelledError | KeyboardInterrupt)
            self._reply_error(delivery.answer, e, params_unused=unused)
            if again:
                raise
            return
        unused = _given_back(delivery, caller)
        self._session.reply(delivery.answer, w, method.shape, params_unused=unused)
        del delivery, target
        self._dispatch()
        # Where others run, more answers may come before the loop comes round.
        if len(self._tasks) > 1:
            self._flush_soon()
        else:
            self._flush()
        if not self._writable.is_set():
            await self._writable.wait()

    async def _result(self, delivery: Delivery, target: Local, method: ServerMethod) -> Writer:
        impl, run = target.impl, method.run
        if impl is None:
            raise RemoteError("the object was destroyed")
        if self._observer is not None and self.wraps_objects:
            call = Incoming(delivery.answer, target, method, delivery.message, delivery.content)
            impl = self._observer.object(impl, call, self)
        if run is not None and method.supplied:
            run = partial(run, _peer=self.peer)
        found: Writer
        if method.run_async is not None and impl.awaits:
            found = await method.run_async(impl, delivery.message, *delivery.content)
            if run is None:
                target.destroy()
        elif run is None:
            if target.server.close is None:
                target.destroy()
            else:
                await self._in_thread(target.destroy)
            found = Writer(0)
        elif method.is_async:
            found = await run(impl, delivery.message, *delivery.content)
        elif method.context:
            work = partial(run, impl, delivery.message, *delivery.content)
            found = await self._in_thread(work)
        else:
            found = run(impl, delivery.message, *delivery.content)
        return found

    async def _in_thread(self, work: Callable[[], R]) -> R:
        """Run what may block."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self.limits.threads, "mpipc-aio")
        context = contextvars.copy_context()
        return await self._loop.run_in_executor(self._executor, context.run, work)

    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        self._session.reply(delivery.answer, w, shape, params_unused=False)
        self._flush_soon()

    def _reply_error(
        self, answer: Answer, error: BaseException, *, params_unused: bool = False
    ) -> None:
        told, trace = self._reported(error)
        self._session.reply_error(answer, told, trace, params_unused=params_unused)
        self._dispatch()
        self._flush_soon()

    def _make_thread(self, name: str) -> ThreadCapability:
        return ThreadCapability(_Loop(name))

    # ----------------------------------------------------------------------------- transport

    def uses(self, sock: socket.socket) -> None:
        """The transport's socket, before there is one."""
        self._sock = sock
        forks.tell(self)

    def forked(self) -> None:
        """In a forked child: the connection is the parent's, and so are the loop's descriptors. The
        transport is not closed, since that would take the socket out of the parent's epoll."""
        self._transport = None
        self._flushing = True
        if self._sock is not None and self._sock.fileno() >= 0:
            os.close(self._sock.detach())
        reason = "the connection belongs to the process that this one was forked from"
        self._session.close(self._named(Disconnected(reason)))
        self._session.events.clear()
        self.ended.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(_FULL)

    def data_received(self, data: bytes) -> None:
        self._heard += 1
        self.traffic.received += len(data)
        try:
            for message in self._frames.feed(data):
                message.owner = self
                self._session.receive(message)
            self._dispatch()
        except Aborted as e:
            _log.info("lost the connection %s: %s", self.describe(), e)
            self._lose(Disconnected(str(e)))
        except (IpcError, StructError, RecursionError) as e:
            self.drop(str(e))
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self._lose(Disconnected("the other end closed the connection"))
        else:
            reason = error.strerror if isinstance(error, OSError) else None
            self._lose(Disconnected(f"the connection broke: {reason or error}"))
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        self.ended.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._transport is not None:
            self._transport.resume_reading()

    def _flush_soon(self) -> None:
        """Write what there is to write when the loop comes round; may be called in any thread."""
        if self._flushing:
            return
        self._flushing = True
        try:
            if threading.get_ident() == self._thread:
                self._loop.call_soon(self._flush)
            else:
                self._loop.call_soon_threadsafe(self._flush)
        except RuntimeError:
            pass  # the loop is closed, and nobody writes any more

    def _flush(self) -> None:
        self._flushing = False
        out = self._output()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if out:
            self.traffic.sent += sum(map(len, out))
            for part in out:  # `writelines` heeds no limit in Python 3.12.1, 3.13.0
                transport.write(part)
            if not self._writable.is_set() and transport.get_write_buffer_size() > _UNREAD:
                transport.pause_reading()
            self._stay_awake()
        if self.close_when_idle and self.idle:
            self.close()

    def _stay_awake(self) -> None:
        """Something was written, and what comes next is perhaps not far: keep the loop coming
        round, instead of sleeping, while that pays off."""
        if self._looking:
            return
        if self._alertness.sleepy:
            self._alertness.sleepy -= 1
            return
        self._looking = True
        self._look(self._heard, perf_counter() + _ALERT)

    def _look(self, heard: int, until: float) -> None:
        if self._heard != heard:
            self._alertness.slept = 1
            self._looking = False
        elif perf_counter() > until or self._session.closed:
            self._alertness.failed()
            self._looking = False
        else:
            self._loop.call_soon(self._look, heard, until)

    # -------------------------------------------------------------------------------- ending

    def close(self) -> None:
        if threading.get_ident() == self._thread:
            self._lose(Disconnected("the connection was closed on this side"))
            return
        try:
            self._loop.call_soon_threadsafe(self.close)
        except RuntimeError:
            pass  # the loop is closed

    def drop(self, reason: str) -> None:
        """End the connection because of something that the peer did, and tell it."""
        _log.warning("dropped the connection %s: %s", self.describe(), reason)
        self._session.abort(reason)
        self._lose(Disconnected(f"the connection was dropped: {reason}"))

    def _lose(self, error: Disconnected) -> None:
        self.close_when_idle = False
        if not self._session.closed:
            self._flush()
            self._end_session(self._named(error))
        self._dispatch()
        for task in tuple(self._tasks):
            task.cancel()
        self._writable.set()
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            self._loop.call_later(_CLOSING, self._abort)

    def _abort(self) -> None:
        if self._transport is not None and not self.ended.is_set():
            self._transport.abort()


def _given_back(delivery: Delivery, caller: _Caller) -> bool:
    """A call has ended. Whether the answer gives back all that came with it: when that is only its
    callback thread, which is not needed any more."""
    thread, caller.thread = caller.thread, None
    if thread is not None and delivery.hosted == (thread,):
        thread.disown()
        return True
    return not delivery.hosted
