"""Items of async iterators, awaited ahead of those who ask for them.

A task awaits as many items as were asked for. Whoever waits for it takes what is there a moment
after the first item, and the task goes on: items that come slowly are not held back for others.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class Empty(BaseException):
    """There are no items, and `count` are wanted: fill, and try again."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


class Filling(Generic[T]):
    """Awaits items of an iterator and appends them to `ready`, in the event loop that `fill` is
    called in. `moment`: in seconds. `ended`: there are no more. `error`: what the iterator raised.
    """

    def __init__(self, iterator: AsyncIterator[T], ready: list[T], moment: float) -> None:
        self.ended = False
        self.error: BaseException | None = None
        self._iterator = iterator
        self._ready = ready
        self._moment = moment
        self._wanted = 0
        self._task: asyncio.Task[None] | None = None
        self._some: asyncio.Event | None = None

    async def fill(self, count: int) -> None:
        """Wait until there are `count` items, or the end, or until a moment after the first. When
        the wait is cancelled, so is the iterator."""
        import asyncio

        if self._some is None:
            self._some = asyncio.Event()
        if not self._ready:
            self._some.clear()
        self._wanted = count
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(self._some))
        task = self._task
        try:
            await self._some.wait()
            await asyncio.wait({task}, timeout=self._moment)
        except BaseException:
            task.cancel()
            raise

    async def _run(self, some: asyncio.Event) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        pause = loop.time() + self._moment
        ready, iterator = self._ready, self._iterator
        try:
            while len(ready) < self._wanted:
                ready.append(await iterator.__anext__())
                some.set()
                if loop.time() > pause:  # for an iterator that never waits itself
                    await asyncio.sleep(0)
                    pause = loop.time() + self._moment
        except StopAsyncIteration:
            self.ended = True
        except BaseException as error:
            self.ended = True
            self.error = error
            if isinstance(error, asyncio.CancelledError):
                raise
        finally:
            some.set()

    async def close(self) -> None:
        """Close the iterator. One that is waiting for something is cancelled there."""
        import asyncio

        self.ended = True
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})
        self._ready.clear()
        self.error = None
        ended = getattr(self._iterator, "aclose", None)
        if ended is not None:
            await ended()

    def drop(self) -> None:
        """Nobody will ask for items any more; may be called in any thread."""
        task = self._task
        if task is not None and not task.done():
            try:
                task.get_loop().call_soon_threadsafe(task.cancel)
            except RuntimeError:
                pass  # the loop is closed
