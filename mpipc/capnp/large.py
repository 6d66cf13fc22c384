"""Memory for large messages.

Filling new memory takes longer than the copying, page by page. In huge pages, where the system has
them, it takes a fraction of that. In memory that was filled before, it takes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from mmap import MADV_FREE, MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, PAGESIZE, mmap
from sys import getrefcount
from typing import Any

from mpipc.capnp.message import Message

LARGE = 1 << 22
"""Bytes from which on it is worth it."""


class LargeMessage(Message):
    """A message with memory of its own. `recycled` has its memory for the next one.

    Until then the system may take it back if it is short of memory.
    """

    recycled: Recycled | None = None

    def __del__(self) -> None:
        memory = self.recycled.memory if self.recycled is not None else None
        # Used by nobody but the two, this function, and the one that counts.
        if memory is not None and memory is self.buf and getrefcount(memory) == 4:
            memory.madvise(MADV_FREE)

    def data(self, at: int, lo: int, hi: int) -> bytes:
        """Follow a Data pointer."""
        if hi >> 3 < LARGE:
            return Message.data(self, at, lo, hi)
        start, size = self._bytes(at, lo, hi)
        if size < LARGE:  # it was a far pointer
            return self.buf[start : start + size]
        return large_bytes(memoryview(self.buf)[start : start + size])


class Recycled:
    """The memory of a large message, for the next one. What somebody still uses, as a view of it,
    is left alone."""

    __slots__ = ("memory",)

    def __init__(self) -> None:
        self.memory: mmap | None = None

    def take(self, size: int) -> mmap:
        """At least so many bytes, which are yet to be filled. Only one thread at a time asks."""
        memory = self.memory
        # Used by nobody but this object, this function, and the one that counts.
        if memory is None or getrefcount(memory) > 3 or len(memory) < size:
            self.memory = memory = large_memory(size)
        memory.seek(0)
        return memory


def large_memory(size: int) -> mmap:
    """Memory that is there once it is written to."""
    memory = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
    try:
        memory.madvise(MADV_HUGEPAGE)
    except OSError:
        pass  # a kernel without them
    return memory


def large_bytes(view: memoryview) -> bytes:
    """A copy of much memory, in a third of the time that `bytes(view)` takes."""
    new, advise, target = _functions()
    size = len(view)
    made: bytes = new(None, size)
    # Nobody else has it yet, and its bytes stand right before its end.
    at = id(made) + bytes.__basicsize__ - 1
    begin, end = -(-at // PAGESIZE) * PAGESIZE, (at + size) // PAGESIZE * PAGESIZE
    advise(begin, end - begin, MADV_HUGEPAGE)  # a kernel without them says no
    memoryview(target(size).from_address(at)).cast("B")[:] = view
    return made


@cache
def _functions() -> tuple[Callable[..., Any], Callable[..., Any], Any]:
    """To make bytes that are still to be filled, which CPython's C interface allows; to ask for
    huge pages; and a type that is memory of some size."""
    import ctypes

    new = ctypes.pythonapi.PyBytes_FromStringAndSize
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_char_p, ctypes.c_ssize_t]
    advise = ctypes.CDLL(None).madvise
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return new, advise, lambda size: ctypes.c_ubyte * size
