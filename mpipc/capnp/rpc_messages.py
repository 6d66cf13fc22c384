"""The RPC protocol's own messages (`rpc.capnp`), laid out as words.

Builders write every message in one fixed order, header first, so that a whole header is one
`Struct.pack`. The parsers read any order, since other implementations lay messages out as they
like; ours are recognised by their constant words and read in one `unpack`. A test compares every
position here with what the official compiler says about `rpc.capnp`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from struct import Struct, pack

import msgspec

from mpipc.capnp.message import POINTER, Message
from mpipc.errors import ProtocolError

# Message's union.
UNIMPLEMENTED, ABORT, CALL, RETURN, FINISH, RESOLVE, RELEASE = range(7)
BOOTSTRAP, DISEMBARGO = 8, 13
# Return's union.
RESULTS, EXCEPTION, CANCELED, SENT_ELSEWHERE, TAKE_FROM_OTHER = range(5)
# CapDescriptor's union.
NONE, SENDER_HOSTED, SENDER_PROMISE, RECEIVER_HOSTED, RECEIVER_ANSWER, THIRD_PARTY = range(6)
# Disembargo's context.
SENDER_LOOPBACK, RECEIVER_LOOPBACK = range(2)
# Exception.Type.
FAILED, OVERLOADED, DISCONNECTED, NOT_IMPLEMENTED = range(4)

_STRUCT_1_1 = 1 << 32 | 1 << 48  # a struct of 1 data word and 1 pointer, right behind the pointer


def _struct(offset: int, data_words: int, pointers: int) -> int:
    return offset << 2 | data_words << 32 | pointers << 48


class Payload(msgspec.Struct, gc=False):
    """Where a message's parameters or results are: the struct pointer's position and halves."""

    message: Message
    at: int
    lo: int
    hi: int

    def struct(self) -> tuple[int, int, int]:
        """(byte position, data words, pointers) of the content."""
        return self.message.struct(self.at, self.lo, self.hi)


class PromisedAnswer(msgspec.Struct, gc=False):
    """The capability at a path of pointer fields in the results of a question."""

    question: int
    path: tuple[int, ...]


class Descriptor(msgspec.Struct, gc=False):
    """A CapDescriptor: `kind` of its union and `id`, or `answer` for RECEIVER_ANSWER."""

    kind: int
    id: int = 0
    answer: PromisedAnswer | None = None


class Call(msgspec.Struct, gc=False):
    """A Call message as received; `target` is an export id or a promised answer."""

    question: int
    target: int | PromisedAnswer
    interface: int
    method: int
    to_yourself: bool
    payload: Payload
    descriptors: Sequence[Descriptor]


class Return(msgspec.Struct, gc=False):
    """A Return message as received."""

    answer: int
    release_param_caps: bool
    no_finish: bool
    kind: int
    payload: Payload | None = None
    descriptors: Sequence[Descriptor] = ()
    exception: tuple[int, str, str] | None = None
    other: int = 0


# ------------------------------------------------------------------------------------- building
#
# word  Call                              Return
#  0    root pointer                      root pointer
#  1    Message: tag                      Message: tag
#  2    Message: pointer                  Message: pointer
#  3-5  Call: data                        Return: data (2 words)
#  6-8  Call: target, params, -           5: Return: pointer
#  9    target: data                      6: Payload: content
#  10   target: pointer                   7: Payload: capTable
#  11   Payload: content                  8: the table's tag and elements
#  12   Payload: capTable                 …  content
#  13   the table's tag and elements
#  …    content

CALL_BEGIN = pack("<QQQ", _STRUCT_1_1, CALL, _struct(0, 3, 3))
CALL_MIDDLE = pack("<QQQ", _struct(2, 1, 1), _struct(3, 0, 2), 0)
RETURN_BEGIN = pack("<QQQ", _STRUCT_1_1, RETURN, _struct(0, 2, 1))
RETURN_MIDDLE = pack("<QQ", 0, _struct(0, 0, 2))
_CALL = Struct("<II24sIHHQQ24sQQQQ")
_CALL_ON_ANSWER = Struct("<II24sIHHQQQQQQQQQQQQQ")
_CALL_IN_CONTEXT = Struct("<4xI24sI44sI12xQ")
_SIMPLE_RETURN = Struct("<4xI24sII16sQ8x")
_RETURN = Struct("<II24sII16sQQ")


def table_pointer(count: int) -> int:
    """The pointer to a capTable of so many elements right behind it."""
    return (1 | 7 << 32 | (2 * count) << 35) if count else 0


def table_tag(count: int) -> int:
    """The tag word of a capTable."""
    return count << 2 | _STRUCT_1_1


TABLE_OF_2 = table_pointer(2)
TAG_OF_2 = table_tag(2)


def _cap_table(words: Sequence[int]) -> bytes:
    """A capTable, given as its elements' data words."""
    count = len(words)
    return _elements(count).pack(table_tag(count), *words) if count else b""


@lru_cache(16)
def _elements(count: int) -> Struct:
    """The layout of a capTable's tag and elements."""
    return Struct("<Q" + count * "Q8x")


def descriptor(kind: int, id: int) -> int:
    """The data word of a CapDescriptor."""
    return kind | id << 32


def call_header(
    question: int,
    target: int,
    interface: int,
    method: int,
    caps: Sequence[int],
    body_words: int,
    shape: int,
) -> bytes:
    """A Call on the imported capability `target`, up to its parameters, which follow.

    `caps` are descriptors' data words; `shape` is the parameters' `data words | pointers << 16`.
    """
    count = len(caps)
    content = 14 + 2 * count if count else 13
    # A struct without fields takes no words, and its pointer must not be null.
    first = ((content - 12) << 2 | shape << 32) if shape else 0xFFFFFFFC
    return _CALL.pack(
        0, content + body_words, CALL_BEGIN, question, method, 0, interface, 0, CALL_MIDDLE,
        target, 0, first, table_pointer(count),
    ) + _cap_table(caps)  # fmt: skip


def call_on_answer(
    question: int,
    answer: int,
    field: int,
    interface: int,
    method: int,
    caps: Sequence[int],
    body_words: int,
    shape: int,
) -> bytes:
    """As `call_header`, on the capability in pointer `field` of the results of the question
    `answer`, which are still to come."""
    count = len(caps)
    content = 18 + 2 * count if count else 17
    first = ((content - 16) << 2 | shape << 32) if shape else 0xFFFFFFFC
    return _CALL_ON_ANSWER.pack(
        0, content + body_words, CALL_BEGIN, question, method, 0, interface, 0,
        _struct(2, 1, 1), _struct(7, 0, 2), 0,
        1 << 32, _struct(0, 1, 1), answer, 1 | 7 << 32 | 1 << 35, 1 << 2 | 1 << 32,
        1 | field << 16, first, table_pointer(count),
    ) + _cap_table(caps)  # fmt: skip


def method_ids(interface: int, method: int) -> bytes:
    """The constant words of a Call in a context, between its number and its target."""
    return pack("<HHQQ24s", method, 0, interface, 0, CALL_MIDDLE)


def context_pointer(shape: int) -> int:
    """The pointer to the parameters of a Call in a context."""
    return 6 << 2 | shape << 32


def context_table(thread: int, callback: int, *objects: int) -> bytes:
    """The capTable of a Call in a context, given as its elements' data words: the threads of its
    context, then the objects among its parameters."""
    count = 2 + len(objects)
    return pack("<Q", table_pointer(count)) + _cap_table((thread, callback, *objects))


call_in_context = _CALL_IN_CONTEXT.pack
"""Packs a call in a context up to its table, behind which the parameters follow: (words of the
message, CALL_BEGIN, question, `method_ids`, target, `context_pointer`). For each object in the
table the pointer is larger by 1 << 3."""
CALL_IN_CONTEXT_WORDS = 18
"""Words of that and of a table without objects, which have 2 each."""

simple_return = _SIMPLE_RETURN.pack
"""Packs a return with results without capabilities, which needs no Finish and gives back the
parameters: (words of the message, RETURN_BEGIN, answer, NOTHING_LEFT, RETURN_MIDDLE,
`result_pointer`). The results follow."""
SIMPLE_RETURN_WORDS = 8
NOTHING_LEFT = 2  # "no finish needed" and "release param caps"


def result_pointer(shape: int) -> int:
    """The pointer to the results in `simple_return`."""
    return 1 << 2 | shape << 32 if shape else 0xFFFFFFFC


def return_header(
    answer: int,
    caps: Sequence[int],
    body_words: int,
    shape: int,
    *,
    release_param_caps: bool,
    no_finish: bool,
) -> bytes:
    """A Return with results, up to the result struct, which follows; as `call_header`."""
    count = len(caps)
    content = 9 + 2 * count if count else 8
    first = ((content - 7) << 2 | shape << 32) if shape else 0xFFFFFFFC
    # releaseParamCaps is true by default, and the wire holds its XOR with that.
    flags = (not release_param_caps) | no_finish << 1
    header = _RETURN.pack(
        0, content + body_words, RETURN_BEGIN, answer, flags, RETURN_MIDDLE, first,
        table_pointer(count),
    )  # fmt: skip
    return header + _cap_table(caps) if count else header


def _return_flags(*, release_param_caps: bool, no_finish: bool) -> int:
    return (not release_param_caps) | no_finish << 1


def return_capability(answer: int, cap: int) -> bytes:
    """A Return whose content is one capability, as Bootstrap wants it."""
    return _RETURN.pack(
        0, 11, RETURN_BEGIN, answer, 0, RETURN_MIDDLE, 3, table_pointer(1)
    ) + _cap_table((cap,))


def _words(*words: int) -> bytes:
    return pack(f"<II{len(words)}Q", 0, len(words), *words)


def return_other(
    answer: int, kind: int, other: int = 0, *, release_param_caps: bool = False
) -> bytes:
    """A Return that is CANCELED, SENT_ELSEWHERE, or TAKE_FROM_OTHER question `other`."""
    flags = _return_flags(release_param_caps=release_param_caps, no_finish=False)
    return _words(
        _STRUCT_1_1, RETURN, _struct(0, 2, 1), answer | flags << 32 | kind << 48, other, 0
    )


def _exception_body(type: int, reason: str, trace: str) -> list[int]:
    """An Exception struct as words, its texts behind it."""
    words = [type << 32, 0, 0]
    for slot, text in ((1, reason), (2, trace)):
        if text:
            encoded = text.encode(errors="replace") + b"\0"
            words[slot] = (len(words) - slot - 1) << 2 | 1 | 2 << 32 | len(encoded) << 35
            padded = encoded.ljust((len(encoded) + 7) & ~7, b"\0")
            words.extend(Struct(f"<{len(padded) >> 3}Q").unpack(padded))
    return words


def return_exception(
    answer: int,
    type: int,
    reason: str,
    trace: str = "",
    *,
    release_param_caps: bool = False,
    no_finish: bool = False,
) -> bytes:
    """A Return with an exception."""
    flags = _return_flags(release_param_caps=release_param_caps, no_finish=no_finish)
    return _words(
        _STRUCT_1_1, RETURN, _struct(0, 2, 1),
        answer | flags << 32 | EXCEPTION << 48, 0, _struct(0, 1, 2),
        *_exception_body(type, reason, trace),
    )  # fmt: skip


def abort(reason: str) -> bytes:
    """An Abort."""
    return _words(_STRUCT_1_1, ABORT, _struct(0, 1, 2), *_exception_body(FAILED, reason, ""))


def bootstrap(question: int) -> bytes:
    """A Bootstrap."""
    return _words(_STRUCT_1_1, BOOTSTRAP, _STRUCT_1_1, question, 0)


def finish(question: int, *, release_result_caps: bool) -> bytes:
    """A Finish. Both of its flags are true by default, so the wire holds their negation; the
    early-cancellation workaround is for peers of before Cap'n Proto 1.0, and never ours to ask."""
    flags = (not release_result_caps) << 32 | 1 << 33
    return _words(_STRUCT_1_1, FINISH, _struct(0, 1, 0), question | flags)


def release(id: int, count: int) -> bytes:
    """A Release of `count` references to the peer's export `id`."""
    return _words(_STRUCT_1_1, RELEASE, _struct(0, 1, 0), id | count << 32)


def disembargo_reply(target: int, id: int) -> bytes:
    """A Disembargo of the receiver-loopback kind, to the imported capability `target`."""
    return _words(
        _STRUCT_1_1, DISEMBARGO, _STRUCT_1_1,
        id | RECEIVER_LOOPBACK << 32, _STRUCT_1_1, target, 0,
    )  # fmt: skip


# -------------------------------------------------------------------------------------- parsing

_HEAD = Struct("<iIHxxxxxxiI")
_FAST_RETURN = Struct("<24sII16siIQ")
_FAST_CALL = Struct("<24sIHHQ8x24sQ8xiIQ")
_TABLE_WITH_2 = Struct("<QQ8xQ8x")
MOST_OBJECTS = 1 << 16
"""In one message: each takes 16 bytes there, and many times as much, and some time, here."""
_ONE_ONE = Struct("<Q iI")
_CALL_STRUCT = Struct("<IHHQQ iIiIiI")
_RETURN_STRUCT = Struct("<IBBHII iI")
_PAYLOAD = Struct("<iIiI")
_EXCEPTION_STRUCT = Struct("<HHHxx iIiI")


def _fixed(layout: Struct, message: Message, at: int, lo: int, hi: int, data: int, pointers: int
) -> tuple[int, tuple[int, ...]]:  # fmt: skip
    """Follow a struct pointer: (byte position of its pointer section, its unpacked fixed part)."""
    content, data_words, have = message.struct(at, lo, hi)
    section = content + (data_words << 3)
    if data_words == data and have == pointers:
        return section, layout.unpack_from(message.buf, content)
    return section, layout.unpack(message.resized(content, data_words, have, data, pointers))


def message_kind(message: Message) -> tuple[int, int, int, int]:
    """Which message it is, and the pointer to its struct as (kind, at, lo, hi)."""
    start = message.start
    first = message.segments[0][1] if message.segments else message.end
    if first - start < 24:
        if first == start:
            message.broken("it is empty")
        lo, hi = POINTER.unpack_from(message.buf, start)
    else:
        lo, hi, kind, inner_lo, inner_hi = _HEAD.unpack_from(message.buf, start)
        if lo == 0 and hi == 0x10001:
            return kind, start + 16, inner_lo, inner_hi
    section, (word, inner_lo, inner_hi) = _fixed(_ONE_ONE, message, start, lo, hi, 1, 1)
    return word & 0xFFFF, section, inner_lo, inner_hi


def _descriptors(message: Message, at: int, lo: int, hi: int) -> Sequence[Descriptor]:
    """A payload's capTable."""
    if not (lo or hi):
        return ()
    content, count, data_words, pointers = message.structs(at, lo, hi)
    if count > MOST_OBJECTS:
        raise ProtocolError(f"more than {MOST_OBJECTS} objects in one message")
    step = (data_words + pointers) << 3
    table = []
    for index in range(count):  # elements of no size are empty descriptors, all in one place
        position = content + index * step
        if data_words == 1 and pointers == 1:
            word, lo, hi = _ONE_ONE.unpack_from(message.buf, position)
        else:
            word, lo, hi = _ONE_ONE.unpack(message.resized(position, data_words, pointers, 1, 1))
        kind = word & 0xFFFF
        section = position + (data_words << 3)
        if kind == RECEIVER_ANSWER:
            answer = _promised_answer(message, section, lo, hi)
            table.append(Descriptor(kind, 0, answer))
        elif kind == THIRD_PARTY:
            table.append(_vine(message, section, lo, hi))
        elif kind <= RECEIVER_HOSTED:
            table.append(Descriptor(kind, word >> 32))
        else:
            message.broken("an unknown kind of capability")
    return table


def _vine(message: Message, at: int, lo: int, hi: int) -> Descriptor:
    """A level 3 address, which we cannot follow; its vine is an ordinary export of the sender."""
    _, (vine, _, _) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    return Descriptor(SENDER_HOSTED, vine & 0xFFFFFFFF)


def _fast_table(message: Message, at: int, table: int) -> Sequence[Descriptor]:
    """A capTable whose pointer is `table`; ours are right behind it."""
    if not table:
        return ()
    if table == TABLE_OF_2 and message.end - at >= 48:
        tag, first, second = _TABLE_WITH_2.unpack_from(message.buf, at + 8)
        if tag == TAG_OF_2 and first & 0xFFFF <= RECEIVER_HOSTED >= second & 0xFFFF:
            message.budget -= 5
            return (
                Descriptor(first & 0xFFFF, first >> 32),
                Descriptor(second & 0xFFFF, second >> 32),
            )
    return _descriptors(message, at, *POINTER.unpack(table.to_bytes(8, "little")))


def _promised_answer(message: Message, at: int, lo: int, hi: int) -> PromisedAnswer:
    section, (word, path_lo, path_hi) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    return PromisedAnswer(word & 0xFFFFFFFF, tuple(_path(message, section, path_lo, path_hi)))


def _path(message: Message, at: int, lo: int, hi: int) -> Iterator[int]:
    if not (lo or hi):
        return
    content, count, data_words, pointers = message.structs(at, lo, hi)
    step = (data_words + pointers) << 3
    for index in range(count):
        if not data_words:
            continue  # an empty operation reads as its default, noop
        kind, field = Struct("<HH").unpack_from(message.buf, content + index * step)
        if kind == 1:
            yield field
        elif kind:
            message.broken("an unknown operation on a promised answer")


def _target(message: Message, at: int, lo: int, hi: int) -> int | PromisedAnswer:
    section, (word, lo, hi) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    kind = word >> 32 & 0xFFFF
    if kind == 0:
        return word & 0xFFFFFFFF
    if kind == 1:
        return _promised_answer(message, section, lo, hi)
    message.broken("an unknown kind of message target")


def parse_call(message: Message, at: int, lo: int, hi: int) -> Call:
    """A Call, from the pointer to its struct."""
    start = message.start
    if message.segments is None and message.end - start >= 104:
        (begin, question, method, to, interface, middle, target, c_lo, c_hi, table) = (
            _FAST_CALL.unpack_from(message.buf, start)
        )
        if begin == CALL_BEGIN and middle == CALL_MIDDLE and target <= 0xFFFFFFFF and to < 2:
            message.budget -= 13
            payload = Payload(message, start + 88, c_lo, c_hi)
            caps = _fast_table(message, start + 96, table)
            return Call(question, target, interface, method, to == 1, payload, caps)
    section, fields = _fixed(_CALL_STRUCT, message, at, lo, hi, 3, 3)
    question, method, to, interface, _, t_lo, t_hi, p_lo, p_hi, _, _ = fields
    if to > 1:
        message.broken("results for a third party are not supported")
    place = _target(message, section, t_lo, t_hi)
    payload, entries = _payload(message, section + 8, p_lo, p_hi)
    return Call(question, place, interface, method, to == 1, payload, entries)


def _payload(message: Message, at: int, lo: int, hi: int) -> tuple[Payload, Sequence[Descriptor]]:
    section, (c_lo, c_hi, t_lo, t_hi) = _fixed(_PAYLOAD, message, at, lo, hi, 0, 2)
    return Payload(message, section, c_lo, c_hi), _descriptors(message, section + 8, t_lo, t_hi)


def parse_return(message: Message, at: int, lo: int, hi: int) -> Return:
    """A Return, from the pointer to its struct."""
    start = message.start
    if message.segments is None and message.end - start >= 64:
        begin, answer, flags, middle, c_lo, c_hi, table = _FAST_RETURN.unpack_from(
            message.buf, start
        )
        if begin == RETURN_BEGIN and middle == RETURN_MIDDLE and flags < 4:
            message.budget -= 8
            content = Payload(message, start + 48, c_lo, c_hi)
            caps = _fast_table(message, start + 56, table)
            return Return(answer, not flags & 1, flags > 1, RESULTS, content, caps)
    section, fields = _fixed(_RETURN_STRUCT, message, at, lo, hi, 2, 1)
    answer, flags, _, kind, other, _, p_lo, p_hi = fields
    result = Return(answer, not flags & 1, flags & 2 == 2, kind, other=other)
    if kind == RESULTS:
        result.payload, result.descriptors = _payload(message, section, p_lo, p_hi)
    elif kind == EXCEPTION:
        result.exception = parse_exception(message, section, p_lo, p_hi)
    elif kind > TAKE_FROM_OTHER:
        message.broken("an unknown kind of return")
    return result


def parse_exception(message: Message, at: int, lo: int, hi: int) -> tuple[int, str, str]:
    """An Exception: (type, reason, trace)."""
    section, (_, _, type, r_lo, r_hi, t_lo, t_hi) = _fixed(
        _EXCEPTION_STRUCT, message, at, lo, hi, 1, 2
    )
    reason, trace = message.data(section, r_lo, r_hi), message.data(section + 8, t_lo, t_hi)
    return type, _legible(reason), _legible(trace)


def _legible(text: bytes) -> str:
    """What an exception says, also where its thrower did not care for UTF-8."""
    return text.removesuffix(b"\0").decode(errors="replace")


def parse_word(message: Message, at: int, lo: int, hi: int) -> int:
    """The data word of a Finish, a Release or a Bootstrap."""
    _, (word, _, _) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    return word


def parse_resolve(message: Message, at: int, lo: int, hi: int) -> Descriptor | None:
    """What a Resolve resolves its promise to; None for an exception."""
    section, (word, lo, hi) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    if word >> 32 & 0xFFFF:
        return None
    section, (word, lo, hi) = _fixed(_ONE_ONE, message, section, lo, hi, 1, 1)
    if word & 0xFFFF == THIRD_PARTY:
        return _vine(message, section, lo, hi)
    return Descriptor(word & 0xFFFF, word >> 32)


def parse_disembargo(message: Message, at: int, lo: int, hi: int
) -> tuple[int, int, int | PromisedAnswer]:  # fmt: skip
    """A Disembargo: (kind of its context, id, target)."""
    section, (word, lo, hi) = _fixed(_ONE_ONE, message, at, lo, hi, 1, 1)
    return word >> 32 & 0xFFFF, word & 0xFFFFFFFF, _target(message, section, lo, hi)
