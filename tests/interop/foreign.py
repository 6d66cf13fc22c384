"""What both pycapnp programs use. Nothing of mpipc may be imported on this side."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import capnp

assert not any(name.partition(".")[0] == "mpipc" for name in sys.modules)

PATIENCE = 30.0  # seconds after which something is taken to hang

directory = sys.argv[1]
_parser = capnp.SchemaParser()
schema: Any = _parser.load(str(Path(directory, "declarations.capnp")), imports=[directory])
proxy: Any = _parser.load(str(Path(directory, "mp/proxy.capnp")), imports=[directory])


class Thread(proxy.Thread.Server):  # type: ignore[misc]
    """One of libmultiprocess's threads; in pycapnp there is but one, so it is only a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def getName(self, **_: Any) -> str:
        return self.name


class ThreadMap(proxy.ThreadMap.Server):  # type: ignore[misc]
    """Makes threads, and remembers their names."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def makeThread(self, name: str, **_: Any) -> Thread:
        self.made.append(name)
        return Thread(name)


class Counter(schema.Counter.Server):  # type: ignore[misc]
    """Counts. `calls` are the amounts and the threads (thread, callback thread) of each."""

    live = 0

    def __init__(self, name: str, parent: Any = None) -> None:
        type(self).live += 1
        self.own_name = name
        self.own_parent = parent
        self.total = 0
        self.calls: list[list[Any]] = []
        self.destroyed = False

    def __del__(self) -> None:
        type(self).live -= 1

    async def destroy(self, **_: Any) -> None:
        self.destroyed = True

    async def name(self, **_: Any) -> str:
        return self.own_name

    async def add(self, context: Any, amount: int, **_: Any) -> int:
        # Taken before anything is awaited, so that their order is the order of arrival.
        call: list[Any] = [amount, "", ""]
        self.calls.append(call)
        self.total += amount
        total = self.total
        for index, field in enumerate(("thread", "callbackThread")):
            if context._has(field):
                call[index + 1] = (await getattr(context, field).getName()).result
        return total

    async def child(self, label: str, **_: Any) -> Any:
        return Counter(f"{self.own_name}/{label}", self)

    async def parent(self, **_: Any) -> Any:
        return self.own_parent

    async def nameOf(self, other: Any, **_: Any) -> str:
        return str((await other.name()).result)


async def eventually(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait until an awaitable condition is true."""

    async def poll() -> None:
        while not await condition():
            await asyncio.sleep(0.01)

    await asyncio.wait_for(poll(), PATIENCE)


async def raises(call: Any) -> Any:
    """The exception that a call fails with."""
    try:
        result = await call
    except capnp.KjException as e:
        return e
    raise AssertionError(f"no exception, but {result}")
