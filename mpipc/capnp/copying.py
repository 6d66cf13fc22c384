"""Copying an object from a message into a writer without knowing its schema.

Forwarding a call needs it (the peer pipelined a call on one of its own objects), and answering an
unknown message with a copy of itself.
"""

from __future__ import annotations

from mpipc.capnp.message import COMPOSITE, POINTER, POINTERS, Message
from mpipc.capnp.writer import Writer

_BITS = (0, 1, 8, 16, 32, 64)


def copy_struct(message: Message, at: int, lo: int, hi: int, w: Writer, to: int, depth: int) -> int:
    """Copy the struct behind the pointer (at, lo, hi); returns the pointer word for word `to`."""
    content, data_words, pointers = message.struct(at, lo, hi)
    base, part, pointer = w.struct(to, data_words, pointers)
    w.parts[part] = copy_fixed(message, content, data_words, pointers, w, base, depth)
    return pointer


def copy_fixed(
    message: Message, content: int, data_words: int, pointers: int, w: Writer, base: int, depth: int
) -> bytes:
    """Copy what a struct's pointers lead to; returns the fixed part of the copy at word `base`."""
    if not depth:
        message.broken("structs are nested too deeply")
    split = content + (data_words << 3)
    return bytes(message.buf[content:split]) + _copy_pointers(
        message, split, pointers, w, base + data_words, depth
    )


def _copy_pointers(message: Message, at: int, count: int, w: Writer, to: int, depth: int) -> bytes:
    words = []
    for index in range(count):
        lo, hi = POINTER.unpack_from(message.buf, at + index * 8)
        word = _copy_pointer(message, at + index * 8, lo, hi, w, to + index, depth)
        words.append(word.to_bytes(8, "little"))
    return b"".join(words)


def _copy_pointer(
    message: Message, at: int, lo: int, hi: int, w: Writer, to: int, depth: int
) -> int:
    if not lo and not hi:
        return 0
    _, kind, size = message.resolve(at, lo, hi)
    if kind == 3:
        # The capability table is copied as a whole, in order, so that indices stay. A pointer must
        # not name an entry that turned out to be null.
        return 0 if size < len(w.caps) and w.caps[size] is None else 3 | size << 32
    if kind & 3 == 0:
        return copy_struct(message, at, lo, hi, w, to, depth - 1)
    if kind & 3 == 1:
        return _copy_list(message, at, lo, hi, size & 7, w, to, depth - 1)
    message.broken("a pointer of an unknown kind")


def _copy_list(
    message: Message, at: int, lo: int, hi: int, element: int, w: Writer, to: int, depth: int
) -> int:
    if not depth:
        message.broken("lists are nested too deeply")
    if element == COMPOSITE:
        content, count, data_words, pointers = message.structs(at, lo, hi)
        base, part, pointer = w.structs(to, count, data_words, pointers)
        each = data_words + pointers
        w.parts[part] = b"".join(
            copy_fixed(
                message, content + index * each * 8, data_words, pointers, w, base + index * each,
                depth,
            )
            for index in range(count if each else 0)
        )  # fmt: skip
        return pointer
    content, count = message.elements(at, lo, hi, element)
    if element == POINTERS:
        base, part, pointer = w.pointers(to, count)
        w.parts[part] = _copy_pointers(message, content, count, w, base, depth)
        return pointer
    size = (count * _BITS[element] + 7) >> 3
    pointer = w.elements(to, count, element, size)
    w.parts.append(bytes(message.buf[content : content + size]))
    w.parts.append(bytes(-size & 7))
    return pointer
