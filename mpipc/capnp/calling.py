"""How calls are made: in which context, and who waits for the answer.

The usual call goes a straight way (`Calling.call`): the thread writes it, receives the answer
itself, and knows it by how the last one began (`shortcuts.py`). Any other call takes the general
way, which comes to the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.awaited import AwaitedCall
from mpipc.capnp.driver import DriverThread
from mpipc.capnp.message import Message
from mpipc.capnp.proxy import ClientMethod
from mpipc.capnp.serving import BATCH, BULK, Serving
from mpipc.capnp.session import (
    Import,
    Kept,
    Lane,
    OwnThread,
    Promised,
    Question,
    again,
)
from mpipc.capnp.shortcuts import ANSWER_CONTENT
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError, ProtocolError

R = TypeVar("R")

# Callbacks nested more deeply than this may come near the interpreter's recursion limit. A call
# needs this many frames for itself, and for a callback that it causes to begin and to fail.
_DEEP = 4
_HEADROOM = 80
_MAKE_THREAD = ClientMethod(
    "makeThread", *threads.MAKE_THREAD, threads.ONE_POINTER, False, threads.read_capability
)
_CALL_BEGIN, _CALL_WORDS, _pack_call = (
    rpc.CALL_BEGIN, rpc.CALL_IN_CONTEXT_WORDS, rpc.call_in_context,
)  # fmt: skip


class AlreadyThere(Exception):
    """The object that was promised is to be called itself."""


class Calling(Serving):
    """See the module."""

    def call(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        thread = self._current()
        lane: Any = thread.contexts.get(self)
        # Without a context it has no lane; nor has a thread whose first call it is.
        own: Any = lane.own if lane is not None and method.context else None
        if own is None:
            return self._call_generally(target, method, w, thread)
        question = own.question
        if not question.free:
            question = self._unused(own, thread)
        if not question.free or thread.nested > _DEEP or w.end > BULK:
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
                question.free = question.done = False
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
                if session.out or session.let_go:
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
                        and (not more or self._take_back(question))
                    ):
                        answer.export.references -= 1
                        question.done = question.free = True
                        self.traffic.received += answer.size
                        if self._tap is not None:
                            self._tap(chunk)  # in order: nobody else reads yet
                        driver.leave(thread)
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
                try:
                    return self._unpacked(method, question)
                finally:
                    question.free = True
            question.message = None
            content, data_words, pointers = question.content
            question.free = True
        return method.unpack(message, content, data_words, pointers)

    def _unused(self, own: OwnThread, thread: DriverThread) -> Question:
        """A thread's question, when it is not free. It is another one if nobody will come for the
        answer, because an interrupt did; not if a call waits that has caused this one."""
        question = own.question
        if question.done and thread.home is None:
            with self._lock:
                if not self.closed:
                    self._session.abandon(question)
                    self._session.renew(own)
                    question = own.question
        return question

    def _take_back(self, question: Question) -> bool:
        """Whether the answer to a question may give back the objects in its parameters. The caller
        still has them, so none of them ends here."""
        with self._lock:
            try:
                self._session.take_back(question)
            except ProtocolError:
                return False  # as will be found on the general way
        return True

    def _serve_in(self, question: Question, thread: DriverThread, received: list[bytes]) -> None:
        """As `serve`, while waiting for an answer."""
        home = thread.begin_waiting(self.driver)
        try:
            self.serve(question, thread, received)
        finally:
            thread.end_waiting(self.driver, home)

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
            or w.end > BULK
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
        if len(out) > BATCH:
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
        if w.end > BULK:
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


def _keep_headroom(frames: int) -> None:
    """Raise RecursionError now rather than in the middle of a message."""
    if frames:
        _keep_headroom(frames - 1)
