"""Short cuts for the two messages that nearly all traffic consists of.

An answer without capabilities, and a call whose only capabilities are the two threads of its
context; each alone in its chunk and laid out as `rpc_messages` writes it. They are recognised as a
whole by one unpack. For anything else these functions return None without a trace, and the chunk
takes the general way through `FrameReader` and `Session.receive`, which comes to the same.
"""

from __future__ import annotations

from struct import Struct

import msgspec

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.message import POINTER, Message
from mpipc.capnp.proxy import Local, ServerMethod
from mpipc.capnp.rpc_messages import Payload
from mpipc.capnp.session import Answer, Delivery, Import, Question, Session
from mpipc.capnp.threads import CONTEXT, CONTEXT_WORDS, ThreadCapability

KIND_AT = 16
"""The byte of a chunk that tells an answer from a call, if it is one of ours."""

_ANSWER = Struct("<II24sII16siIQ")
_CALL = Struct("<II24sIHHQ8x24sQ8xiIQQQ8xQ8x")
_CONTEXT_SHAPE = CONTEXT_WORDS << 16
SHORTEST = _ANSWER.size


def take_answer(session: Session, chunk: bytes) -> Question | None:
    """The question that the chunk answers, completed. Called with the session's lock held."""
    segments, words, begin, id, flags, middle, lo, hi, table = _ANSWER.unpack_from(chunk)
    size = len(chunk)
    if (
        begin != rpc.RETURN_BEGIN
        or middle != rpc.RETURN_MIDDLE
        or table
        or segments
        or words << 3 != size - 8
        or flags & ~1 != 2  # "no finish needed", with or without "release param caps"
    ):
        return None
    question = session.questions.get(id)
    if question is None or question.abandoned or question.forward is not None:
        return None
    session.forget(question)
    if flags == 2:
        for number in question.exported:
            session.unexport(number, 1)
    limits = session.limits
    message = Message(chunk, 8, size, None, limits.traversal_words, limits.nesting)
    question.payload = Payload(message, 56, lo, hi)
    question.done = True
    return question


class SimpleCall(msgspec.Struct, gc=False):
    """A call that is ready to run."""

    delivery: Delivery
    method: ServerMethod
    content: tuple[int, int, int]
    callback: Import
    thread: ThreadCapability


def take_call(session: Session, chunk: bytes) -> SimpleCall | None:
    """The call in a chunk. Called with the session's lock held."""
    size = len(chunk)
    if size < _CALL.size:
        return None
    (segments, words, begin, id, number, to, interface, middle, target, lo, hi, table, tag,
     first, second) = _CALL.unpack_from(chunk)  # fmt: skip
    if (
        begin != rpc.CALL_BEGIN
        or middle != rpc.CALL_MIDDLE
        or table != rpc.TABLE_OF_2
        or tag != rpc.TAG_OF_2
        or first & 0xFFFFFFFF != rpc.RECEIVER_HOSTED
        or second & 0xFFFFFFFF != rpc.SENDER_HOSTED
        or segments
        or to
        or words << 3 != size - 8
    ):
        return None
    exports, answers = session.exports, session.answers
    called, running = exports.get(target), exports.get(first >> 32)
    if called is None or running is None or id in answers or len(answers) >= session.limits.calls:
        return None
    local, thread = called.target, running.target
    if type(local) is not Local or type(thread) is not ThreadCapability:
        return None
    method = local.server.methods.get((interface, number))
    if method is None or not method.context:
        return None
    limits = session.limits
    message = Message(chunk, 8, size, None, limits.traversal_words, limits.nesting)
    content = message.struct(96, lo, hi)
    if not _names_both_threads(chunk, content, size):
        return None
    callback = Import(session, second >> 32)
    session.imports += 1
    message.caps = (thread, callback)
    answer = answers[id] = Answer(id)
    payload = Payload(message, 96, lo, hi)
    delivery = Delivery(session, answer, local, interface, number, payload, 1)
    return SimpleCall(delivery, method, content, callback, thread)


def _names_both_threads(chunk: bytes, content: tuple[int, int, int], size: int) -> bool:
    """Whether the parameters' first pointer leads to a Context of the two capabilities."""
    at, data_words, pointers = content
    if not pointers:
        return False
    at += data_words << 3
    lo, hi = POINTER.unpack_from(chunk, at)
    context = at + 8 + (lo << 1)
    return (
        not lo & 3
        and hi == _CONTEXT_SHAPE
        and context + len(CONTEXT) <= size
        and chunk[context : context + len(CONTEXT)] == CONTEXT
    )
