"""Writing a Cap'n Proto message as one segment.

A struct's fixed part (data and pointer sections) must come before the objects that its pointers
lead to, but its pointer words are known only once those objects have their places. So a `Writer`
collects `parts`, and `end` is the word at which the next part will land. Generated code makes room
for the fixed part, writes the children, and packs the fixed part last, in one operation:

    w = Writer(2)                                   # words of the fixed part
    w.head = _BLOCK.pack(height, w.data(1, hash))

Positions count in words from the beginning of the body. Pointers are relative, so a body can be put
behind any header.
"""

from __future__ import annotations

from collections.abc import Collection
from struct import pack
from typing import Any

import msgspec

# A pointer to a struct of no size must not be null: the specification says offset -1.
EMPTY_STRUCT = 0xFFFFFFFC
DATA_PAD = (b"", b"\0" * 7, b"\0" * 6, b"\0" * 5, b"\0" * 4, b"\0" * 3, b"\0" * 2, b"\0")
# Text always ends with NUL: for a length of 0 modulo 8 a whole word of it.
TEXT_PAD = (b"\0" * 8, *DATA_PAD[1:])
LIST_OF_BYTES = 1 | 2 << 32  # kind and element size in a pointer word
MAX_LIST = (1 << 29) - 1
LARGE_VIEW = 1 << 20
"""Bytes of a view that are worth to be shared."""
SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}
_KINDS = {
    **dict.fromkeys("bhilqn", "signed"),
    **dict.fromkeys("BHILQN", "unsigned"),
    **dict.fromkeys("fd", "real"),
}  # by `struct` format, which C compilers and numpy choose differently for one size
_DIGITS = b"01".ljust(256, b"?")  # by the value of a bool; what is none is no digit


class Writer(msgspec.Struct):
    """Collects the parts of one message body: `head`, the fixed part of its outermost struct, then
    `parts`. `caps` are the capabilities that it refers to. `viewed`: whether something large in it
    is read as a view, and not copied; `memory`: all of it, in shared memory (`sharing.py`)."""

    end: int
    caps: list[Any] = []
    head: bytes = b""
    parts: list[bytes] = []
    viewed: bool = False
    memory: Any = None

    def body(self) -> bytes:
        """All of it."""
        return b"".join((self.head, *self.parts))

    def text(self, at: int, value: str) -> int:
        """Append a Text; returns the pointer word for the pointer at word `at`."""
        encoded = value.encode()
        size = len(encoded)
        position = self.end
        self.end = position + (size >> 3) + 1
        append = self.parts.append
        append(encoded)
        append(TEXT_PAD[size & 7])
        if size >= MAX_LIST:
            raise OverflowError(f"a text of {size} bytes is too long for Cap'n Proto")
        return (position - at - 1) << 2 | LIST_OF_BYTES | (size + 1) << 35

    def data(self, at: int, value: bytes) -> int:
        """Append a Data; returns the pointer word for the pointer at word `at`."""
        if type(value) is not bytes:
            value = as_bytes(value)
        size = len(value)
        position = self.end
        self.end = position + ((size + 7) >> 3)
        self.parts.append(value)
        if size & 7:
            self.parts.append(DATA_PAD[size & 7])
        if size > MAX_LIST:
            raise OverflowError(f"{size} bytes are too many for Cap'n Proto")
        return (position - at - 1) << 2 | LIST_OF_BYTES | size << 35

    def struct(self, at: int, data_words: int, pointers: int) -> tuple[int, int, int]:
        """Reserve room for a struct: (its word, index into `parts`, pointer word for `at`)."""
        position = self.end
        words = data_words + pointers
        if not words:
            return position, self._hole(), EMPTY_STRUCT
        self.end = position + words
        return position, self._hole(), (position - at - 1) << 2 | data_words << 32 | pointers << 48

    def structs(self, at: int, count: int, data_words: int, pointers: int) -> tuple[int, int, int]:
        """Reserve room for a list of structs, behind its tag word: as `struct`."""
        words = count * (data_words + pointers)
        if words > MAX_LIST:
            raise OverflowError(f"a list of {count} structs is too long for Cap'n Proto")
        position = self.end
        self.end = position + 1 + words
        self.parts.append(pack("<Q", count << 2 | data_words << 32 | pointers << 48))
        return position + 1, self._hole(), (position - at - 1) << 2 | 1 | 7 << 32 | words << 35

    def array(self, at: int, values: Collection[Any], code: str, element: int) -> int:
        """Append a list of numbers, packed in one operation; or as it is, if it is a buffer of such
        numbers."""
        if type(values) is list or type(values) is tuple:
            content = pack(f"<{len(values)}{code}", *values)
        else:
            try:
                content = elements_of(values, code)
            except TypeError:
                content = pack(f"<{len(values)}{code}", *values)
        return self._numbers(at, len(values), element, content)

    def buffer(self, at: int, value: Any) -> int:
        """Append the memory of a buffer, whatever its elements are, as Data."""
        content = value
        if type(value) is not bytes or len(value) >= LARGE_VIEW:
            content = self._held(memoryview(value))
        return self._numbers(at, len(content), 2, content)

    def elements_buffer(self, at: int, value: Any, code: str, element: int) -> int:
        """Append a buffer of numbers, whose format `code` is, as a list of them."""
        content = self._held(view_of(value, code))
        return self._numbers(at, len(content) // SIZES[code], element, content)

    def _held(self, view: memoryview) -> Any:
        """The memory of a buffer, to be appended; a large one is copied no earlier than it is sent,
        which may be to shared memory at once."""
        if view.nbytes < LARGE_VIEW or not view.c_contiguous:
            return view.tobytes()
        self.viewed = True
        return view.cast("B")

    def _numbers(self, at: int, count: int, element: int, content: bytes) -> int:
        pointer = self.elements(at, count, element, len(content))
        self.parts.append(content)
        self.parts.append(DATA_PAD[len(content) & 7])
        return pointer

    def bools(self, at: int, values: Collection[bool]) -> int:
        """Append a list of Bool."""
        count = len(values)
        digits = bytes([*values]).translate(_DIGITS)[::-1]
        content = int(digits or b"0", 2).to_bytes((count + 7) >> 3, "little")
        pointer = self.elements(at, count, 1, len(content))
        self.parts.append(content)
        self.parts.append(DATA_PAD[len(content) & 7])
        return pointer

    def pointers(self, at: int, count: int) -> tuple[int, int, int]:
        """Reserve room for a list of pointers: as `struct`."""
        pointer = self.elements(at, count, 6, count << 3)
        return self.end - count, self._hole(), pointer

    def elements(self, at: int, count: int, element: int, size: int) -> int:
        """Reserve the words of a list of `size` bytes, which the caller appends; returns the
        pointer word."""
        if count > MAX_LIST:
            raise OverflowError(f"a list of {count} elements is too long for Cap'n Proto")
        position = self.end
        self.end = position + ((size + 7) >> 3)
        return (position - at - 1) << 2 | 1 | element << 32 | count << 35

    def cap(self, capability: Any) -> int:
        """Add a capability to the message's table; returns the pointer word. None: null."""
        if capability is None:
            return 0
        self.caps.append(capability)
        return 3 | (len(self.caps) - 1) << 32

    def _hole(self) -> int:
        self.parts.append(b"")
        return len(self.parts) - 1


def elements_of(value: Any, code: str) -> bytes:
    """A copy of `view_of`."""
    return view_of(value, code).tobytes()


def view_of(value: Any, code: str) -> memoryview:
    """The memory of a buffer: an `array.array`, a memoryview or an array of numpy's whose elements
    are numbers of this `struct` format. Raises TypeError."""
    view = memoryview(value)
    kind = _KINDS.get(view.format.lstrip("@=<"))
    if kind != _KINDS[code] or view.itemsize != SIZES[code] or view.ndim != 1:
        raise TypeError(f"a buffer of other elements: {view.format!r}")
    return view


def as_bytes(value: object) -> bytes:
    """What may stand for bytes. Raises TypeError."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"expected bytes, got {type(value).__name__}")
