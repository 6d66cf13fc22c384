"""Lists of structs, column by column.

The structs of a list lie one behind the other and have one size, so the same field of all of them
is a column: a number every so many bytes. Python moves a whole column in a few operations, which
takes a fraction of the time of doing the same for one struct after the other.

The pointers of a column are worked out side by side in one big integer, 64 bits for each (a lane).
Where they are anything but plain, they are followed one by one, which also finds what is wrong with
them.

A list of pointers is a list of structs that have one pointer and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from mmap import mmap
from operator import itemgetter
from struct import Struct, pack
from typing import Any, AnyStr, TypeVar

from mpipc.capnp.message import POINTERS, Message
from mpipc.capnp.writer import DATA_PAD, LIST_OF_BYTES, MAX_LIST, SIZES, TEXT_PAD, Writer, as_bytes

T = TypeVar("T")

if sys.byteorder != "little":
    raise ImportError("mpipc needs a little-endian machine, as Cap'n Proto messages are")

FEW = 16
"""Of fewer elements than this it is quicker to take one after the other."""

_KIND = 0x7_0000_0003  # the bits of a pointer that say what it leads to
_OFFSET = 0xFFFF_FFFC
_SIZE = 0x1FFF_FFFF
_WORDS = 0xFFFF_FFF8
_LANE = (1 << 64) - 1
_LARGE = 1 << 12  # bytes that take longer to copy than to hand over as they are
_TEXT_PADS = tuple(pad.decode() for pad in TEXT_PAD)


class ReadRows:
    """A received list of structs. A column that the sender's version of the structs lacks is full
    of zeros and null pointers."""

    __slots__ = ("_at", "_data", "_memory", "_message", "_pointers", "_step", "count")

    _memory: Any  # a memoryview, whose type does not know its formats

    def __init__(
        self, message: Message, at: int, count: int, data_words: int, pointers: int
    ) -> None:
        self._message = message
        self._at = at
        self.count = count
        self._data = data_words << 3
        self._pointers = pointers
        self._step = (data_words + pointers) << 3
        self._memory = memoryview(message.buf)[at : at + count * self._step]

    def each(self, load: Callable[[Message, int, int, int], T]) -> list[T]:
        """The structs, read one by one."""
        message, data_words, pointers = self._message, self._data >> 3, self._pointers
        at, step = self._at, self._step
        return [
            load(message, at + index * step, data_words, pointers) for index in range(self.count)
        ]

    def numbers(self, code: str, index: int) -> list[Any]:
        """A column of numbers: their `struct` format, and their offset in multiples of their
        size."""
        size = SIZES[code]
        if index * size >= self._data:
            return [0.0 if code in "fd" else 0] * self.count
        found: list[Any] = self._memory.cast(code)[index :: self._step // size].tolist()
        return found

    def pointers(self, index: int) -> Iterable[tuple[int, int, int]]:
        """A column of pointers, each as the (at, lo, hi) that the methods of `Message` take."""
        if index >= self._pointers:
            return [(self._message.start, 0, 0)] * self.count
        first = self._data + index * 8
        places = range(self._at + first, self._at + self.count * self._step, self._step)
        los = self._memory.cast("i")[first // 4 :: self._step // 4].tolist()
        his = self._memory.cast("I")[first // 4 + 1 :: self._step // 4].tolist()
        return zip(places, los, his, strict=True)

    def texts(self, index: int) -> list[str]:
        """A column of Text; null pointers are empty texts."""
        found = self._spans(index, closing=1)
        if found:
            buf, starts, sizes, together = found
            begins = _numbers(starts, self.count)
            ends = _numbers(starts + sizes, self.count)
            # Each has its NUL. (For a single place there would be no tuple of bytes.)
            if not any(itemgetter(ends[0], *ends)(buf)):
                try:
                    if together and isinstance(buf, bytes) and buf.isascii():
                        text = buf.decode()
                        return [text[at:end] for at, end in zip(begins, ends, strict=True)]
                    return [buf[at:end].decode() for at, end in zip(begins, ends, strict=True)]
                except UnicodeDecodeError:
                    pass
        message = self._message
        return [message.text(at, lo, hi) for at, lo, hi in self.pointers(index)]

    def datas(self, index: int) -> list[bytes]:
        """A column of Data; null pointers are no bytes."""
        found = self._alike(index)
        if found:
            at, size = found
            one = f"{size}s{-size & 7}x" if size & 7 else f"{size}s"
            return [*Struct(one * self.count).unpack_from(self._message.buf, at)]
        spans = self._spans(index, closing=0)
        if spans:
            buf, starts, sizes, _ = spans
            count = self.count
            begins, ends = _numbers(starts, count), _numbers(starts + sizes, count)
            return [buf[at:end] for at, end in zip(begins, ends, strict=True)]
        message = self._message
        return [message.data(at, lo, hi) for at, lo, hi in self.pointers(index)]

    def _alike(self, index: int) -> tuple[int, int] | None:
        """Where the bytes behind a column of pointers begin, and how many bytes each has, if all
        have as many and they are one after the other: hashes, for instance.

        None where that is not so, and then nothing is counted as read.
        """
        message, count, step = self._message, self.count, self._step
        if count < FEW or message.segments or index >= self._pointers:
            return None
        first = self._data + index * 8
        pointers = self._memory.cast("Q")[first // 8 :: step // 8]
        pointer = pointers[0]
        size = pointer >> 35
        words = (size + 7) >> 3
        start = self._at + first + 8 + ((pointer & _OFFSET) << 1)
        more = words * 8 - step >> 1  # from one pointer to the next
        if (
            pointer & _KIND != LIST_OF_BYTES
            or start + count * words * 8 > message.end
            or not 0 <= (pointer & _OFFSET) + (count - 1) * more <= _OFFSET
            or pointers.tobytes() != _series(pointer, more, count)
        ):
            return None
        message.claim(count + count * words)
        return start, size

    def _spans(self, index: int, closing: int) -> tuple[bytes | mmap, int, int, bool] | None:
        """The bytes behind a column of pointers, as (memory, where in it each begins, how many
        bytes each has without `closing` of them, whether they are together): then the memory is
        nothing else but them, one after the other.

        None where that is not plain to see, and then nothing is counted as read.
        """
        message, count, step = self._message, self.count, self._step
        if count < FEW or message.segments or index >= self._pointers:
            return None
        first = self._data + index * 8
        ones = _ones(count)
        pointers = _lanes(self._memory.cast("Q")[first // 8 :: step // 8].tobytes())
        if pointers & _KIND * ones != LIST_OF_BYTES * ones:
            return None
        sizes = pointers >> 35 & _SIZE * ones
        if closing and sizes + _SIZE * ones & (_SIZE + 1) * ones != (_SIZE + 1) * ones:
            return None  # a text of no bytes has no NUL
        # An offset that leads backwards looks like one that leads far beyond the end.
        behind = self._at + first + 8
        places = _progression(behind, step, count)
        starts = places + ((pointers & _OFFSET * ones) << 1)
        ends = starts + (sizes + 7 * ones & _WORDS * ones)
        start, end = starts & _LANE, ends >> (count - 1) * 64
        if starts >> 64 == ends & (1 << (count - 1) * 64) - 1:
            if end > message.end:
                return None
            message.claim(count + ((end - start) >> 3))
            return message.buf[start:end], starts - start * ones, sizes - closing * ones, True
        if max(_numbers(ends, count)) > message.end:
            return None
        message.claim(count + (sum(_numbers(sizes, count)) >> 3))
        return message.buf, starts, sizes - closing * ones, False


def read_texts(message: Message, at: int, lo: int, hi: int) -> list[str]:
    """Read a List(Text)."""
    if hi >> 3 < FEW:
        return [message.text(*pointer) for pointer in message.pointers(at, lo, hi)]
    at, count = message.elements(at, lo, hi, POINTERS)
    return ReadRows(message, at, count, 0, 1).texts(0)


def read_datas(message: Message, at: int, lo: int, hi: int) -> list[bytes]:
    """Read a List(Data)."""
    if hi >> 3 < FEW:
        return [message.data(*pointer) for pointer in message.pointers(at, lo, hi)]
    at, count = message.elements(at, lo, hi, POINTERS)
    return ReadRows(message, at, count, 0, 1).datas(0)


class WriteRows:
    """A list of `count` structs to be sent, for which the writer has reserved room."""

    __slots__ = ("_base", "_data", "_memory", "_part", "_pointer", "_step", "_writer", "count")

    _memory: Any

    def __init__(
        self, w: Writer, count: int, data_words: int, pointers: int,
        base: int, part: int, pointer: int,
    ) -> None:  # fmt: skip
        self._writer = w
        self.count = count
        self._data = data_words
        self._step = data_words + pointers
        self._base, self._part, self._pointer = base, part, pointer
        self._memory = memoryview(bytearray(count * self._step * 8))

    def numbers(self, code: str, index: int, values: Iterable[Any]) -> None:
        """Fill a column of numbers: as `ReadRows.numbers`."""
        column: Any = memoryview(Struct(f"<{self.count}{code}").pack(*values))
        self._memory.cast(code)[index :: self._step * 8 // SIZES[code]] = column.cast(code)

    def places(self, index: int) -> range:
        """The words of a column of pointers."""
        first = self._base + self._data + index
        return range(first, first + self.count * self._step, self._step)

    def pointers(self, index: int, words: Iterable[int]) -> None:
        """Fill a column of pointers with pointer words."""
        self.numbers("Q", self._data + index, words)

    def texts(self, index: int, values: Iterable[str]) -> None:
        """Append texts, and fill a column with the pointers to them."""
        values = [*values]
        if "".join(values).isascii():
            lengths = [*map(len, values)]
            self._append(index, lengths, closing=1)
            self._writer.parts.append("".join(_padded(values, lengths, _TEXT_PADS)).encode())
        else:
            encoded = [value.encode() for value in values]
            lengths = [*map(len, encoded)]
            self._append(index, lengths, closing=1)
            self._writer.parts += _padded(encoded, lengths, TEXT_PAD)

    def datas(self, index: int, values: Iterable[bytes]) -> None:
        """Append Data, and fill a column with the pointers to them."""
        values = [*values]
        if {*map(type, values)} != {bytes}:
            values = [as_bytes(value) for value in values]
        lengths = [*map(len, values)]
        different = {*lengths}
        self._append(index, lengths, closing=0)
        if any(length & 7 for length in different):
            values = _padded(values, lengths, DATA_PAD)
        if max(different) < _LARGE:
            values = [b"".join(values)]
        self._writer.parts += values

    def finish(self) -> int:
        """The pointer word of the list, when all columns are filled."""
        self._writer.parts[self._part] = bytes(self._memory)
        return self._pointer

    def _append(self, index: int, lengths: list[int], closing: int) -> None:
        """Reserve room for texts or bytes of these lengths, which the caller appends, and fill a
        column with the pointers to them."""
        count, w = self.count, self._writer
        if len(lengths) != count:
            raise ValueError(f"{len(lengths)} values instead of {count}")
        begin = w.end
        if len({*lengths}) == 1:
            size = lengths[0] + closing
            each = (size + 7) >> 3
            end = begin + count * each
            first = (begin - self.places(index)[0] - 1) << 2 | LIST_OF_BYTES | size << 35
            pointers = _series(first, each - self._step << 2, count)
        else:
            ones = _ones(count)
            sizes = _column(lengths, count) + closing * ones
            words = (sizes + 7 * ones) >> 3 & _SIZE * ones
            ends = _column(accumulate(_numbers(words, count)), count)
            end = begin + (ends >> (count - 1) * 64)
            # From a pointer to what is behind all before it, and that is never negative.
            places = self.places(index)
            offsets = ends - words + _progression(begin - places[0] - 1, -self._step, count)
            lanes = (offsets << 2) + (sizes << 35) + LIST_OF_BYTES * ones
            pointers = lanes.to_bytes(count * 8, "little")
        if end - begin > MAX_LIST >> 3:
            raise OverflowError("these texts or bytes are too long for Cap'n Proto")
        w.end = end
        filled: Any = memoryview(pointers)
        self._memory.cast("Q")[self._data + index :: self._step] = filled.cast("Q")


def write_few(
    w: Writer,
    at: int,
    values: Collection[T],
    fixed: Callable[[Writer, int, T], bytes],
    data_words: int,
    pointers: int,
) -> int:
    """Append a list of structs one by one; `fixed` packs the fixed part of one, at a word. Returns
    the pointer word for the pointer at word `at`."""
    base, part, pointer = w.structs(at, len(values), data_words, pointers)
    each = data_words + pointers
    w.parts[part] = b"".join(
        [fixed(w, base + index * each, value) for index, value in enumerate(values)]
    )
    return pointer


def write_pointers(
    w: Writer, at: int, values: Collection[T], write: Callable[[Writer, int, T], int]
) -> int:
    """Append a list of pointers; `write` appends one object and gives its pointer word."""
    if isinstance(values, str | bytes):
        raise TypeError(f"expected a list, got {type(values).__name__}")
    base, part, pointer = w.pointers(at, len(values))
    words = [write(w, base + index, value) for index, value in enumerate(values)]
    w.parts[part] = pack(f"<{len(words)}Q", *words)
    return pointer


def optional(write: Callable[[Writer, int, T], int]) -> Callable[[Writer, int, T | None], int]:
    """Appends nothing for None, whose pointer is null."""
    return lambda w, at, value: 0 if value is None else write(w, at, value)


def check_tuple(value: object, size: int) -> None:
    """Raise TypeError unless a value is a tuple of this size."""
    if not isinstance(value, tuple) or len(value) != size:
        raise TypeError(f"expected a tuple of {size}")


def write_texts(w: Writer, at: int, values: Collection[str]) -> int:
    """Append a List(Text)."""
    if len(values) < FEW or isinstance(values, str | bytes):
        return write_pointers(w, at, values, Writer.text)
    rows = WriteRows(w, len(values), 0, 1, *w.pointers(at, len(values)))
    rows.texts(0, values)
    return rows.finish()


def write_datas(w: Writer, at: int, values: Collection[bytes]) -> int:
    """Append a List(Data)."""
    if len(values) < FEW or isinstance(values, str | bytes):
        return write_pointers(w, at, values, Writer.data)
    rows = WriteRows(w, len(values), 0, 1, *w.pointers(at, len(values)))
    rows.datas(0, values)
    return rows.finish()


def _padded(
    values: Sequence[AnyStr], lengths: Sequence[int], pads: Sequence[AnyStr]
) -> list[AnyStr]:
    """The values, each followed by its padding, which depends on its length."""
    parts = [pads[0]] * (2 * len(values))
    parts[::2] = values
    parts[1::2] = [pads[length & 7] for length in lengths]
    return parts


def _lanes(memory: bytes) -> int:
    return int.from_bytes(memory, "little")


def _column(numbers: Iterable[int], count: int) -> int:
    """Lanes that hold so many numbers."""
    return _lanes(Struct(f"{count}Q").pack(*numbers))


def _numbers(lanes: int, count: int) -> list[int]:
    """What the lanes hold, all less than 2^63."""
    found: list[int] = memoryview(lanes.to_bytes(count * 8, "little")).cast("q").tolist()
    return found


def _progression(first: int, step: int, count: int) -> int:
    """Numbers that each are `step` more than the one before."""
    return first * _ones(count) + step * _counting(count)


def _remembered(make: Callable[[int], int]) -> Callable[[int], int]:
    """Remembers what was last made of small counts, in at most half a megabyte."""
    remembering = lru_cache(4)(make)
    return lambda count: remembering(count) if count <= 1 << 14 else make(count)


@_remembered
def _ones(count: int) -> int:
    """1 in every lane."""
    return _lanes(b"\1\0\0\0\0\0\0\0" * count)


@_remembered
def _counting(count: int) -> int:
    """0 in the first lane, then 1, 2 and so on."""
    return _column(range(count), count)


def _series(first: int, step: int, count: int) -> bytes:
    """Words that each are `step` more than the one before."""
    if not step:
        return first.to_bytes(8, "little") * count
    return Struct(f"<{count}Q").pack(*range(first, first + count * step, step))
