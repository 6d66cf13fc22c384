"""How the peer's calls are run: by which thread, and how they are answered.

The usual call goes a straight way (`Serving.serve`): the thread that it is meant for has received
it, runs it and receives the next one, all in one function. It is laid out as earlier ones, so most
of what it says is remembered (`shortcuts.py`). Any other call takes the general way, which comes to
the same: the conditions are those of `Shortcuts.take_call`, written out, since each function that
is called on the way takes as long as several of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from sys import getrefcount
from typing import Any, TypeVar

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.driven import Driven
from mpipc.capnp.driver import DriverThread
from mpipc.capnp.message import Message
from mpipc.capnp.proxy import Local
from mpipc.capnp.session import (
    Answer,
    Broken,
    Delivery,
    Import,
    Lane,
    LocalCapability,
    again,
)
from mpipc.capnp.sharing import INTERFACE, OFFER, OPEN
from mpipc.capnp.shortcuts import CALL_CONTENT, Incoming
from mpipc.capnp.threads import ThreadCapability, ThreadMapCapability
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError, RemoteError

R = TypeVar("R")
_log = logging.getLogger("mpipc")

BATCH = 300
"""Pieces of messages that wait to be written together."""
BULK = 1 << 12
"""Words of parameters or results, beyond which a call is out of the ordinary."""
# References to an object that is in `hosted` and a variable, that of the question for it included.
_HOSTED = 3
_RETURN_BEGIN, _RETURN_MIDDLE, _RETURN_WORDS, _NOTHING_LEFT, _pack_return = (
    rpc.RETURN_BEGIN, rpc.RETURN_MIDDLE, rpc.SIMPLE_RETURN_WORDS, rpc.NOTHING_LEFT,
    rpc.simple_return,
)  # fmt: skip


class Serving(Driven):
    """See the module."""

    def _deliver(self, delivery: Delivery) -> None:
        """Have an incoming call run by the thread that it is meant for."""
        target: Any = delivery.target
        try:
            method = self._called(delivery)
            if method is None:
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
        pending, frames = session.answers, self._frames
        inbox, contexts = thread.inbox, thread.contexts
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
                self.traffic.received += head.size
                if self._tap is not None:
                    self._tap(chunk)  # in order: nobody else reads yet
                self._give_back_role(thread)
                contexts[self] = lane
                try:
                    w: Any = method.run(impl, message, *head.content)  # type: ignore[misc]
                except BaseException as e:
                    self._leave_lane(thread, before)
                    head.answer = Answer(head.id)
                    call = Incoming(
                        answer, target, method, message, head.content, lane, own, True, caps
                    )
                    self._reply_error(answer, e, params_unused=self._give_back(call))
                    # As in `execute`.
                    if thread.is_main and not isinstance(e, Exception):
                        raise
                    return
                if before is None or session.closed:
                    contexts.pop(self, None)
                else:
                    contexts[self] = before
                del impl
                if export.target is None:
                    # This is the last reference to the object, which may take its time to end.
                    ended = [target]
                    target = None
                    driver.post_cleanup(ended.clear)
                # Whether there is another call to run at once: then the answers may go together.
                more = thread.backlog or not inbox.empty()
                if not more:
                    # It goes back to waiting: the next call may be there as soon as this answer is.
                    self._claim(thread)
                thread.writing = self
                with self._lock:
                    if (
                        w.caps
                        or w.end > BULK
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
                    if session.out or session.let_go:
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
                assert head is not None
                head.answer = Answer(answer.id)
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
            self._leave_lane(thread, before)
        # Whether there is another call to run at once: then the answers may go together.
        more = thread.backlog or not thread.inbox.empty()
        if thread.home is not None and not more:
            # It goes back to waiting: the next call may be there as soon as this answer is.
            self._claim(thread)
        if w.caps or not call.simple or w.end > BULK or (call.hosted and not self._give_back(call)):
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
                    if more and len(session.out) < BATCH:
                        self.driver.pump_soon()
                    else:
                        self.driver.pump()
                    alone = False
                else:
                    alone = outbox.busy = True
        if simple and alone:
            if outbox.write(b"".join((head, w.head, *w.parts))):
                self.driver.drain()
            if session.out or session.let_go:
                self._flush()
        thread.writing = None
        if not simple:
            self._answer(call, w, thread)

    def _leave_lane(self, thread: DriverThread, before: Lane | None) -> None:
        """A call has ended; `before` is the lane of the one that had caused it."""
        if before is None or self.closed:
            thread.contexts.pop(self, None)
        else:
            thread.contexts[self] = before

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
                    self._leave_lane(thread, before)
                    call()
                    continue
                contexts[self] = call.lane
                try:
                    content, data_words, pointers = call.content
                    w = method.run(impl, call.message, content, data_words, pointers)
                    del impl
                    if w.caps or w.end > BULK:
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
                elif len(out) > BATCH:
                    self._flush()
                else:
                    self.driver.pump_soon()
        finally:
            self._leave_lane(thread, before)
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

    def failed(self, task: object, error: BaseException) -> None:
        """An exception has left a task, perhaps before it had begun: nobody may wait for it."""
        if not isinstance(task, Incoming):
            return
        connection: Serving = task.message.owner  # or another one
        if not task.answer.done and connection.driver.current().writing is None:
            connection._reply_error(task.answer, error)

    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        with self._lock:
            self._session.reply(delivery.answer, w, shape, params_unused=False)
            self.driver.pump()
        self._dispatch()

    def _serve_thread(self, delivery: Delivery, target: LocalCapability) -> None:
        memory = self.driver.memory
        if (
            memory is not None
            and self._sharing is not None
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
