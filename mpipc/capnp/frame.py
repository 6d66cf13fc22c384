"""Cutting a byte stream into messages (encoding specification, "Serialization Over a Stream").

A frame is a segment table (number of segments - 1, then each segment's words, as little-endian
UInt32, padded to a word), followed by the segments.

Between two ends that have agreed upon it (`sharing.py`), a frame may be in shared memory: then a
mark stands for it, which begins with a number of segments that no frame has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import SEEK_CUR, BytesIO
from itertools import accumulate, pairwise
from mmap import mmap
from struct import Struct

from mpipc.capnp.large import LargeMessage, Recycled
from mpipc.capnp.message import Limits, Message, budget
from mpipc.errors import ProtocolError

_TABLE = Struct("<II")
_MAX_SEGMENTS = 512  # as the C++ library allows; a real message has a handful

CHUNK = 1 << 16
"""The most bytes that are received at once, but for what is missing of a large message. More would
leave the processor's cache before they are looked at, and have their memory mapped anew each time:
twice as long for a large message."""

MARKED = 0xFFFFFFFF
MARK = Struct("<IIQ")
"""MARKED, the byte of the memory at which the frame begins, and the memory's size in bytes, where
the frame ends."""
LONGEST_HEADER = 1 << 12
"""Bytes before which the frame must begin."""


class FrameReader:
    """Feed it chunks of the stream; it yields whole messages.

    Messages that arrive in one chunk share its memory. One that arrives in pieces is gathered as
    they come, after its announced size was checked against the limit: announcing costs nothing.
    `missing` is how many bytes of it must still come before there is anything to do. `take_memory`
    maps what a mark of some size stands for; None where there are no marks.
    """

    __slots__ = ("limits", "missing", "take_memory", "_gathered", "_recycled")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.missing = 0
        self.take_memory: Callable[[int], mmap] | None = None
        self._gathered: BytesIO | mmap = BytesIO()
        self._recycled = Recycled()

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """A chunk was received; yields the messages that end in it. Raises ProtocolError."""
        missing = self.missing
        if not missing:
            yield from self._cut(chunk, len(chunk))
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
        at = self._gathered.tell()
        return memoryview(self._gathered)[at : at + self.missing]

    def filled(self, count: int) -> Iterator[Message] | None:
        """So many bytes were received into `room()`; the message, if that completes it."""
        self._gathered.seek(count, SEEK_CUR)
        self.missing -= count
        return None if self.missing else self._complete()

    def _complete(self) -> Iterator[Message]:
        """All that was missing is there."""
        gathered, self._gathered = self._gathered, BytesIO()
        if isinstance(gathered, BytesIO):
            # Not a copy: nothing else has it.
            yield from self._cut(gathered.getvalue(), gathered.tell())
            return
        for message in self._cut(gathered, gathered.tell()):
            if isinstance(message, LargeMessage):
                message.recycled = self._recycled
            yield message

    def _cut(self, chunk: bytes | mmap, size: int) -> Iterator[Message]:
        """Cut so many bytes of a chunk, which begin with a message."""
        limits = self.limits
        # Only a large message has memory of its own.
        kind = Message if type(chunk) is bytes else LargeMessage
        at = 0
        while at < size:
            if size - at < 8:
                self._gather(chunk, at, size, at + 8)
                return
            more_segments, words = _TABLE.unpack_from(chunk, at)
            if not more_segments:
                start = at + 8
                end = start + (words << 3)
                if words > limits.message_words:
                    self._too_large(words)
                if end > size:
                    self._gather(chunk, at, size, end)
                    return
                at = end
                yield kind(chunk, start, end, None, budget(limits, words), limits.nesting)
                continue
            if more_segments == MARKED and self.take_memory is not None:
                if size - at < MARK.size:
                    self._gather(chunk, at, size, at + MARK.size)
                    return
                _, start, end = MARK.unpack_from(chunk, at)
                at += MARK.size
                yield self._marked(start, end, self.take_memory)
                continue
            if more_segments >= _MAX_SEGMENTS:
                raise ProtocolError(
                    f"not a Cap'n Proto message: it announces {more_segments + 1} segments"
                )
            start = at + (more_segments + 3) // 2 * 8  # a count and the sizes, padded
            if start > size:
                self._gather(chunk, at, size, start)
                return
            sizes = Struct(f"<{more_segments + 1}I").unpack_from(chunk, at + 4)
            words = sum(sizes)
            if words > limits.message_words:
                self._too_large(words)
            end = start + words * 8
            if end > size:
                self._gather(chunk, at, size, end)
                return
            ends = [*accumulate((each * 8 for each in sizes), initial=start)]
            at = end
            yield kind(chunk, start, end, [*pairwise(ends)], budget(limits, words), limits.nesting)

    def _gather(self, chunk: bytes | mmap, at: int, size: int, end: int) -> None:
        """Bytes `at` to `size` of the chunk are the beginning of something that ends at `end`."""
        self.missing = end - size
        if end - at > CHUNK:
            self._gathered = self._recycled.take(end - at)
        self._gathered.write(memoryview(chunk)[at:size])

    def _marked(self, start: int, end: int, take_memory: Callable[[int], mmap]) -> Message:
        """The message in shared memory, which is one segment."""
        limits = self.limits
        words = (end - start - 8) >> 3
        if start > LONGEST_HEADER or start & 7 or end & 7 or words < 1:
            raise ProtocolError("not a Cap'n Proto message, and no mark of one in shared memory")
        if words > limits.message_words:
            self._too_large(words)
        memory = take_memory(end)
        if _TABLE.unpack_from(memory, start) != (0, words):
            raise ProtocolError("shared memory with another message than was announced")
        return LargeMessage(memory, start + 8, end, None, budget(limits, words), limits.nesting)

    def _too_large(self, words: int) -> None:
        raise ProtocolError(
            f"a message of {words} words is larger than the limit of {self.limits.message_words}"
        )
