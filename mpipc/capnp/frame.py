"""Cutting a byte stream into messages (encoding specification, "Serialization Over a Stream").

A frame is a segment table (number of segments - 1, then each segment's words, as little-endian
UInt32, padded to a word), followed by the segments.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from mpipc.capnp.message import Limits, Message, budget
from mpipc.errors import ProtocolError

_TABLE = Struct("<II")
_MAX_SEGMENTS = 512  # as the C++ library allows; a real message has a handful


class FrameReader:
    """Feed it chunks of the stream; it yields whole messages, which share the chunks' memory.

    A message that arrives in pieces is gathered in one buffer of its announced size, after that
    size was checked against the limit. `partial` is what there is of it.
    """

    __slots__ = ("limits", "partial", "_filled")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.partial = bytearray()
        self._filled = 0

    def room(self) -> memoryview | None:
        """Where the rest of a large message wants to be received into, None for a fresh chunk."""
        if self._filled < len(self.partial):
            return memoryview(self.partial)[self._filled :]
        return None

    def received(self, count: int) -> Iterator[Message]:
        """`count` bytes were received into `room()`."""
        self._filled += count
        if self._filled == len(self.partial):
            buf, self.partial, self._filled = self.partial, bytearray(), 0
            yield from self.feed(bytes(buf))

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """A chunk was received; yields the messages that end in it. Raises ProtocolError."""
        if self.partial:  # an incomplete segment table from before
            chunk = bytes(self.partial) + chunk
            self.partial = bytearray()
            self._filled = 0
        limits = self.limits
        at, size = 0, len(chunk)
        while size - at >= 8:
            more_segments, words = _TABLE.unpack_from(chunk, at)
            if not more_segments:
                start = at + 8
                end = start + (words << 3)
                if words > self.limits.message_words:
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
            table = (more_segments + 3) // 2 * 8  # a count and the sizes, padded
            if size - at < table:
                break
            sizes = Struct(f"<{more_segments + 1}I").unpack_from(chunk, at + 4)
            words = sum(sizes)
            if words > self.limits.message_words:
                self._too_large(words)
            start = position = at + table
            end = start + words * 8
            if end > size:
                self._gather(chunk, at, end)
                return
            segments = []
            for each in sizes:
                segments.append((position, position + each * 8))
                position += each * 8
            at = end
            yield Message(chunk, start, end, segments, budget(limits, words), limits.nesting)
        if at < size:
            self.partial = bytearray(chunk[at:])
            self._filled = size - at

    def _gather(self, chunk: bytes, at: int, end: int) -> None:
        self._filled = len(chunk) - at
        self.partial = bytearray(end - at)
        self.partial[: self._filled] = chunk[at:]

    def _too_large(self, words: int) -> None:
        raise ProtocolError(
            f"a message of {words} words is larger than the limit of {self.limits.message_words}"
        )
