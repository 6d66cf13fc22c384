"""Valid messages, damaged in every way that hypothesis can think of."""

from __future__ import annotations

from struct import Struct, pack, unpack_from
from typing import Any

from hypothesis import strategies as st

_WORD = Struct("<Q")


def segments_of(framed: bytes) -> list[bytearray]:
    """The segments of one framed message."""
    (more,) = unpack_from("<I", framed)
    sizes = unpack_from(f"<{more + 1}I", framed, 4)
    at = (more + 3) // 2 * 8
    segments = []
    for size in sizes:
        segments.append(bytearray(framed[at : at + size * 8]))
        at += size * 8
    return segments


def framed(segments: list[bytearray]) -> bytes:
    """The reverse of `segments_of`."""
    sizes = [len(segment) // 8 for segment in segments]
    table = pack(f"<{len(sizes) + 1}I", len(sizes) - 1, *sizes)
    return table + bytes(-len(table) % 8) + b"".join(segments)


_offsets = st.integers(-6, 12)
_sizes = st.integers(0, 12) | st.sampled_from([0xFFFF, 0x7FFF])
_counts = st.integers(0, 40) | st.sampled_from([(1 << 29) - 1, 1 << 20, 1 << 28])

pointers = st.one_of(
    st.builds(
        lambda offset, data, count: (offset & 0x3FFFFFFF) << 2 | data << 32 | count << 48,
        _offsets, _sizes, _sizes,
    ),
    st.builds(
        lambda offset, element, count: (offset & 0x3FFFFFFF) << 2 | 1 | element << 32 | count << 35,
        _offsets, st.integers(0, 7), _counts,
    ),
    st.builds(
        lambda double, offset, segment: 2 | double << 2 | offset << 3 | segment << 32,
        st.integers(0, 1), st.integers(0, 12), st.integers(0, 3) | st.just(0xFFFFFFFF),
    ),
    st.builds(lambda low, index: 3 | low << 2 | index << 32, st.integers(0, 1), st.integers(0, 3)),
)  # fmt: skip
"""A pointer word that leads to somewhere near, or far away, now and then to something large."""


@st.composite
def damaged(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """A message that was valid before some of its words were changed."""
    segments = segments_of(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        segment = segments[draw(st.integers(0, len(segments) - 1))]
        damage: Any = draw(st.sampled_from(["bit", "pointer", "copy", "cut", "words", "swap"]))
        if damage == "swap" and len(segments) > 1:
            segments.append(segments.pop(0))
        elif not segment:
            continue
        elif damage == "bit":
            bit = draw(st.integers(0, len(segment) * 8 - 1))
            segment[bit >> 3] ^= 1 << (bit & 7)
        elif damage == "cut":
            del segment[draw(st.integers(0, len(segment) // 8)) * 8 :]
        else:
            at = draw(st.integers(0, len(segment) // 8 - 1)) * 8
            if damage == "pointer":
                word = _WORD.pack(draw(pointers))
            elif damage == "copy":
                other = draw(st.integers(0, len(segment) // 8 - 1)) * 8
                word = bytes(segment[other : other + 8])
            else:
                word = draw(st.binary(min_size=8, max_size=8))
            segment[at : at + 8] = word
    return framed(segments)
