"""The peer's threads, for one that runs each call on a thread that its caller has asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from struct import pack

from mpipc.capnp import threads
from mpipc.capnp.proxy import ClientMethod, nothing
from mpipc.capnp.session import Capability, Import, Kept
from mpipc.capnp.writer import Writer
from mpipc.errors import RemoteError

MAKE_THREAD = ClientMethod(
    "makeThread", *threads.MAKE_THREAD, threads.ONE_POINTER, False, threads.read_capability
)
MAKE_POOL = ClientMethod("makePool", *threads.MAKE_POOL, 1, False, nothing)
_MOST = 64


def pool_of_threads() -> Writer:
    """The parameters of `MAKE_POOL`: how many threads."""
    return Writer(1, [], pack("<Q", _MOST))


class RemoteThreads:
    """Makes threads as they are needed, each for one call at a time; `make` asks for one. Where all
    are busy, calls wait their turn."""

    def __init__(self, make: Callable[[], Awaitable[Capability]]) -> None:
        self._make = make
        self._free: list[Import] = []
        self._places = asyncio.Semaphore(_MOST)

    async def take(self) -> Import:
        """A thread that runs nothing. Raises what `make` does."""
        await self._places.acquire()
        try:
            return self._free.pop() if self._free else await self._made()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, thread: Import, *, busy: bool) -> None:
        """A call has ended. `busy`: it may still run there, and the thread ends with it."""
        self._places.release()
        if not busy:
            self._free.append(thread)

    async def _made(self) -> Import:
        made = await self._make()
        if not isinstance(made, Import):
            raise RemoteError("the other end made no thread")
        return Kept(made)
