"""Short cuts for the two messages that nearly all traffic consists of.

An answer without capabilities, and a call whose only capabilities are the two threads of its
context and objects of the caller's; each alone in its chunk and laid out as `rpc_messages` writes
it. Successive ones of a kind begin with the very same bytes, up to where their content begins: so
what these bytes say is worked out once and remembered. For anything else the methods here return
None without a trace, and the chunk takes the general way through `FrameReader` and
`Session.receive`, which comes to the same.

They are called by the thread that reads, without the session's lock: each changes the session's
tables in single steps that no other thread's depend on, or takes the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Any

import msgspec

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.message import POINTER, Message, budget
from mpipc.capnp.proxy import Local, Server, ServerMethod
from mpipc.capnp.session import Answer, Export, Import, Lane, Passing, Question, Session
from mpipc.capnp.threads import CONTEXT, CONTEXT_WORDS, ThreadCapability
from mpipc.errors import ProtocolError

KIND_AT = 16
"""The byte of a chunk that tells an answer from a call, if it is one of ours."""

_ANSWER = Struct("<II24sII16siIQ")
_CALL = Struct("<II24sIHHQ8x24sQ8xiIQQQ8xQ8x")

SHORTEST = _ANSWER.size
ANSWER_CONTENT = _ANSWER.size
"""The byte of an answer at which its content begins; what comes before is remembered."""
_ANSWER_POINTER = 1 << 2  # one word between the pointer and the content behind it
CALL_CONTENT = _CALL.size
"""As `ANSWER_CONTENT`, of a call."""
_CALL_POINTER = 6 << 2
_CONTEXT_SHAPE = CONTEXT_WORDS << 16
_OBJECTS = 8  # in the parameters of a call that is not out of the ordinary
_REMEMBERED = 1024  # beginnings; some hundred bytes each


class Incoming(msgspec.Struct, eq=False):
    """A call of the peer's that is ready to run. `lane`: of the calls that it makes back. `hosted`:
    the peer's objects in its parameters. The callback thread of a `simple` one is not in there,
    does not count among the session's imports and goes back with the answer. `capability` is the
    thread that runs it, which must live as long. `given_back`: whether all of that was, once it is
    known.
    """

    answer: Answer
    target: Local
    method: ServerMethod
    message: Message
    content: tuple[int, int, int]
    lane: Lane | None = None
    capability: ThreadCapability | None = None
    simple: bool = False
    hosted: Sequence[Import] = ()
    given_back: bool | None = None

    def __call__(self) -> None:
        connection = self.message.owner
        connection.execute(self, connection.driver.current())


class Calls(msgspec.Struct, eq=False):
    """Calls that came together, for one thread."""

    calls: list[Incoming]

    def __call__(self) -> None:
        connection = self.calls[0].message.owner
        connection.execute_all(self.calls, connection.driver.current())


class _AnswerHead(msgspec.Struct, eq=False):
    """What the beginning of an answer says."""

    size: int
    budget: int
    question: Question
    export: Export
    content: tuple[int, int, int]


class _CallHead(msgspec.Struct, eq=False):
    """What the beginning of a call says. The `pointer` to its context, and the `context` itself,
    are part of the content and so looked at each time; mostly they are one piece, the latter.
    `objects` reads the rest of the table, where there is one. `thread` keeps nothing alive: an
    export loses its target when it ends. `usual`: whether the method's `run` is all there is to it.
    `answer`: what a usual call may use."""

    id: int
    size: int
    budget: int
    target: int
    server: Server
    method: ServerMethod
    usual: bool
    answer: Answer
    thread: Export  # of a ThreadCapability
    callback: int
    lane: Lane
    content: tuple[int, int, int]
    objects: Struct | None
    pointer: bytes
    pointer_at: int
    context: bytes
    context_at: int


class Shortcuts:
    """The short cuts of one session; `owner` is the connection, and `lock` the session's."""

    def __init__(self, session: Session, owner: Any, lock: Any) -> None:
        self._session = session
        self._exports = session.exports
        self._pending = session.answers
        self._lock = lock
        self._owner = owner
        self._nesting = session.limits.nesting
        self._calls_at_once = session.limits.calls
        self.answers: dict[bytes, _AnswerHead] = {}
        self.calls: dict[bytes, _CallHead] = {}

    def take_answer(self, chunk: bytes) -> Question | None:
        """The question that the chunk answers, completed."""
        head = self.answers.get(chunk[:ANSWER_CONTENT])
        if head is None or not head.question.kept:  # another thread has got its number
            head = self._new_answer(chunk)
            if head is None:
                return None
        question, export = head.question, head.export
        if head.size != len(chunk) or question.done or not export.references:
            return None
        if len(question.exported) != 1:
            try:
                with self._lock:
                    self._session.freed += self._session.take_back(question)
            except ProtocolError:
                return None
        export.references -= 1  # it is pinned, so it stays
        question.message = Message(
            chunk, 8, head.size, None, head.budget, self._nesting, (), self._owner
        )
        question.content = head.content
        question.done = True
        return question

    def take_call(self, chunk: bytes) -> Incoming | None:
        """The call in a chunk."""
        head = self.calls.get(chunk[:CALL_CONTENT])
        if head is None or head.thread.target is None:  # another thread has got its number
            head = self._new_call(chunk)
            if head is None:
                return None
        export = self._exports.get(head.target)
        capability: Any = head.thread.target
        id, pending = head.id, self._pending
        if (
            export is None
            or capability is None
            or head.size != len(chunk)
            or not chunk.startswith(head.context, head.context_at)
            or (head.pointer and not chunk.startswith(head.pointer, head.pointer_at))
            or (pending and (id in pending or len(pending) >= self._calls_at_once))
        ):
            return None
        target: Any = export.target
        # What has taken an object's place may be of another kind.
        if type(target) is not Local or target.server is not head.server:
            return None
        hosted = () if head.objects is None else self.hosted(head.objects, chunk)
        if hosted is None:
            return None
        lane = head.lane
        lane.remote.id = head.callback
        answer = pending[id] = Answer(id)
        message = Message(
            chunk, 8, head.size, None, head.budget, self._nesting,
            (capability, lane.remote, *hosted) if hosted else (capability, lane.remote),
            self._owner,
        )  # fmt: skip
        return Incoming(
            answer, target, head.method, message, head.content, lane, capability, True, hosted
        )

    def hosted(self, objects: Struct, chunk: bytes) -> tuple[Import, ...] | None:
        """The peer's objects in the parameters of a call; None where there is something else."""
        found = objects.unpack_from(chunk, CALL_CONTENT)
        session, count = self._session, len(found) // 3
        if found[::3] != (rpc.SENDER_HOSTED,) * count or found[2::3] != (0,) * count:
            return None
        with self._lock:
            session.imports += count
        return tuple([Import(session, number) for number in found[1::3]])

    def _new_answer(self, chunk: bytes) -> _AnswerHead | None:
        """For a beginning that is not remembered."""
        head = _answer_head(chunk, self._session) if len(chunk) >= ANSWER_CONTENT else None
        if head is not None:
            if len(self.answers) >= _REMEMBERED:
                self.answers.clear()
            self.answers[chunk[:ANSWER_CONTENT]] = head
        return head

    def _new_call(self, chunk: bytes) -> _CallHead | None:
        """For a beginning that is not remembered."""
        head = _call_head(chunk, self._session, self._owner) if len(chunk) >= CALL_CONTENT else None
        if head is not None:
            if len(self.calls) >= _REMEMBERED:
                self.calls.clear()
            self.calls[chunk[:CALL_CONTENT]] = head
        return head


def _answer_head(chunk: bytes, session: Session) -> _AnswerHead | None:
    segments, words, prefix, id, flags, middle, lo, hi, table = _ANSWER.unpack_from(chunk)
    content = ANSWER_CONTENT, hi & 0xFFFF, hi >> 16
    question = session.questions.get(id)
    if (
        prefix != rpc.RETURN_BEGIN
        or middle != rpc.RETURN_MIDDLE
        or table
        or segments
        or flags != 2  # "no finish needed" and "release param caps"
        or lo != _ANSWER_POINTER
        or words > session.limits.message_words
        or words * 8 != len(chunk) - 8
        or _beyond(content, words)
        or question is None
        or not question.kept
    ):
        return None
    export = session.exports[question.exported[0]]
    return _AnswerHead(len(chunk), budget(session.limits, words), question, export, content)


def _call_head(chunk: bytes, session: Session, owner: Any) -> _CallHead | None:
    (segments, words, prefix, id, number, to, interface, middle, target, lo, hi, table, tag,
     first, second) = _CALL.unpack_from(chunk)  # fmt: skip
    count = table >> 36
    objects = count - 2
    content = CALL_CONTENT + objects * 16, hi & 0xFFFF, hi >> 16
    if (
        prefix != rpc.CALL_BEGIN
        or middle != rpc.CALL_MIDDLE
        or not 0 <= objects <= _OBJECTS
        or table != rpc.table_pointer(count)
        or tag != rpc.table_tag(count)
        or first & 0xFFFFFFFF != rpc.RECEIVER_HOSTED
        or second & 0xFFFFFFFF != rpc.SENDER_HOSTED
        or segments
        or to
        or lo != _CALL_POINTER + (objects << 3)
        or words > session.limits.message_words
        or words * 8 != len(chunk) - 8
        or _beyond(content, words)
        or not content[2]
    ):
        return None
    pointer_at = content[0] + content[1] * 8
    context_lo, context_hi = POINTER.unpack_from(chunk, pointer_at)
    context_at = pointer_at + 8 + (context_lo << 1)
    if context_lo & 3 or context_lo < 0 or context_hi != _CONTEXT_SHAPE:
        return None
    export, running = session.exports.get(target), session.exports.get(first >> 32)
    if export is None or running is None:
        return None
    local, capability = export.target, running.target
    if type(local) is not Local or type(capability) is not ThreadCapability:
        return None
    method: ServerMethod | None = owner.served(local.server, interface, number)
    if method is None or not method.context or method.run is None:
        return None
    pointer, context = chunk[pointer_at : pointer_at + 8], CONTEXT
    if context_at == pointer_at + 8:
        pointer, context, context_at = b"", pointer + context, pointer_at
    return _CallHead(
        id, len(chunk), budget(session.limits, words), target, local.server, method,
        method.plain and not owner.wraps_objects, Answer(id), running,
        second >> 32, Lane(Passing(session, -1)), content,
        Struct("<" + objects * "IIQ") if objects else None,
        pointer, pointer_at, context, context_at,
    )  # fmt: skip


def _beyond(content: tuple[int, int, int], words: int) -> bool:
    """Whether a struct reaches beyond its message."""
    at, data_words, pointers = content
    return at + (data_words + pointers) * 8 > 8 + words * 8
