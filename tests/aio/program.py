"""A process that serves `Root` on an event loop: `python -m tests.aio.program ADDRESS`."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import mpipc.aio
from tests.aio.declarations import Color, OutOfStock, Point, Root, Split, Thing

_things: weakref.WeakSet[ThingHere] = weakref.WeakSet()


class ThingHere(Thing):
    def __init__(self, name: str) -> None:
        self.name = name
        _things.add(self)

    async def get_name(self) -> str:
        return self.name


class RootHere(Root):
    def __init__(self) -> None:
        self._gates: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()
        self._canceled = 0

    async def add(self, first: int, second: int = 1) -> int:
        return first + second

    async def values(
        self,
        number: int,
        text: str,
        data: bytes,
        color: Color,
        points: Sequence[Point],
        table: Mapping[str, int],
        maybe: str | None,
        pause: timedelta,
    ) -> list[str]:
        return [*map(repr, (number, text, data, color, points, table, maybe, pause))]

    async def echo_points(self, points: Sequence[Point]) -> list[Point]:
        return list(points)

    async def split(self, dividend: int, divisor: int) -> Split:
        quotient, remainder = divmod(dividend, divisor)
        return Split(quotient=quotient, remainder=remainder)

    async def order(self, text: str) -> None:
        raise OutOfStock(text)

    async def fail(self, text: str) -> None:
        raise KeyError(text)

    def _gate(self, gate: str) -> asyncio.Event:
        return self._gates.setdefault(gate, asyncio.Event())

    async def wait(self, gate: str) -> str:
        self._waiting[gate] += 1
        try:
            await self._gate(gate).wait()
        except asyncio.CancelledError:
            self._canceled += 1
            raise
        finally:
            self._waiting[gate] -= 1
        return gate

    async def waiting(self, gate: str) -> int:
        return self._waiting[gate]

    async def open(self, gate: str) -> None:
        self._gate(gate).set()

    async def canceled(self) -> int:
        return self._canceled

    async def make(self, name: str) -> Thing:
        return ThingHere(name)

    async def alive(self) -> list[str]:
        gc.collect()
        return sorted(thing.name for thing in _things)

    async def ask(self, thing: Thing) -> str:
        return await thing.get_name()

    async def call(self, step: Callable[[int], Awaitable[int]], value: int) -> int:
        return await step(value)

    async def data(self, size: int) -> bytes:
        return bytes(size)

    async def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def add_in_thread(self, first: int, second: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        return first + second

    def call_in_thread(self, step: Callable[[int], int], value: int) -> int:
        return step(value)

    def thread(self) -> str:
        return threading.current_thread().name


async def main() -> None:
    async with mpipc.aio.serve(sys.argv[1], RootHere()) as server:
        print("ready", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
