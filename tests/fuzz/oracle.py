"""What a message says: as mpipc reads it, and as pycapnp does, in the same words."""

from __future__ import annotations

from struct import error as StructError
from typing import Any

import capnp

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.frame import FrameReader
from mpipc.capnp.message import DEFAULT_LIMITS, Message
from mpipc.errors import ProtocolError
from tests import rpc_schema

Reading = tuple[Any, ...]
UNREADABLE: Reading = ()
_MESSAGE = rpc_schema.rpc().Message
_CAPS = {
    "none": rpc.NONE, "senderHosted": rpc.SENDER_HOSTED, "senderPromise": rpc.SENDER_PROMISE,
    "receiverHosted": rpc.RECEIVER_HOSTED,
}  # fmt: skip
_CONTEXTS = {"senderLoopback": rpc.SENDER_LOOPBACK, "receiverLoopback": rpc.RECEIVER_LOOPBACK}
_RETURNS = {
    "results": rpc.RESULTS, "exception": rpc.EXCEPTION, "canceled": rpc.CANCELED,
    "resultsSentElsewhere": rpc.SENT_ELSEWHERE, "takeFromOtherQuestion": rpc.TAKE_FROM_OTHER,
}  # fmt: skip


def disagreement(framed: bytes) -> str:
    """How the two readings of one framed message differ; empty where they do not.

    mpipc may refuse what pycapnp reads: it reads no more words than the size of a message
    justifies, and knows no messages of level 3. Never the other way round.
    """
    ours = read_here(framed)
    if not ours:
        return ""
    theirs = read_there(framed)
    return "" if ours == theirs else f"read as {ours}, and by pycapnp as {theirs}"


def read_here(framed: bytes) -> Reading:
    """What mpipc reads; `UNREADABLE`, or the words of the message."""
    try:
        (message,) = FrameReader(DEFAULT_LIMITS).feed(framed)
        return _read(message)
    except (ProtocolError, StructError, ValueError):
        return UNREADABLE


def _read(message: Message) -> Reading:
    kind, at, lo, hi = rpc.message_kind(message)
    if kind == rpc.CALL:
        call = rpc.parse_call(message, at, lo, hi)
        return (
            "call", call.question, _target(call.target), call.interface, call.method,
            call.to_yourself, [_cap(each) for each in call.descriptors],
        )  # fmt: skip
    if kind == rpc.RETURN:
        found = rpc.parse_return(message, at, lo, hi)
        said: Any = None
        if found.kind == rpc.RESULTS:
            said = [_cap(each) for each in found.descriptors]
        elif found.kind == rpc.EXCEPTION:
            said = found.exception and found.exception[0]
        elif found.kind == rpc.TAKE_FROM_OTHER:
            said = found.other
        return (
            "return", found.answer, found.release_param_caps, found.no_finish, found.kind, said
        )  # fmt: skip
    if kind in (rpc.FINISH, rpc.RELEASE, rpc.BOOTSTRAP):
        word = rpc.parse_word(message, at, lo, hi)
        if kind == rpc.FINISH:
            return "finish", word & 0xFFFFFFFF, not word >> 32 & 1
        if kind == rpc.RELEASE:
            return "release", word & 0xFFFFFFFF, word >> 32
        return "bootstrap", word & 0xFFFFFFFF
    if kind == rpc.DISEMBARGO:
        context, id, target = rpc.parse_disembargo(message, at, lo, hi)
        if context not in _CONTEXTS.values():
            return UNREADABLE  # it is refused
        return "disembargo", context, id, _target(target)
    if kind == rpc.RESOLVE:
        resolved = rpc.parse_resolve(message, at, lo, hi)
        if resolved is None or resolved.kind > rpc.RECEIVER_HOSTED:
            return UNREADABLE  # what it says does not matter
        return "resolve", _cap(resolved)
    if kind == rpc.ABORT:
        return "abort", rpc.parse_exception(message, at, lo, hi)[0]
    return UNREADABLE


def _target(target: Any) -> Any:
    return target if isinstance(target, int) else (target.question, *target.path)


def _cap(cap: rpc.Descriptor) -> Any:
    if cap.answer is not None:
        return rpc.RECEIVER_ANSWER, (cap.answer.question, *cap.answer.path)
    return (cap.kind,) if cap.kind == rpc.NONE else (cap.kind, cap.id)


def read_there(framed: bytes) -> Reading:
    """As `read_here`, with pycapnp."""
    try:
        with _MESSAGE.from_bytes(framed) as message:
            return _read_foreign(message)
    except (capnp.KjException, KeyError) as e:
        return "error", str(e)[:200]


def _read_foreign(message: Any) -> Reading:
    kind = str(message.which())
    if kind == "call":
        call = message.call
        return (
            kind, call.questionId, _foreign_target(call.target), call.interfaceId, call.methodId,
            str(call.sendResultsTo.which()) == "yourself",
            [_foreign_cap(each) for each in call.params.capTable],
        )  # fmt: skip
    if kind == "return":
        found = getattr(message, "return")
        which = str(found.which())
        said: Any = None
        if which == "results":
            said = [_foreign_cap(each) for each in found.results.capTable]
        elif which == "exception":
            said = found.exception.type.raw
        elif which == "takeFromOtherQuestion":
            said = found.takeFromOtherQuestion
        return (
            kind, found.answerId, found.releaseParamCaps, found.noFinishNeeded, _RETURNS[which],
            said,
        )  # fmt: skip
    if kind == "finish":
        return kind, message.finish.questionId, message.finish.releaseResultCaps
    if kind == "release":
        return kind, message.release.id, message.release.referenceCount
    if kind == "bootstrap":
        return kind, message.bootstrap.questionId
    if kind == "disembargo":
        context = message.disembargo.context
        which = str(context.which())
        target = _foreign_target(message.disembargo.target)
        return kind, _CONTEXTS[which], getattr(context, which), target
    if kind == "resolve":
        return kind, _foreign_cap(message.resolve.cap)
    if kind == "abort":
        return kind, message.abort.type.raw
    return kind, "not ours"


def _foreign_target(target: Any) -> Any:
    if str(target.which()) == "importedCap":
        return target.importedCap
    return _foreign_answer(target.promisedAnswer)


def _foreign_answer(answer: Any) -> Any:
    path = [each.getPointerField for each in answer.transform if str(each.which()) != "noop"]
    return answer.questionId, *path


def _foreign_cap(cap: Any) -> Any:
    which = str(cap.which())
    if which == "receiverAnswer":
        return rpc.RECEIVER_ANSWER, _foreign_answer(cap.receiverAnswer)
    if which == "thirdPartyHosted":
        return rpc.SENDER_HOSTED, cap.thirdPartyHosted.vineId
    if which == "none":
        return (rpc.NONE,)
    return _CAPS[which], getattr(cap, which)
