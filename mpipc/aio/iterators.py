"""Async iterators whose call is made when they are first asked for something."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Later(AsyncGenerator[T, None]):
    """What a method gives that returns an AsyncIterator and is no coroutine function: as with a
    generator, nothing happens before it is asked for its first item. `opening`: the call."""

    def __init__(self, opening: Coroutine[Any, Any, AsyncGenerator[T, None]]) -> None:
        self._opening: Coroutine[Any, Any, AsyncGenerator[T, None]] | None = opening
        self._opened: AsyncGenerator[T, None] | None = None

    async def __anext__(self) -> T:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            self._opened = await opening
        if self._opened is None:
            raise StopAsyncIteration
        return await self._opened.__anext__()

    async def asend(self, value: None) -> T:
        """As `__anext__`: the iterator is sent nothing else."""
        if value is not None:
            raise TypeError(f"an iterator of another process is sent no values, but got {value!r}")
        return await self.__anext__()

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None, /) -> T:
        """Close it, and raise the exception."""
        await self.aclose()
        error = kind if value is None else value
        raise error if traceback is None else error.with_traceback(traceback)

    async def aclose(self) -> None:
        """Close the iterator in the other process, and wait until that is done."""
        self.__del__()
        if self._opened is not None:
            await self._opened.aclose()

    def __del__(self) -> None:
        if self._opening is not None:
            self._opening.close()  # it was never called
            self._opening = None
