"""Cutting a byte stream into messages (encoding specification, "Serialization Over a Stream").

A frame is a segment table (number of segments - 1, then each segment's words, as little-endian
UInt32, padded to a word), followed by the segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import SEEK_CUR, BytesIO
from itertools import accumulate, pairwise
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from struct import Struct

from mpipc.capnp.message import Limits, Message, budget
from mpipc.errors import ProtocolError

_TABLE = Struct("<II")
_MAX_SEGMENTS = 512  # as the C++ library allows; a real message has a handful


_LARGE = 1 << 22
"""A message of at least so many bytes gets memory of its own."""


class FrameReader:
    """Feed it chunks of the stream; it yields whole messages.

    Messages that arrive in one chunk share its memory. One that arrives in pieces is gathered as
    they come, after its announced size was checked against the limit: announcing costs nothing.
    `missing` is how many bytes of it must still come before there is anything to do.
    """

    __slots__ = ("limits", "missing", "_gathered")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.missing = 0
        self._gathered: BytesIO | mmap = BytesIO()

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """A chunk was received; yields the messages that end in it. Raises ProtocolError."""
        missing = self.missing
        if not missing:
            yield from self._cut(chunk)
            return
        self._gathered.write(chunk[:missing])
        self.missing = max(0, missing - len(chunk))
        if not self.missing:
            yield from self._complete()
        if len(chunk) > missing:
            yield from self.feed(chunk[missing:])

    def room(self) -> memoryview | None:
        """Where what is missing of a large message may be received into; None where there is no
        such thing, and a chunk is wanted."""
        if not self.missing or isinstance(self._gathered, BytesIO):
            return None
        return memoryview(self._gathered)[self._gathered.tell() :]

    def filled(self, count: int) -> Iterator[Message] | None:
        """So many bytes were received into `room()`; the message, if that completes it."""
        self._gathered.seek(count, SEEK_CUR)
        self.missing -= count
        return None if self.missing else self._complete()

    def _complete(self) -> Iterator[Message]:
        """All that was missing is there."""
        gathered, self._gathered = self._gathered, BytesIO()
        # Without a copy: nothing else has the buffer.
        return self._cut(gathered.getvalue() if isinstance(gathered, BytesIO) else gathered)

    def _cut(self, chunk: bytes | mmap) -> Iterator[Message]:
        """Cut a chunk that begins with a message."""
        limits = self.limits
        at, size = 0, len(chunk)
        while at < size:
            if size - at < 8:
                self._gather(chunk, at, at + 8)
                return
            more_segments, words = _TABLE.unpack_from(chunk, at)
            if not more_segments:
                start = at + 8
                end = start + (words << 3)
                if words > limits.message_words:
                    self._too_large(words)
                if end > size:
                    self._gather(chunk, at, end)
                    return
                at = end
                yield Message(chunk, start, end, None, budget(limits, words), limits.nesting)
                continue
            if more_segments >= _MAX_SEGMENTS:
                raise ProtocolError(
                    f"not a Cap'n Proto message: it announces {more_segments + 1} segments"
                )
            start = at + (more_segments + 3) // 2 * 8  # a count and the sizes, padded
            if start > size:
                self._gather(chunk, at, start)
                return
            sizes = Struct(f"<{more_segments + 1}I").unpack_from(chunk, at + 4)
            words = sum(sizes)
            if words > limits.message_words:
                self._too_large(words)
            end = start + words * 8
            if end > size:
                self._gather(chunk, at, end)
                return
            ends = [*accumulate((each * 8 for each in sizes), initial=start)]
            at = end
            yield Message(
                chunk, start, end, [*pairwise(ends)], budget(limits, words), limits.nesting
            )

    def _gather(self, chunk: bytes | mmap, at: int, end: int) -> None:
        """From byte `at` on the chunk is the beginning of something that ends at `end`."""
        self.missing = end - len(chunk)
        if end - at >= _LARGE:
            self._gathered = _large_memory(end - at)
        self._gathered.write(memoryview(chunk)[at:])

    def _too_large(self, words: int) -> None:
        raise ProtocolError(
            f"a message of {words} words is larger than the limit of {self.limits.message_words}"
        )


def _large_memory(size: int) -> mmap:
    """Memory that is there once it is written to, in huge pages where the system has them: filling
    it takes half as long as with ordinary ones."""
    memory = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    try:
        memory.madvise(MADV_HUGEPAGE)
    except OSError:
        pass  # a kernel without them
    return memory
