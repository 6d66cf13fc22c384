"""What the page shows, by topic, and who is looking at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class Board:
    """The newest value of every topic, as JSON. Belongs to an event loop.

    Whoever watches gets all topics at once, and then every change. A slow one misses what was
    replaced in between, so that no queue grows.
    """

    def __init__(self) -> None:
        self._shown: dict[str, bytes] = {}
        self._watchers: set[_Watcher] = set()

    def show(self, topic: str, value: Any) -> None:
        """Replace what a topic shows; None takes it away."""
        shown = msgspec.json.encode(value)
        if self._shown.get(topic, b"null") == shown:
            return
        if value is None:
            del self._shown[topic]
        else:
            self._shown[topic] = shown
        for watcher in self._watchers:
            watcher.tell(topic, shown)

    async def watch(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """All topics as they are now, and then those that change; without an end."""
        watcher = _Watcher(self._shown)
        self._watchers.add(watcher)
        try:
            while True:
                for topic, shown in await watcher.news():
                    yield topic, shown
        finally:
            self._watchers.discard(watcher)

    @property
    def watched(self) -> int:
        """How many are watching."""
        return len(self._watchers)


class _Watcher:
    def __init__(self, shown: dict[str, bytes]) -> None:
        self._news = dict(shown)
        self._some = asyncio.Event()
        self._some.set()

    def tell(self, topic: str, shown: bytes) -> None:
        self._news[topic] = shown
        self._some.set()

    async def news(self) -> list[tuple[str, bytes]]:
        await self._some.wait()
        self._some.clear()
        news, self._news = self._news, {}
        return list(news.items())


class Changes:
    """Tells a task of the loop that something has changed; any number of changes are one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._some = asyncio.Event()
        self._some.set()

    def tell(self, *_: object) -> None:
        """There is a change. May be called in any thread, and be a callback of any kind."""
        try:
            self._loop.call_soon_threadsafe(self._some.set)
        except RuntimeError:
            pass  # the loop has ended

    async def wait(self) -> None:
        """Wait until there is one that was not waited for yet; the first is there already."""
        await self._some.wait()
        self._some.clear()


def drained(queue: SimpleQueue[T]) -> Iterator[T]:
    """What is in a queue, without waiting for more."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
