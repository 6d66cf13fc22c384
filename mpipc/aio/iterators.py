"""Async iterators whose call is made when they are first asked for something."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Opening = Coroutine[Any, Any, AsyncGenerator[T, None]]


class Later(AsyncGenerator[T, None]):
    """What a method gives that returns an AsyncIterator and is no coroutine function: as with a
    generator, nothing happens before it is asked for its first item. `opening`: the call."""

    def __init__(self, opening: Opening[T]) -> None:
        self._openings = [opening]  # each awaits the one before
        self._opened: AsyncGenerator[T, None] | None = None

    def watch(self, around: Callable[[Opening[T]], Opening[T]]) -> None:
        """Have something go on around the call: `around` is given what is to be awaited."""
        self._openings.append(around(self._openings[-1]))

    async def __anext__(self) -> T:
        if self._openings:
            openings, self._openings = self._openings, []
            self._opened = await openings[-1]
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
        while self._openings:
            self._openings.pop().close()  # it was never called
