"""Reading a Cap'n Proto message that may be hostile.

Generated code unpacks a struct's fixed part in one go and hands each pointer word to a method here,
as `(at, lo, hi)`: its byte position and its two halves (lo signed). A null pointer is the default
value of what is asked for. Every method checks bounds before it touches or allocates anything, and
counts what is traversed, as the C++ library does
(https://capnproto.org/encoding.html, "Security Considerations"): a message whose pointers overlap
cannot make a reader do much more work than its size justifies (`budget`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from mmap import mmap
from struct import Struct, unpack_from
from typing import Any, NoReturn

import msgspec

from mpipc.errors import ConversionError, ProtocolError

POINTER = Struct("<iI")
TWO_WORDS = Struct("<iIiI")

# Element sizes of lists (encoding specification, "Lists").
VOID, BIT, BYTE, TWO_BYTES, FOUR_BYTES, EIGHT_BYTES, POINTERS, COMPOSITE = range(8)
_BITS = (0, 1, 8, 16, 32, 64, 64)
_BOOLS = [tuple(octet >> bit & 1 == 1 for bit in range(8)) for octet in range(256)]


class Limits(msgspec.Struct, frozen=True):
    """What a peer may ask of us.

    `message_words`    size of one message in 8-byte words; larger ones end the connection.
    `traversal_words`  words visited while reading one message, whatever its size.
    `nesting`          depth of structs within structs.
    `calls`            calls in flight from the peer.
    `exports`          objects that the peer holds at once.
    `threads`          threads that the peer makes at once.
    `call_words`       size of all its calls in flight, and of what is kept of their answers.
    """

    message_words: int = 8 << 20
    traversal_words: int = 8 << 20
    nesting: int = 64
    calls: int = 10_000
    exports: int = 1_000_000
    threads: int = 1_000
    call_words: int = 64 << 20


DEFAULT_LIMITS = Limits()
_TIMES = 4
_AT_LEAST = 1 << 13


def budget(limits: Limits, words: int) -> int:
    """How many words may be visited while reading a message of this size.

    Once or twice its size is what reading takes, unless its pointers overlap, as no writer's do.
    Lists of nothing have no size, so there is something on top.
    """
    return min(limits.traversal_words, _TIMES * words + _AT_LEAST)


class Message(msgspec.Struct):
    """A received message: `buf[start:end]` holds its segments, one after the other. A slice of
    `buf` is `bytes` in any case.

    `segments` are the (start, end) of each, None when it is a single one. `caps` is the table of
    capabilities that capability pointers index, filled in by the session; `owner` is the connection
    that makes proxies of them. `budget` and `depth` are what is left of the limits.
    """

    buf: bytes | mmap
    start: int
    end: int
    segments: Sequence[tuple[int, int]] | None = None
    budget: int = DEFAULT_LIMITS.traversal_words
    depth: int = DEFAULT_LIMITS.nesting
    caps: Sequence[Any] = ()
    owner: Any = None

    # --------------------------------------------------------------------- pointers to objects

    def struct(self, at: int, lo: int, hi: int) -> tuple[int, int, int]:
        """Follow a struct pointer: (byte position, data words, pointers). Null: an empty struct."""
        if lo & 3:
            content, lo, hi = self.resolve(at, lo, hi)
            if lo & 3:
                self.broken("a struct pointer was expected")
        else:
            content = at + 8 + (lo << 1)
            if self.segments:
                content = self._near(at, content)
        if not hi:
            return self.start, 0, 0
        data_words = hi & 0xFFFF
        pointers = hi >> 16
        words = data_words + pointers
        self._claim(content, words << 3, words)
        return content, data_words, pointers

    def resized(
        self, content: int, data_words: int, pointers: int, want_data: int, want_pointers: int
    ) -> bytes:
        """The fixed part of a struct written by a different version of its schema, cut or padded
        with zeros to the sizes that this version has ("Evolving Your Protocol")."""
        split = content + (data_words << 3)
        data = bytes(self.buf[content : min(split, content + (want_data << 3))])
        section = bytes(self.buf[split : split + (min(pointers, want_pointers) << 3)])
        return data.ljust(want_data << 3, b"\0") + section.ljust(want_pointers << 3, b"\0")

    def text(self, at: int, lo: int, hi: int) -> str:
        """Follow a Text pointer."""
        start = at + 6 + lo + lo
        end = start + (hi >> 3) - 1
        if (
            hi & 7 == BYTE
            and lo & 3 == 1
            and self.start <= start <= end < self.end
            and not self.segments
        ):
            self.budget -= (hi >> 6) + 1
            if self.budget < 0:
                self.claim(0)
        elif lo or hi:
            start, size = self._bytes(at, lo, hi)
            end = start + size - 1
            if not size:
                self.broken("a text without its closing NUL byte")
        else:
            return ""
        if self.buf[end]:
            self.broken("a text without its closing NUL byte")
        try:
            return self.buf[start:end].decode()
        except UnicodeDecodeError as e:
            raise ConversionError(f"received a text that is not UTF-8: {e.reason}") from None

    def data(self, at: int, lo: int, hi: int) -> bytes:
        """Follow a Data pointer."""
        start = at + 6 + lo + lo
        end = start + (hi >> 3)
        if (
            hi & 7 == BYTE
            and lo & 3 == 1
            and self.start <= start
            and end <= self.end
            and not self.segments
        ):
            self.budget -= (hi >> 6) + 1
            if self.budget < 0:
                self.claim(0)
        elif lo or hi:
            start, size = self._bytes(at, lo, hi)
            end = start + size
        return self.buf[start:end]

    def elements(self, at: int, lo: int, hi: int, element: int) -> tuple[int, int]:
        """Follow a pointer to a list of primitives or pointers: (byte position, count).

        `element` is the element size code of the specification.
        """
        if not lo and not hi:
            return self.start, 0
        count = hi >> 3
        size = (count * _BITS[element] + 7) >> 3
        content = at + 6 + lo + lo
        if (
            hi & 7 == element
            and lo & 3 == 1
            and self.start <= content
            and content + size <= self.end
            and size
            and not self.segments
        ):
            self.budget -= (size + 7) >> 3
            if self.budget < 0:
                self.claim(0)
            return content, count
        content, hi = self._list(at, lo, hi)
        if hi & 7 != element:
            self.broken("a list has another element size than its schema says")
        count = hi >> 3
        size = (count * _BITS[element] + 7) >> 3
        # A list of nothing costs no bytes; counting its elements keeps it from being a bomb.
        self._claim(content, size, (size + 7) >> 3 if element else count)
        return content if size else self.start, count

    def structs(self, at: int, lo: int, hi: int) -> tuple[int, int, int, int]:
        """Follow a pointer to a list of structs: (byte position, count, data words, pointers)."""
        if not lo and not hi:
            return self.start, 0, 0, 0
        content, hi = self._list(at, lo, hi)
        if hi & 7 != COMPOSITE:
            self.broken("a list of structs was expected")
        words = hi >> 3
        self._claim(content, (words + 1) << 3, words + 1)
        tag, size = POINTER.unpack_from(self.buf, content)
        count = (tag & 0xFFFFFFFF) >> 2
        data_words = size & 0xFFFF
        pointers = size >> 16
        each = data_words + pointers
        if tag & 3 or count * each > words:
            self.broken("a list of structs is longer than its memory")
        if not each:
            self._claim(content, 0, count)
        return content + 8, count, data_words, pointers

    def array(self, at: int, lo: int, hi: int, code: str, element: int) -> tuple[Any, ...]:
        """A list of numbers, unpacked in one operation; `code` is their `struct` format."""
        content, count = self.elements(at, lo, hi, element)
        # This function remembers the formats that it was called with last.
        return unpack_from(f"<{count}{code}", self.buf, content)

    def view(self, at: int, lo: int, hi: int) -> memoryview:
        """Follow a Data pointer to a part of this message, which the view keeps."""
        start, size = self._bytes(at, lo, hi) if lo or hi else (self.start, 0)
        return memoryview(self.buf)[start : start + size].toreadonly()

    def array_view(self, at: int, lo: int, hi: int, code: str, element: int) -> memoryview:
        """As `array`, but as a view."""
        start, count = self.elements(at, lo, hi, element)
        end = start + (count * _BITS[element] >> 3)
        memory: Any = memoryview(self.buf)[start:end].toreadonly()
        view: memoryview = memory.cast(code)  # mypy wants a literal
        return view

    def bools(self, at: int, lo: int, hi: int) -> list[bool]:
        """A list of Bool."""
        content, count = self.elements(at, lo, hi, BIT)
        octets = self.buf[content : content + ((count + 7) >> 3)]
        return [*chain.from_iterable(map(_BOOLS.__getitem__, octets))][:count]

    def pointers(self, at: int, lo: int, hi: int) -> Iterable[tuple[int, int, int]]:
        """A list of pointers, each as the (at, lo, hi) that the other methods take."""
        content, count = self.elements(at, lo, hi, POINTERS)
        end = content + count * 8
        halves = POINTER.iter_unpack(self.buf[content:end])
        return [(at, lo, hi) for at, (lo, hi) in zip(range(content, end, 8), halves, strict=True)]

    def cap(self, lo: int, hi: int) -> Any:
        """The capability that a pointer names, None for a null pointer."""
        if not lo and not hi:
            return None
        if lo & 3 == 2:
            _, lo, hi = self._far(lo, hi)
        if lo != 3 or hi >= len(self.caps):
            self.broken("a capability pointer names no capability of the message")
        return self.caps[hi]

    def descend(self) -> None:
        """Begin to read a struct that may contain itself; the reader adds 1 to `depth` when it is
        done. Deeper than `Limits.nesting` is an error."""
        if not self.depth:
            self.broken("structs are nested too deeply")
        self.depth -= 1

    def claim(self, words: int) -> None:
        """Count words that are about to be read."""
        self.budget -= words
        if self.budget < 0:
            self.broken("reading it takes more work than is allowed (traversal limit)")

    # ------------------------------------------------------------------------------- internals

    def resolve(self, at: int, lo: int, hi: int) -> tuple[int, int, int]:
        """Follow far pointers: (byte position of the object, halves that describe it)."""
        if lo & 3 == 2:
            return self._far(lo, hi)
        content = at + 8 + ((lo >> 2) << 3)
        return self._near(at, content) if self.segments else content, lo, hi

    def _bytes(self, at: int, lo: int, hi: int) -> tuple[int, int]:
        content, lo, hi = self.resolve(at, lo, hi)
        if hi & 7 != BYTE or lo & 3 != 1:
            self.broken("a text or data pointer was expected")
        size = hi >> 3
        self._claim(content, size, (size + 7) >> 3)
        return content, size

    def _list(self, at: int, lo: int, hi: int) -> tuple[int, int]:
        content, lo, hi = self.resolve(at, lo, hi)
        if lo & 3 != 1:
            self.broken("a list pointer was expected")
        return content, hi

    def _claim(self, content: int, size: int, words: int) -> None:
        """Check that `size` bytes at `content` are inside the message, and count `words`. Nothing
        may be anywhere."""
        if not size:
            inside = True
        elif self.segments is None:
            inside = self.start <= content and content + size <= self.end
        else:
            inside = any(low <= content and content + size <= high for low, high in self.segments)
        if not inside:
            self.broken("a pointer leads out of the message")
        self.claim(words)

    def _far(self, lo: int, hi: int) -> tuple[int, int, int]:
        """As the encoding specification says under "Inter-Segment Pointers"."""
        landing = self._in_segment(hi, lo)
        if not lo & 4:
            self._claim(landing, 8, 1)
            inner_lo, inner_hi = POINTER.unpack_from(self.buf, landing)
            if inner_lo & 3 == 2:
                self.broken("a far pointer leads to another one")
            content = landing + 8 + ((inner_lo >> 2) << 3)
            return self._near(landing, content), inner_lo, inner_hi
        self._claim(landing, 16, 2)
        far_lo, far_hi, tag_lo, tag_hi = TWO_WORDS.unpack_from(self.buf, landing)
        if far_lo & 3 != 2 or tag_lo & 3 == 2:
            self.broken("the landing pad of a double-far pointer is malformed")
        return self._in_segment(far_hi, far_lo), tag_lo, tag_hi

    # Segments lie side by side in `buf`, but a pointer must not lead from one into the next. Where
    # one does, these give the end of the message instead, where there is room for nothing.

    def _near(self, at: int, content: int) -> int:
        """Where a pointer at `at` leads by its offset."""
        for low, high in self.segments or ((self.start, self.end),):
            if low <= at < high:
                return content if low <= content < high else self.end
        return self.end

    def _in_segment(self, segment: int, lo: int) -> int:
        """Where a far pointer leads."""
        segments = self.segments or ((self.start, self.end),)
        if segment >= len(segments):
            self.broken("a far pointer names a segment that does not exist")
        low, high = segments[segment]
        content = low + (lo & 0xFFFFFFF8)
        return content if content < high else self.end

    def broken(self, why: str) -> NoReturn:
        """Raise ProtocolError: the message is malformed."""
        raise ProtocolError(f"malformed message: {why}")
