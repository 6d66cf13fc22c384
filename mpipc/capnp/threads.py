"""The thread interfaces of `mp/proxy.capnp`, as capabilities (WIRE.md, "A call").

Their ids and layouts are fixed by libmultiprocess, so they are written down here instead of being
generated; a test compares them with the compiled schema.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Protocol

from mpipc.capnp.message import POINTER, Message
from mpipc.capnp.session import Capability
from mpipc.capnp.writer import Writer

THREAD = 0x81C1E2600D0B56C5
THREAD_GET_NAME = (THREAD, 0)
THREAD_MAP = 0xEE5E37179AD9DC9D
MAKE_THREAD = (THREAD_MAP, 0)
MAKE_POOL = (THREAD_MAP, 1)

ONE_POINTER = 1 << 16  # the shape of a struct that is one pointer

# A Context behind a struct whose first pointer leads to it: both are capability pointers, which
# name the first two entries of the message's table.
CONTEXT_WORDS = 2
CONTEXT_CAPS = (None, None)
CONTEXT = Struct("<QQ").pack(3, 3 | 1 << 32)
# A pointer must not name an entry that is null.
CONTEXT_WITHOUT_THREAD = Struct("<QQ").pack(0, 3 | 1 << 32)

_WORD = Struct("<Q")


class Thread(Protocol):
    """A thread of this process that can be asked to run something."""

    name: str

    def post(self, task: Callable[[], None]) -> None:
        """Queue a task; the thread runs it when it is idle or waits for an answer."""


class ThreadCapability:
    """A thread as a capability. `ended` is called when nothing refers to it any more, neither the
    peer nor a call that is still to run; by whatever thread that happens in, so it must not wait.
    """

    __slots__ = ("thread", "ended", "__weakref__")

    def __init__(self, thread: Thread, ended: Callable[[], None] | None = None) -> None:
        self.thread = thread
        self.ended = ended

    def __del__(self) -> None:
        if self.ended is not None:
            self.ended()


class ThreadMapCapability:
    """Our ThreadMap, with which the peer makes threads here."""

    __slots__ = ("__weakref__",)


def context_pointer(at: int, position: int) -> int:
    """The pointer word for word `at` of a Context at word `position`."""
    return (position - at - 1) << 2 | CONTEXT_WORDS << 48


def read_context(
    message: Message, content: int, data_words: int, pointers: int
) -> tuple[Capability, Capability]:
    """(thread, callbackThread) of a call whose first pointer is its Context; None where null."""
    if not pointers:
        return None, None
    at = content + (data_words << 3)
    lo, hi = POINTER.unpack_from(message.buf, at)
    if not lo and not hi:
        return None, None
    content, data_words, pointers = message.struct(at, lo, hi)
    at = content + (data_words << 3)
    caps: list[Capability] = [None, None]
    for index in range(min(pointers, 2)):
        lo, hi = POINTER.unpack_from(message.buf, at + index * 8)
        caps[index] = message.cap(lo, hi)
    return caps[0], caps[1]


_CARRIED_WORDS = 3
_LONGEST_CARRIED = 1 << 10  # bytes of a text that is read


def carry(w: Writer, shape: int, text: str) -> None:
    """Put a text into the Context of written parameters, of the given shape: as a third pointer,
    which those who do not know it ignore. The Context that was there, at the end of the fixed part,
    stays behind, unused."""
    at, position, context = shape & 0xFFFF, w.end, w.head[-len(CONTEXT) :]
    w.end += _CARRIED_WORDS
    pointer = (position - at - 1) << 2 | _CARRIED_WORDS << 48
    w.head = w.head[: at * 8] + _WORD.pack(pointer) + w.head[at * 8 + 8 :]
    w.parts.append(b"")  # the text is written first
    index = len(w.parts) - 1
    w.parts[index] = context + _WORD.pack(w.text(position + CONTEXT_WORDS, text))


def read_carried(message: Message, content: int, data_words: int, pointers: int) -> str:
    """The text that `carry` has put into a Context; "" where there is none, or none to be read."""
    if not pointers:
        return ""
    at = content + (data_words << 3)
    lo, hi = POINTER.unpack_from(message.buf, at)
    if not lo and not hi:
        return ""
    content, data_words, pointers = message.struct(at, lo, hi)
    if pointers < _CARRIED_WORDS:
        return ""
    at = content + (data_words << 3) + CONTEXT_WORDS * 8
    lo, hi = POINTER.unpack_from(message.buf, at)
    # A list of bytes, and not too many of them.
    if lo & 3 != 1 or hi & 7 != 2 or hi >> 3 > _LONGEST_CARRIED:
        return ""
    found: str = message.text(at, lo, hi)
    return found


def read_capability(message: Message, content: int, data_words: int, pointers: int) -> Capability:
    """The capability that is a struct's only pointer."""
    if not pointers:
        return None
    found: Capability = message.cap(*POINTER.unpack_from(message.buf, content + (data_words << 3)))
    return found


def read_text(message: Message, content: int, data_words: int, pointers: int) -> str:
    """The text that is a struct's only pointer."""
    if not pointers:
        return ""
    at = content + (data_words << 3)
    lo, hi = POINTER.unpack_from(message.buf, at)
    return message.text(at, lo, hi) if hi else ""


def write_capability(capability: Capability) -> Writer:
    """A struct whose only pointer is a capability."""
    w = Writer(1)
    w.head = _WORD.pack(w.cap(capability))
    return w


def write_text(text: str) -> Writer:
    """A struct whose only pointer is a text."""
    w = Writer(1)
    w.head = _WORD.pack(w.text(0, text))
    return w
