"""Cutting a stream into messages."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpipc.capnp.frame import FrameReader
from mpipc.capnp.large import LARGE
from mpipc.capnp.message import DEFAULT_LIMITS, Limits, Message
from mpipc.errors import ProtocolError
from tests import rpc_schema


def content(message: Message) -> bytes:
    """The message as it was framed."""
    segments = message.segments or [(message.start, message.end)]
    sizes = [(end - start) // 8 for start, end in segments]
    table = pack(f"<{len(sizes) + 1}I", len(sizes) - 1, *sizes)
    body = b"".join(message.buf[start:end] for start, end in segments)
    return table + bytes(-len(table) % 8) + body


def message(texts: list[str], first_segment: int) -> bytes:
    """A message of pycapnp's with these texts, which get segments of their own where the first one
    is small."""
    built = rpc_schema.rpc().Message.new_message(num_first_segment_words=first_segment)
    nested: Any = built
    for text in texts:
        nested = nested.init("unimplemented")
        nested.init("abort").reason = text
        nested = nested.init("unimplemented")
    return bytes(built.to_bytes())


messages = st.lists(
    st.builds(message, st.lists(st.text(max_size=40), max_size=6), st.sampled_from([1, 3, 1024])),
    max_size=4,
)


@given(messages, st.data())
def test_messages_come_out_however_the_stream_is_cut(
    messages: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader(DEFAULT_LIMITS)
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += map(content, reader.feed(stream[start:end]))
    assert found == messages
    assert not reader.missing


def received(reader: FrameReader, stream: bytes, sizes: Iterable[int]) -> Iterator[Message]:
    """What a driver does: it receives at most so many bytes at a time, into the room that there
    is."""
    at = 0
    for size in sizes:
        room = reader.room()
        part = stream[at : at + (size if room is None else min(size, len(room)))]
        at += len(part)
        if room is None:
            yield from reader.feed(part)
        else:
            room[: len(part)] = part
            yield from reader.filled(len(part)) or ()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 511, 512])
def test_any_number_of_segments(count: int) -> None:
    sizes = [n % 3 for n in range(count)]
    body = b"".join(bytes([n % 256]) * 8 * size for n, size in enumerate(sizes))
    table = pack(f"<{count + 1}I", count - 1, *sizes)
    framed = table + bytes(-len(table) % 8) + body
    (found,) = FrameReader(DEFAULT_LIMITS).feed(framed)
    assert content(found) == framed


@pytest.mark.parametrize(
    "begin",
    [
        pack("<II", 512, 0),  # one segment more than any real message has
        pack("<II", 0xFFFFFFFF, 0),
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",  # TLS
        b"SSH-2.0-OpenSSH",
    ],
)
def test_what_is_no_message_is_refused_from_its_beginning(begin: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a Cap'n Proto message"):
        list(FrameReader(DEFAULT_LIMITS).feed(begin))


@pytest.mark.parametrize(
    "sizes",
    [[101], [0xFFFFFFFF], [50, 51], [0, 0xFFFFFFFF, 1], [100, 0, 0, 1], [0xFFFFFFFF] * 512],
)
def test_a_message_beyond_the_limit_is_refused_before_it_is_received(sizes: list[int]) -> None:
    table = pack(f"<{len(sizes) + 1}I", len(sizes) - 1, *sizes)
    reader = FrameReader(Limits(message_words=100))
    with pytest.raises(ProtocolError, match=f"a message of {sum(sizes)} words is larger"):
        list(reader.feed(table + bytes(-len(table) % 8)))


def test_an_announced_size_takes_no_memory() -> None:
    begin = pack("<II", 0, DEFAULT_LIMITS.message_words) + bytes(1000)
    readers = [FrameReader(DEFAULT_LIMITS) for _ in range(20)]
    before = resident()
    for reader in readers:
        assert list(reader.feed(begin)) == []
        assert reader.missing == DEFAULT_LIMITS.message_words * 8 - 1000
    # Less than two of the twenty; the beginning of each may be in a page of 2 MiB.
    assert resident() - before < 2 * DEFAULT_LIMITS.message_words * 8


def resident() -> int:
    """Bytes of memory that this process uses."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.parametrize("size", [1 << 20, 1 << 22, 1 << 23])
def test_a_large_message_comes_in_pieces(size: int) -> None:
    body = bytes(range(256)) * (size // 256)
    framed = pack("<II", 0, size // 8) + body
    stream = pack("<IIQ", 0, 1, 7) + framed + pack("<IIQ", 0, 1, 8)
    reader = FrameReader(DEFAULT_LIMITS)
    found = [
        message.buf[message.start : message.end]
        for message in received(reader, stream, [65_537] * 200)
    ]
    assert found == [pack("<Q", 7), body, pack("<Q", 8)]
    # A driver may also go on with chunks.
    reader = FrameReader(DEFAULT_LIMITS)
    again = [
        message.buf[message.start : message.end]
        for at in range(0, len(stream), 65_537)
        for message in reader.feed(stream[at : at + 65_537])
    ]
    assert again == found


@pytest.mark.parametrize("sizes", [[100], [50, 50], [100, 0], [0, 0, 100]])
def test_a_message_at_the_limit_is_received(sizes: list[int]) -> None:
    table = pack(f"<{len(sizes) + 1}I", len(sizes) - 1, *sizes)
    framed = table + bytes(-len(table) % 8) + bytes(800)
    (found,) = FrameReader(Limits(message_words=100)).feed(framed)
    assert content(found) == framed


def large(reader: FrameReader, words: int, value: int) -> Message:
    """A message of so many words, all of whose bytes have this value, that comes in two pieces."""
    stream = pack("<II", 0, words) + bytes([value]) * (words * 8)
    assert not [*reader.feed(stream[:1000])]
    (found,) = reader.feed(stream[1000:])
    assert content(found) == stream
    return found


@given(
    st.lists(
        st.tuples(st.integers(LARGE >> 3, (LARGE >> 3) + 2000), st.booleans(), st.booleans()),
        min_size=2, max_size=6,
    )
)  # fmt: skip
@settings(max_examples=50)
def test_a_large_message_never_comes_into_memory_that_is_used(
    messages: list[tuple[int, bool, bool]],
) -> None:
    reader = FrameReader(DEFAULT_LIMITS)
    views: list[tuple[memoryview, int]] = []
    kept: list[Message] = []
    for value, (words, viewed, lasts) in enumerate(messages, 1):
        found = large(reader, words, value)
        if viewed:
            views.append((memoryview(found.buf)[found.start : found.end], value))
        kept = [*kept, found] if lasts else []
        del found
        for view, expected in views:
            assert view == bytes([expected]) * len(view)
        for message in kept:
            assert message.buf[message.start] == message.buf[message.end - 1]


def test_memory_of_a_large_message_is_for_the_next_one_or_for_the_system() -> None:
    reader, words = FrameReader(DEFAULT_LIMITS), LARGE >> 1
    found = large(reader, words, 1)
    first = id(found.buf)
    before = lazily_free()
    del found
    assert lazily_free() >= before + words * 4
    found = large(reader, words, 2)
    assert id(found.buf) == first
    another = large(reader, words, 3)
    assert id(another.buf) != first
    assert found.buf[found.start] == 2


def lazily_free() -> int:
    """Bytes of this process that the system may take back."""
    found = Path("/proc/self/smaps_rollup").read_text()
    (line,) = [line for line in found.splitlines() if line.startswith("LazyFree:")]
    return int(line.split()[1]) << 10
