"""Two-party RPC, level 1, as a state machine: messages in, messages and events out, no I/O.

The four tables of the protocol (https://capnproto.org/rpc.html, "The Four Tables"):

    questions   our calls that the peer has not answered, or that we have not finished
    answers     the peer's calls that it has not finished
    exports     our objects that the peer holds
    (imports    the peer's objects that we hold: each `Import` counts for itself)

A session is not thread-safe; its owner holds a lock around every method. The one exception is
`Import.__del__`, which may run in any thread at any moment and only appends to a deque.

Promises that the peer sends (senderPromise) are called by their promise's id for good: the peer
keeps forwarding, so nothing needs an embargo here, and what a Resolve brings is released at once.

A call waits for answers that its parameters refer to, since an object of ours takes no promises. A
later call on the same object may overtake it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from itertools import count
from struct import pack
from typing import Any, TypeAlias

import msgspec

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.copying import copy_fixed, copy_struct
from mpipc.capnp.message import POINTER, Limits, Message
from mpipc.capnp.rpc_messages import Call, Descriptor, Payload, PromisedAnswer, Return
from mpipc.capnp.showing import printable
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, ProtocolError, RemoteError, Unimplemented

_LONGEST_REASON = 1000  # characters that the peer may say at its end
_LITTLE = 1 << 12  # bytes of a call that do not count: the number of such calls is limited
_BULK = 1 << 12  # words of a message, beyond which it is not worth copying into one piece


class Import:
    """A reference to an object of the peer's, released when it is garbage-collected."""

    __slots__ = ("session", "id", "__weakref__")

    def __init__(self, session: Session, id: int) -> None:
        self.session = session
        self.id = id

    def disown(self) -> None:
        """The reference went back to the peer by other means: do not release it again."""
        self.session.imports -= 1
        self.id = -1

    def __del__(self) -> None:
        if self.id >= 0:
            self.session.dropped(self.id)


class Kept(Import):
    """A reference that the runtime holds for itself; `Session.imports` does not count it."""

    __slots__ = ()

    def __init__(self, taken: Import) -> None:
        super().__init__(taken.session, taken.id)
        taken.disown()

    def __del__(self) -> None:
        self.session.dropped(~self.id)


class Passing(Import):
    """The callback thread of the call that runs in a lane: it is another one's in each, and its
    peer's again with the answer. So it is nothing that an object of ours may keep."""

    __slots__ = ()


class Broken:
    """A capability that never came to be; calling it raises `error`."""

    def __init__(self, error: IpcError) -> None:
        self.error = error


LocalCapability: TypeAlias = object
"""An object of ours that the peer can call. It ends with the last reference to it: the peer's, that
of an answer which the peer has not finished, or that of a call."""

Capability: TypeAlias = "LocalCapability | Import | Broken | None"


class Question:
    """A call of ours. `done` once answered: then `error` or `payload` is set; or, where it was
    clear what the results are, `message` and `content` (byte position, data words, pointers).
    `kept`: it is asked again and again, and keeps its number; it is `free` when nobody will come
    for an answer. `spares`: where it belongs when it is
    not in use."""

    # Not a msgspec.Struct, whose attributes take longer to set: a kept one is changed in each call.
    __slots__ = (
        "id", "waiter", "done", "kept", "free", "payload", "message", "content", "error",
        "exported", "abandoned", "forward", "spares",
    )  # fmt: skip

    def __init__(self, id: int, waiter: Any) -> None:
        self.id = id
        self.waiter = waiter
        self.done = False
        self.kept = False
        self.free = False
        self.payload: Payload | None = None
        self.message: Message | None = None
        self.content = 0, 0, 0
        self.error: IpcError | None = None
        self.exported: Sequence[int] = ()
        self.abandoned = False
        self.forward: Answer | None = None
        self.spares: list[Question] | None = None


class Promised:
    """An object in the results of a question that is still to be answered; `field` is the index of
    its pointer there."""

    __slots__ = ("question", "field")

    def __init__(self, question: Question, field: int) -> None:
        self.question = question
        self.field = field


class OwnThread(msgspec.Struct, eq=False):
    """A thread of ours as one connection knows it: the number of its capability, which stays
    exported whatever the peer releases, and the question that its calls ask again and again, with
    `spare` ones for calls that are not waited for. Calling it ends that, in any thread, lock held
    or not."""

    session: Session
    number: int
    export: Export
    question: Question
    spare: list[Question] = []

    def __call__(self) -> None:
        self.session.unpin(self)


class Lane(msgspec.Struct, eq=False):
    """What the calls that one of our threads makes have in common: `remote`, the peer's thread that
    runs them, and our own as their callback thread; `threads` describes both capabilities, and
    `table` is the table of them. `Session.prepare` fills in all but `remote`."""

    remote: Import
    own: OwnThread | None = None
    threads: tuple[int, int] = (0, 0)
    table: bytes = b""


class Answer(msgspec.Struct, eq=False):
    """A call of the peer's. Once `done`: `caps` and `body` are its results, or `error`. `cancel` is
    called when the peer does not wait for it any more."""

    id: int
    to_yourself: bool = False
    done: bool = False
    finished: bool = False
    error: IpcError | None = None
    caps: Sequence[Capability] = ()
    body: bytes = b""
    shape: int | None = None  # None: the result is caps[0] itself (bootstrap)
    exported: Sequence[int] = ()
    held: int = 0  # bytes of memory that count
    waiting: list[Callable[[], None]] | None = None
    cancel: Callable[[], object] | None = None


class Delivery(msgspec.Struct, eq=False):
    """A call of the peer's on an object of ours, to be answered with `Session.reply`."""

    answer: Answer
    target: LocalCapability
    interface: int
    method: int
    message: Message
    content: tuple[int, int, int]  # byte position, data words, pointers of the parameters
    hosted: tuple[Import, ...]  # the capabilities in the parameters that are the sender's


class Export:
    """`references` are the peer's, `pins` our own. `target` is None when it has ended."""

    __slots__ = ("target", "references", "pins")

    def __init__(self, target: LocalCapability) -> None:
        self.target: LocalCapability | None = target
        self.references = 0
        self.pins = 0


Event: TypeAlias = "Question | Delivery"


class Session:
    """One connection's protocol state. `on_drop` is called when there is something to write that
    nobody is about to write (it may be called in any thread, and must not block)."""

    def __init__(
        self, bootstrap: LocalCapability | None, limits: Limits, on_drop: Callable[[], None]
    ) -> None:
        self.limits = limits
        self.closed: IpcError | None = None
        self.out: list[bytes] = []
        self.events: deque[Event] = deque()
        self.freed: deque[Capability] = deque()
        """May hold the last references to objects of ours: to be dropped without the lock."""
        self.greeted = False
        """Whether the peer has asked for our root object."""
        self.imports = 0
        self.deferred = 0
        """How much of what was received waits for one of our answers."""
        self._bootstrap = bootstrap
        self._on_drop = on_drop
        self.questions: dict[int, Question] = {}
        self._free_questions: list[int] = []
        self._new_questions = count()
        self.bulky = False
        """Whether `out` is too much to be copied into one piece."""
        self.answers: dict[int, Answer] = {}
        self._held = 0  # by all of these
        self.exports: dict[int, Export] = {}
        self._export_ids: dict[int, int] = {}
        self._free_exports: list[int] = []
        self.let_go: deque[int | OwnThread] = deque()
        """What nobody here needs any more, which the peer is still to be told: the ids of its
        objects (`~id` for one that was not counted), and threads of ours. Whoever writes without
        the lock looks for it afterwards, as for more in `out`."""
        self._ready: deque[Callable[[], None]] = deque()
        self._proceeding = False
        # Answered and finished, but by answers of ours that are still to come.
        self._unsettled: set[Question] = set()
        # By the number of an object of the peer's: calls of its own on it that are still to be
        # passed back, and the disembargoes that come after them.
        self._forwarding: dict[int, int] = {}
        self._embargoes: dict[int, list[int]] = {}

    @property
    def serves(self) -> bool:
        """Whether there is a root object of ours."""
        return self._bootstrap is not None

    @property
    def busy(self) -> bool:
        """Whether either side waits for an answer of the other's."""
        return bool(self.answers) or not all(q.done for q in tuple(self.questions.values()))

    # ------------------------------------------------------------------------------- asking

    def bootstrap(self, waiter: Any) -> Question:
        """Ask for the peer's root object."""
        question = self._question(waiter)
        self.out.append(rpc.bootstrap(question.id))
        return question

    def call(
        self,
        target: Import | Promised,
        interface: int,
        method: int,
        w: Writer,
        shape: int,
        waiter: Any,
    ) -> Question:
        """Call a method; `w` holds the parameters, whose struct has the given shape
        (`data words | pointers << 16`). Raises Disconnected and Overloaded."""
        self._make_room(w.caps)
        question = self._question(waiter)
        caps, question.exported = self._descriptors(w.caps)
        if isinstance(target, Promised):
            header = rpc.call_on_answer(
                question.id, target.question.id, target.field, interface, method, caps, w.end, shape
            )
        else:
            header = rpc.call_header(question.id, target.id, interface, method, caps, w.end, shape)
        self._write(header, w)
        return question

    def prepare(self, lane: Lane, own: OwnThread) -> None:
        """Make a lane ready for calls, given our own thread."""
        lane.own = own
        lane.threads = (
            rpc.RECEIVER_HOSTED | lane.remote.id << 32,
            rpc.SENDER_HOSTED | own.number << 32,
        )
        lane.table = rpc.context_table(*lane.threads)

    def table_with(self, lane: Lane, own: OwnThread, objects: Sequence[Any]) -> bytes:
        """The table of a lane's next call, when objects are among its parameters. They are given
        back with the answer, or count as the peer's. Raises Overloaded."""
        self._make_room(objects)
        words, exported = self._descriptors(objects)
        own.question.exported = (own.number, *exported)
        return rpc.context_table(*lane.threads, *words)

    def take_back(self, question: Question) -> list[Capability]:
        """The answer to a question that is kept gives back the objects in its parameters. Returns
        those that the peer does not hold any more, to be dropped without the lock. Raises
        ProtocolError, and then nothing has changed."""
        own, *exported = question.exported
        for number in exported:
            export = self.exports.get(number)
            if export is None or not export.references:
                raise ProtocolError("the peer released an object that it does not hold")
        question.exported = (own,)
        ended: list[Capability] = []
        for number in exported:
            ended += self._unexported(number, 1)
        return ended

    def _write(self, header: bytes, w: Writer) -> None:
        if w.end > _BULK:
            self.bulky = True
            if w.memory is not None:
                mark = w.memory.hand_over(header)
                if mark is not None:
                    self.out.append(mark)
                    return
            if w.viewed:
                # Their owner may change them before all is written.
                w.parts = [bytes(p) if isinstance(p, memoryview) else p for p in w.parts]
        self.out += (header, w.head, *w.parts)

    def abandon(self, question: Question) -> None:
        """Nobody needs this answer any more; it is dropped when it comes, and `done` then."""
        kept, question.kept = question.kept, False
        if self.closed or question.abandoned:
            return
        if question.done:
            if kept:
                self.forget(question)
            return
        question.abandoned = True
        if question in self._unsettled:  # finished already
            self._unsettled.discard(question)
            if kept:
                self.forget(question)
            self._answered(question)
        else:
            self.out.append(rpc.finish(question.id, release_result_caps=True))

    def spare(self, own: OwnThread) -> Question:
        """Another question for a call that is not waited for."""
        question = self._kept_question(own.number, own.question.waiter)
        question.spares = own.spare
        return question

    def renew(self, own: OwnThread) -> None:
        """The question of a thread was abandoned: give it another one."""
        own.question = self._kept_question(own.number, own.question.waiter)

    def _kept_question(self, thread: int, waiter: Any) -> Question:
        question = self._question(waiter)
        question.done = question.kept = question.free = True
        question.exported = (thread,)
        return question

    def _question(self, waiter: Any) -> Question:
        if self.closed:
            raise again(self.closed)
        id = self._free_questions.pop() if self._free_questions else next(self._new_questions)
        question = self.questions[id] = Question(id, waiter)
        return question

    # ----------------------------------------------------------------------------- answering

    def reply(self, answer: Answer, w: Writer, shape: int, *, params_unused: bool) -> None:
        """Answer a call with results. `params_unused`: nothing keeps the parameters'
        capabilities, so the peer may count them as released."""
        if self.closed:
            return
        if w.caps and not answer.finished and not answer.to_yourself:
            try:
                self._make_room(w.caps)
            except Overloaded as e:
                self.reply_error(answer, e, params_unused=params_unused)
                return
        if not (w.caps or answer.finished or answer.to_yourself or answer.waiting):
            # Without capabilities nothing can be pipelined on these results, so the peer need not
            # tell us when it has finished with them.
            answer.done = True
            del self.answers[answer.id]
            self._hold(answer, 0)
            header = rpc.return_header(
                answer.id, (), w.end, shape, release_param_caps=params_unused, no_finish=True
            )
            self._write(header, w)
            return
        answer.caps = tuple(w.caps)
        answer.shape = shape
        if w.caps or answer.to_yourself:  # something may still refer to it, though it is finished
            answer.body = w.body()
        if answer.finished:
            self._return_other(answer, rpc.CANCELED, params_unused)
        elif answer.to_yourself:
            self._return_other(answer, rpc.SENT_ELSEWHERE, params_unused)
        else:
            caps, answer.exported = self._descriptors(w.caps)
            no_finish = not w.caps
            answer.finished = no_finish
            header = rpc.return_header(
                answer.id, caps, w.end, shape,
                release_param_caps=params_unused, no_finish=no_finish,
            )  # fmt: skip
            self._write(header, w)
        self._done(answer)

    def reply_error(
        self,
        answer: Answer,
        error: IpcError,
        trace: str = "",
        *,
        params_unused: bool = False,
        no_finish: bool = False,
    ) -> None:
        """Answer a call with an exception, which the peer sees as RemoteError or the like.
        `no_finish`: forget it at once, also for calls that the peer pipelines on it."""
        if self.closed:
            return
        # Its frames may refer to the answer, and would outlive the call with all that they hold.
        answer.error = error.with_traceback(None)
        if answer.finished:
            self._return_other(answer, rpc.CANCELED, params_unused)
        elif answer.to_yourself:
            # Kept for the peer like any other results, and not forgotten before it says so.
            self._return_other(answer, rpc.SENT_ELSEWHERE, params_unused)
        else:
            answer.finished = no_finish
            self.out.append(
                rpc.return_exception(
                    answer.id, *describe(error), trace,
                    release_param_caps=params_unused, no_finish=no_finish,
                )
            )  # fmt: skip
        self._done(answer)

    def _return_other(self, answer: Answer, kind: int, params_unused: bool) -> None:
        self.out.append(rpc.return_other(answer.id, kind, release_param_caps=params_unused))

    def _done(self, answer: Answer) -> None:
        """An answer is there: go on with what has waited for it, and for what that settles."""
        answer.done = True
        self._hold(answer, 0 if answer.finished else len(answer.body))
        if answer.finished:
            self.answers.pop(answer.id, None)
        if not answer.waiting:
            return
        self._ready += answer.waiting
        answer.waiting = None
        if self._proceeding:
            return  # not called within itself: the peer decides how long such chains are
        self._proceeding = True
        try:
            while self._ready:
                self._ready.popleft()()
                # Afterwards, since whoever sees 0 takes it that all events are there.
                self.deferred -= 1
        finally:
            self._proceeding = False

    # ----------------------------------------------------------------------------- receiving

    def receive(self, message: Message) -> None:
        """Take in one message. What it causes is appended to `out`, `events` and `freed`.

        Raises ProtocolError when the peer broke the protocol: the owner then calls `abort`.
        """
        if self.closed:
            return  # what was still on its way
        kind, at, lo, hi = rpc.message_kind(message)
        if kind == rpc.RETURN:
            self._receive_return(rpc.parse_return(message, at, lo, hi))
        elif kind == rpc.CALL:
            self._receive_call(rpc.parse_call(message, at, lo, hi))
        elif kind == rpc.FINISH:
            word = rpc.parse_word(message, at, lo, hi)
            # releaseResultCaps is true by default, and the wire holds its XOR with that.
            self._receive_finish(word & 0xFFFFFFFF, release_caps=not word >> 32 & 1)
        elif kind == rpc.RELEASE:
            word = rpc.parse_word(message, at, lo, hi)
            self.unexport(word & 0xFFFFFFFF, word >> 32)
        elif kind == rpc.BOOTSTRAP:
            self._receive_bootstrap(rpc.parse_word(message, at, lo, hi) & 0xFFFFFFFF)
        elif kind == rpc.RESOLVE:
            resolved = rpc.parse_resolve(message, at, lo, hi)
            if resolved is not None and resolved.kind in (rpc.SENDER_HOSTED, rpc.SENDER_PROMISE):
                self.out.append(rpc.release(resolved.id, 1))
        elif kind == rpc.DISEMBARGO:
            self._receive_disembargo(*rpc.parse_disembargo(message, at, lo, hi))
        elif kind == rpc.ABORT:
            _, reason, _ = rpc.parse_exception(message, at, lo, hi)
            raise Aborted(f"the other end gave up: {printable(reason[:_LONGEST_REASON])}")
        elif kind == rpc.UNIMPLEMENTED:
            self._receive_unimplemented(message, at, lo, hi)
        else:
            self._unimplemented(message)

    def _receive_return(self, received: Return) -> None:
        question = self.questions.get(received.answer)
        if question is None or question.done:
            raise ProtocolError("an answer to a question that was not asked")
        if received.release_param_caps:
            for number in question.exported:
                self.unexport(number, 1)
        if question.abandoned:
            # The capabilities in it are released by the Finish that was sent.
            self.forget(question)
            self._answered(question)
        elif received.kind == rpc.RESULTS:
            assert received.payload is not None
            payload = received.payload
            entries = [self._adopt(d) for d in received.descriptors]

            def complete() -> None:
                payload.message.caps = [_settled(entry) for entry in entries]
                question.payload = payload
                self._settle(question)

            if not received.no_finish:
                self.out.append(rpc.finish(question.id, release_result_caps=False))
                if entries:
                    self._on_drop()
            self.forget(question)
            self._unsettled.add(question)
            self._when_settled(entries, complete)
        elif received.kind == rpc.TAKE_FROM_OTHER:
            self.out.append(rpc.finish(question.id, release_result_caps=False))
            self.forget(question)
            self._take_from(received.other, question)
        else:
            if received.exception:
                question.error = error_from(*received.exception)
            else:
                question.error = RemoteError("the other end canceled the call")
            if not received.no_finish:
                self.out.append(rpc.finish(question.id, release_result_caps=True))
            self.forget(question)
            self._answered(question)

    def forget(self, question: Question) -> None:
        """A question is answered, and its number free again."""
        if question.kept:
            question.exported = question.exported[:1]
        else:
            del self.questions[question.id]
            self._free_questions.append(question.id)

    def _settle(self, question: Question) -> None:
        """All that an answer consists of is there."""
        if question in self._unsettled:  # else the connection was lost meanwhile
            self._unsettled.discard(question)
            self._answered(question)

    def _answered(self, question: Question) -> None:
        question.done = True
        answer = question.forward
        if answer is None:
            self.events.append(question)
        elif question.error:
            self.reply_error(answer, question.error)
        else:
            assert question.payload is not None
            try:
                w, shape = self._copied(question.payload, question.payload.message.caps)
            except ProtocolError as e:
                self.reply_error(answer, e)
            else:
                self.reply(answer, w, shape, params_unused=False)

    def _take_from(self, id: int, question: Question) -> None:
        """The results of `question` are those of the peer's own call `id`, which we keep."""
        answer = self.answers.get(id)
        if answer is None or not answer.to_yourself:
            raise ProtocolError("an answer refers to a call whose results were not kept")

        def complete() -> None:
            if answer.error:
                question.error = error_from(*describe(answer.error), "")
            else:
                question.payload = answer_payload(answer)
            self._settle(question)

        self._unsettled.add(question)
        self._after(answer, complete)

    def _receive_call(self, call: Call) -> None:
        if call.question in self.answers:
            raise ProtocolError("two calls have the same number")
        answer = self.answers[call.question] = Answer(call.question, call.to_yourself)
        message = call.payload.message
        self._hold(answer, message.end - message.start)
        entries = [self._adopt(d) for d in call.descriptors]
        if self._overloaded(answer):
            pass
        elif isinstance(call.target, int):
            export = self.exports.get(call.target)
            if export is None:
                self.reply_error(answer, RemoteError("the object was released"))
            else:
                self._pass_on(answer, export.target, call, entries)
        else:
            path = call.target.path
            on = self._answer(call.target)
            self._after(on, lambda: self._pass_on(answer, pipelined(on, path), call, entries))

    def _overloaded(self, answer: Answer) -> bool:
        """Refuse a call that is one too many."""
        limits = self.limits
        if self._held > limits.call_words << 3:
            error = Overloaded(f"more than {limits.call_words} words of calls in flight")
        elif len(self.answers) > limits.calls:
            error = Overloaded(f"more than {limits.calls} calls in flight")
        else:
            return False
        answer.to_yourself = False
        self.reply_error(answer, error, no_finish=True)
        return True

    def _hold(self, answer: Answer, size: int) -> None:
        """So many bytes are kept for a call of the peer's now."""
        if size <= _LITTLE:
            size = 0
        self._held += size - answer.held
        answer.held = size

    def _pass_on(
        self, answer: Answer, target: Capability, call: Call, entries: list[_Entry]
    ) -> None:
        """Deliver a call whose target is known, once the capabilities in it are."""
        if isinstance(target, Broken):
            self.reply_error(answer, target.error)
        elif target is None:
            self.reply_error(answer, RemoteError("called a null object"))
        elif isinstance(target, Import):
            held = target
            self._forwarding[held.id] = self._forwarding.get(held.id, 0) + 1
            self._when_settled(entries, lambda: self._forward(answer, held, call, entries))
        else:
            local = target

            def deliver() -> None:
                message = call.payload.message
                try:
                    content = call.payload.struct()
                except ProtocolError as e:
                    self.reply_error(answer, e)
                    return
                message.caps = [_settled(entry) for entry in entries]
                hosted = tuple(entry for entry in entries if type(entry) is Import)
                self.events.append(
                    Delivery(answer, local, call.interface, call.method, message, content, hosted)
                )

            self._when_settled(entries, deliver)

    def _forward(self, answer: Answer, target: Import, call: Call, entries: list[_Entry]) -> None:
        """The peer called, through us, an object of its own: call it back."""
        try:
            w, shape = self._copied(call.payload, [_settled(entry) for entry in entries])
            question = self.call(target, call.interface, call.method, w, shape, None)
        except IpcError as e:
            self.reply_error(answer, e)
        else:
            question.forward = answer
        self._forwarding[target.id] -= 1
        if not self._forwarding[target.id]:
            del self._forwarding[target.id]
            for id in self._embargoes.pop(target.id, ()):
                self.out.append(rpc.disembargo_reply(target.id, id))

    def _copied(self, payload: Payload, caps: Sequence[Capability]) -> tuple[Writer, int]:
        """Parameters or results to be passed on, and their shape. Raises ProtocolError."""
        content, data_words, pointers = payload.struct()
        w = Writer(data_words + pointers, list(caps))
        depth = self.limits.nesting
        w.head = copy_fixed(payload.message, content, data_words, pointers, w, 0, depth)
        return w, data_words | pointers << 16

    def _receive_finish(self, id: int, *, release_caps: bool) -> None:
        # Peers that do not know "noFinishNeeded" finish what we have forgotten.
        answer = self.answers.get(id)
        if answer is None:
            return
        if release_caps:
            for export in answer.exported:
                self.unexport(export, 1)
        answer.finished = True
        if answer.done:
            del self.answers[id]
            self._hold(answer, 0)
            self.freed.extend(answer.caps)
        elif answer.cancel is not None:
            answer.cancel()

    def _receive_bootstrap(self, id: int) -> None:
        if id in self.answers:
            raise ProtocolError("two calls have the same number")
        self.greeted = True
        answer = self.answers[id] = Answer(id)
        if self._overloaded(answer):
            return
        if self._bootstrap is None:
            self.reply_error(answer, Unimplemented("this end serves no root object"))
            return
        (word,), answer.exported = self._descriptors([self._bootstrap])
        answer.caps = (self._bootstrap,)
        self.out.append(rpc.return_capability(id, word))
        self._done(answer)

    def _receive_disembargo(self, kind: int, id: int, target: int | PromisedAnswer) -> None:
        if kind != rpc.SENDER_LOOPBACK:
            raise ProtocolError("a disembargo that nobody asked for")
        resolved = (
            self.exports[target].target
            if isinstance(target, int) and target in self.exports
            else pipelined(self._answer(target), target.path)
            if isinstance(target, PromisedAnswer)
            else None
        )
        if not isinstance(resolved, Import):
            raise ProtocolError("a disembargo for an object that is not the sender's own")
        if resolved.id not in self._forwarding:
            self.out.append(rpc.disembargo_reply(resolved.id, id))
            return
        # It must come after every earlier call on the object, and one waits for its parameters.
        waiting = self._embargoes.setdefault(resolved.id, [])
        waiting.append(id)
        if len(waiting) > self.limits.calls:
            raise ProtocolError(f"more than {self.limits.calls} disembargoes of one object")

    def _receive_unimplemented(self, message: Message, at: int, lo: int, hi: int) -> None:
        inner = Message(
            message.buf, message.start, message.end, message.segments, message.budget, message.depth
        )
        content, data_words, pointers = inner.struct(at, lo, hi)
        if data_words < 1 or pointers < 1:
            return
        section = content + data_words * 8
        pointer = section, *POINTER.unpack_from(inner.buf, section)
        if inner.buf[content] == rpc.CALL:
            id = rpc.parse_call(inner, *pointer).question
        elif inner.buf[content] == rpc.BOOTSTRAP:
            id = rpc.parse_word(inner, *pointer) & 0xFFFFFFFF
        else:
            return  # nothing else that we send needs the peer's cooperation
        question = self.questions.get(id)
        if question is None or question.done:
            raise ProtocolError("an answer to a question that was not asked")
        for number in question.exported:
            self.unexport(number, 1)
        self.forget(question)
        question.error = Unimplemented("the other end does not understand the call")
        self._answered(question)

    def _unimplemented(self, message: Message) -> None:
        lo, hi = POINTER.unpack_from(message.buf, message.start)
        w = Writer(1)
        root = w.struct(0, 1, 1)
        # Word 0 is the root pointer; the Message that wraps the copy has its pointer at word 2.
        copied = copy_struct(message, message.start, lo, hi, w, 2, self.limits.nesting)
        w.head = root[2].to_bytes(8, "little")
        w.parts[root[1]] = pack("<QQ", rpc.UNIMPLEMENTED, copied)
        body = w.body()
        self.out.append(pack("<II", 0, len(body) >> 3) + body)

    # -------------------------------------------------------------------------- capabilities

    def pin(self, thread: LocalCapability, waiter: Any) -> OwnThread:
        """Keep a thread of ours exported, whatever the peer releases. Raises Disconnected."""
        number = self.export(thread)
        question = self._kept_question(number, waiter)
        export = self.exports[number]
        export.references -= 1
        export.pins += 1
        return OwnThread(self, number, export, question)

    def unpin(self, own: OwnThread) -> None:
        """Undo one `pin`; may be called in any thread, lock held or not."""
        self.let_go.append(own)
        self._on_drop()

    def dropped(self, id: int) -> None:
        """An Import was garbage-collected; may be called in any thread, lock held or not. `~id`:
        one that was not counted."""
        self.let_go.append(id)
        self._on_drop()

    def take_output(self) -> list[bytes]:
        """What is to be written now, pending releases included; in one piece, unless it is much."""
        if self.let_go:
            self._let_go()
        out = self.out
        if not out:
            return out
        self.out = []
        if self.bulky:
            self.bulky = False
            return out
        return [b"".join(out)]

    def _let_go(self) -> None:
        while self.let_go:
            found = self.let_go.popleft()
            if isinstance(found, OwnThread):
                if not self.closed:
                    self._unpin(found)
                continue
            if found >= 0:
                self.imports -= 1
            else:
                found = ~found
            if not self.closed:
                self.out.append(rpc.release(found, 1))

    def _unpin(self, own: OwnThread) -> None:
        own.export.pins -= 1
        self.unexport(own.number, 0)
        for question in (own.question, *own.spare):
            if question.kept:
                question.kept = False
                if question.done:
                    self.forget(question)

    def _adopt(self, entry: Descriptor) -> _Entry:
        """Turn a received descriptor into a capability, or the answer that will be one."""
        if entry.kind in (rpc.SENDER_HOSTED, rpc.SENDER_PROMISE):
            self.imports += 1
            return Import(self, entry.id)
        if entry.kind == rpc.RECEIVER_HOSTED:
            export = self.exports.get(entry.id)
            return export.target if export else Broken(RemoteError("the object was released"))
        if entry.kind == rpc.RECEIVER_ANSWER:
            assert entry.answer is not None
            return self._answer(entry.answer), entry.answer.path
        return None

    def _answer(self, promised: PromisedAnswer) -> Answer:
        answer = self.answers.get(promised.question)
        if answer is None:
            # Not an offence: an answer without capabilities is forgotten as soon as it is given,
            # and the peer may have pipelined on it before it knew.
            error = RemoteError("the answer holds no object, or was finished")
            return Answer(promised.question, done=True, error=error)
        return answer

    def _after(self, answer: Answer, proceed: Callable[[], None]) -> None:
        if answer.done:
            proceed()
        else:
            if answer.waiting is None:
                answer.waiting = []
            answer.waiting.append(proceed)
            self.deferred += 1

    def _when_settled(self, entries: list[_Entry], proceed: Callable[[], None]) -> None:
        """Proceed once every answer that one of the entries refers to is there."""
        for entry in entries:
            if isinstance(entry, tuple) and not entry[0].done:
                self._after(entry[0], lambda: self._when_settled(entries, proceed))
                return
        proceed()

    def _descriptors(self, caps: Sequence[Any]) -> tuple[list[int], Sequence[int]]:
        """The descriptors' data words of capabilities to be sent, and the exports among them."""
        words: list[int] = []
        exported: list[int] = []
        for cap in caps:
            if cap is None:
                words.append(rpc.NONE)
            elif isinstance(cap, Import):
                words.append(rpc.RECEIVER_HOSTED | cap.id << 32)
            else:
                number = self.export(cap)
                exported.append(number)
                words.append(rpc.SENDER_HOSTED | number << 32)
        return words, exported

    def export(self, target: LocalCapability) -> int:
        """Count one more reference of the peer's to an object of ours; returns its export id."""
        key = id(target)
        number = self._export_ids.get(key)
        if number is None:
            number = self._free_exports.pop() if self._free_exports else len(self.exports)
            self._export_ids[key] = number
            self.exports[number] = Export(target)
        self.exports[number].references += 1
        return number

    def _make_room(self, caps: Sequence[Any]) -> None:
        """Raise Overloaded when the peer would hold more of our objects than it may."""
        if len(self.exports) + len(caps) > self.limits.exports:
            new = sum(
                cap is not None and not isinstance(cap, Import) and id(cap) not in self._export_ids
                for cap in caps
            )
            if len(self.exports) + new > self.limits.exports:
                raise Overloaded(f"the other end holds {self.limits.exports} objects, as many as"
                                 " it may")  # fmt: skip

    def unexport(self, number: int, count: int) -> None:
        """The peer gave back references. Raises ProtocolError when it does not have as many."""
        self.freed += self._unexported(number, count)

    def _unexported(self, number: int, count: int) -> Sequence[Capability]:
        """As `unexport`; the object is returned if the peer does not hold it any more."""
        export = self.exports.get(number)
        if export is None or count > export.references:
            raise ProtocolError("the peer released an object that it does not hold")
        export.references -= count
        if export.references or export.pins:
            return ()
        target, export.target = export.target, None
        del self.exports[number]
        del self._export_ids[id(target)]
        self._free_exports.append(number)
        return (target,)

    def _free(self, export: Export) -> None:
        self.freed.append(export.target)
        export.target = None

    # --------------------------------------------------------------------------------- ending

    def abort(self, reason: str) -> None:
        """Tell the peer why the connection ends."""
        if not self.closed:
            self.out.append(rpc.abort(reason))

    def close(self, error: IpcError) -> None:
        """The connection is gone: every question fails with `error`, every export is freed."""
        if self.closed:
            return
        self.closed = error
        for question in (*self.questions.values(), *self._unsettled):
            if question.done:
                continue
            question.error = again(error)
            question.done = True
            if question.forward is None:
                self.events.append(question)
        self.questions.clear()
        self._unsettled.clear()
        self._ready.clear()
        self._forwarding.clear()
        self._embargoes.clear()
        for answer in tuple(self.answers.values()):  # the reader may add one meanwhile
            self.freed.extend(answer.caps)
        for export in self.exports.values():
            self._free(export)
        self.exports.clear()
        self._export_ids.clear()
        self.answers.clear()
        self.deferred = 0


_Entry: TypeAlias = "Capability | tuple[Answer, tuple[int, ...]]"


class Aborted(ProtocolError):
    """The peer has ended the connection, and said why."""


class Overloaded(RemoteError):
    """The peer asked for more than its limits allow."""


def again(error: IpcError) -> IpcError:
    """A fresh copy of an exception, since whoever raises it leaves a traceback in it."""
    return copy(error)


def _settled(entry: _Entry) -> Capability:
    return pipelined(*entry) if isinstance(entry, tuple) else entry


def answer_payload(answer: Answer) -> Payload:
    """An answer's results as if they had been received."""
    message = Message(answer.body, 0, len(answer.body), caps=answer.caps)
    # The body starts with the result struct: a pointer right before it has the offset 0.
    return Payload(message, -8, 0, answer.shape or 0)


def pipelined(answer: Answer, path: Sequence[int]) -> Capability:
    """The capability at a path of pointer fields in an answer's results."""
    if answer.error:
        return Broken(answer.error)
    if not answer.caps:
        return None
    if answer.shape is None:
        return None if path else answer.caps[0]
    payload = answer_payload(answer)
    message, at, lo, hi = payload.message, payload.at, payload.lo, payload.hi
    for index in path:
        try:
            content, data_words, pointers = message.struct(at, lo, hi)
        except ProtocolError as e:  # it is the path that does not fit
            return Broken(e)
        if index >= pointers:
            return None
        at = content + (data_words + index) * 8
        lo, hi = POINTER.unpack_from(message.buf, at)
    found: Capability = message.cap(lo, hi) if lo & 3 == 3 else None
    return found


def describe(error: Exception) -> tuple[int, str]:
    """An exception as (Exception.Type, reason)."""
    if isinstance(error, Overloaded):
        return rpc.OVERLOADED, error.text
    if isinstance(error, Unimplemented):
        return rpc.NOT_IMPLEMENTED, error.text
    if isinstance(error, RemoteError):
        return rpc.FAILED, f"{error.type}: {error.text}" if error.type else error.text
    return rpc.FAILED, f"{type(error).__name__}: {error}"


def error_from(type: int, reason: str, trace: str) -> IpcError:
    """The exception that a caller sees for a received Exception.

    An mpipc server puts the name of the exception's class into the first line of `trace`; a foreign
    peer's trace is kept as it is.
    """
    name, _, rest = trace.partition("\n")
    if name and reason.startswith(f"{name}: "):
        return RemoteError(reason[len(name) + 2 :], name, rest)
    if type == rpc.NOT_IMPLEMENTED:
        return Unimplemented(reason, traceback=trace)
    if type == rpc.DISCONNECTED:
        return Disconnected(reason)
    return RemoteError(reason, traceback=trace)
