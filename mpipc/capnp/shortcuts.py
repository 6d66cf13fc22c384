"""Short cuts for the two messages that nearly all traffic consists of.

An answer without capabilities, and a call whose only capabilities are the two threads of its
context; each alone in its chunk and laid out as `rpc_messages` writes it. Successive ones of a kind
begin with the very same bytes, up to where their content begins: so what these bytes say is worked
out once and remembered. For anything else the methods here return None without a trace, and the
chunk takes the general way through `FrameReader` and `Session.receive`, which comes to the same.
"""

from __future__ import annotations

from struct import Struct

import msgspec

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.message import POINTER, Limits, Message, budget
from mpipc.capnp.proxy import Local, ServerMethod
from mpipc.capnp.session import Answer, Delivery, Import, Question, Session
from mpipc.capnp.threads import CONTEXT, CONTEXT_WORDS, ThreadCapability

KIND_AT = 16
"""The byte of a chunk that tells an answer from a call, if it is one of ours."""

_ANSWER = Struct("<II24sII16siIQ")
_CALL = Struct("<II24sIHHQ8x24sQ8xiIQQQ8xQ8x")
SHORTEST = _ANSWER.size

_ANSWER_CONTENT = _ANSWER.size
_ANSWER_POINTER = 1 << 2  # one word between the pointer and the content behind it
_CALL_CONTENT = _CALL.size
_CALL_POINTER = 6 << 2
_CALL_POINTER_AT = 96
_CONTEXT_SHAPE = CONTEXT_WORDS << 16
_REMEMBERED = 1024  # beginnings; a few hundred bytes each


class _AnswerHead(msgspec.Struct, gc=False):
    """What the beginning of an answer says."""

    size: int
    budget: int
    id: int
    released: bool
    content: tuple[int, int, int]


class _CallHead(msgspec.Struct, gc=False):
    """What the beginning of a call says; `context_pointer` at `context_pointer_at` leads to the
    context at `context_at`, which is part of the content and so looked at each time."""

    size: int
    budget: int
    id: int
    target: int
    thread: int
    callback: int
    interface: int
    number: int
    content: tuple[int, int, int]
    context_pointer_at: int
    context_pointer: bytes
    context_at: int


class SimpleCall(msgspec.Struct, gc=False):
    """A call that is ready to run."""

    delivery: Delivery
    method: ServerMethod
    callback: Import
    thread: ThreadCapability


class Shortcuts:
    """The short cuts of one session. Called with its lock held."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._answers: dict[bytes, _AnswerHead] = {}
        self._calls: dict[bytes, _CallHead] = {}

    def take_answer(self, chunk: bytes) -> Question | None:
        """The question that the chunk answers, completed."""
        begin = chunk[:_ANSWER_CONTENT]
        head = self._answers.get(begin)
        if head is None:
            head = _answer_head(begin, self._session.limits)
            if head is None:
                return None
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[begin] = head
        size = len(chunk)
        if head.size != size:
            return None
        session = self._session
        question = session.questions.get(head.id)
        if question is None or question.abandoned or question.forward is not None:
            return None
        if head.released:
            for number in question.exported:
                session.unexport(number, 1)
        session.forget(question)
        question.message = Message(chunk, 8, size, None, head.budget, session.limits.nesting)
        question.content = head.content
        question.done = True
        return question

    def take_call(self, chunk: bytes) -> SimpleCall | None:
        """The call in a chunk."""
        begin = chunk[:_CALL_CONTENT]
        head = self._calls.get(begin)
        if head is None:
            head = _call_head(chunk, self._session.limits)
            if head is None:
                return None
            if len(self._calls) >= _REMEMBERED:
                self._calls.clear()
            self._calls[begin] = head
        size = len(chunk)
        at = head.context_at
        pointer_at = head.context_pointer_at
        if (
            head.size != size
            or chunk[at : at + 16] != CONTEXT
            or chunk[pointer_at : pointer_at + 8] != head.context_pointer
        ):
            return None
        session = self._session
        exports, answers = session.exports, session.answers
        called, running = exports.get(head.target), exports.get(head.thread)
        if called is None or running is None or head.id in answers:
            return None
        if len(answers) >= session.limits.calls:
            return None
        local, thread = called.target, running.target
        if type(local) is not Local or type(thread) is not ThreadCapability:
            return None
        method = local.server.methods.get((head.interface, head.number))
        if method is None or not method.context:
            return None
        callback = Import(session, head.callback)
        session.imports += 1
        message = Message(
            chunk, 8, size, None, head.budget, session.limits.nesting, (thread, callback)
        )
        answer = answers[head.id] = Answer(head.id)
        content = head.content
        return SimpleCall(
            Delivery(
                session, answer, local, head.interface, head.number, message, content, (callback,)
            ),
            method,
            callback,
            thread,
        )


def _answer_head(begin: bytes, limits: Limits) -> _AnswerHead | None:
    segments, words, prefix, id, flags, middle, lo, hi, table = _ANSWER.unpack(begin)
    content = _ANSWER_CONTENT, hi & 0xFFFF, hi >> 16
    if (
        prefix != rpc.RETURN_BEGIN
        or middle != rpc.RETURN_MIDDLE
        or table
        or segments
        or flags & ~1 != 2  # "no finish needed", with or without "release param caps"
        or lo != _ANSWER_POINTER
        or words > limits.message_words
        or _beyond(content, words)
    ):
        return None
    return _AnswerHead(8 + words * 8, budget(limits, words), id, flags == 2, content)


def _call_head(chunk: bytes, limits: Limits) -> _CallHead | None:
    if len(chunk) < _CALL_CONTENT:
        return None
    (segments, words, prefix, id, number, to, interface, middle, target, lo, hi, table, tag,
     first, second) = _CALL.unpack_from(chunk)  # fmt: skip
    content = _CALL_CONTENT, hi & 0xFFFF, hi >> 16
    if (
        prefix != rpc.CALL_BEGIN
        or middle != rpc.CALL_MIDDLE
        or table != rpc.TABLE_OF_2
        or tag != rpc.TAG_OF_2
        or first & 0xFFFFFFFF != rpc.RECEIVER_HOSTED
        or second & 0xFFFFFFFF != rpc.SENDER_HOSTED
        or segments
        or to
        or lo != _CALL_POINTER
        or words > limits.message_words
        or words * 8 != len(chunk) - 8
        or _beyond(content, words)
        or not content[2]
    ):
        return None
    pointer_at = _CALL_CONTENT + content[1] * 8
    context_lo, context_hi = POINTER.unpack_from(chunk, pointer_at)
    context_at = pointer_at + 8 + (context_lo << 1)
    if context_lo & 3 or context_lo < 0 or context_hi != _CONTEXT_SHAPE:
        return None
    return _CallHead(
        len(chunk), budget(limits, words), id, target, first >> 32, second >> 32, interface, number,
        content, pointer_at, chunk[pointer_at : pointer_at + 8], context_at,
    )  # fmt: skip


def _beyond(content: tuple[int, int, int], words: int) -> bool:
    """Whether a struct reaches beyond its message."""
    at, data_words, pointers = content
    return at + (data_words + pointers) * 8 > 8 + words * 8
