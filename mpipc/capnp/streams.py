"""Iterators across processes: `Stream` reads one of the other end's, `Source` serves one of ours.

The reader asks for batches: nothing is made that nobody asked for. It asks for few items at first,
and for more each time it got all that it asked for. The source gives fewer where they come slowly
(a batch ends a moment after its first item) or are large (so that a batch stays far below what a
peer accepts in a message).
"""

from __future__ import annotations

import threading
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import msgspec

from mpipc.capnp.filling import Empty, Filling
from mpipc.capnp.message import Message
from mpipc.capnp.misfits import MISFITS
from mpipc.capnp.proxy import Client, Local, Server, close
from mpipc.capnp.session import Import
from mpipc.capnp.writer import Writer

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
S = TypeVar("S", bound="Stream[Any]")

FIRST = 16
MOST = 4096
"""How many items are asked for at first, and at most."""
_FASTER = 4
MOMENT = 0.01  # seconds, after which a batch is sent with the items that are there
_USUAL = 1 << 14  # words in a batch; what is more than _LARGEST is divided
_LARGEST = 1 << 17

Serve = Callable[[Any, Message, int, int, int], Writer]
ServeAsync = Callable[[Any, Message, int, int, int], Coroutine[Any, Any, Writer]]


class Batch(msgspec.Struct, Generic[T], frozen=True):
    """Items of an iterator, and whether there are no more."""

    items: list[T]
    done: bool


class Stream(Client, Generator[T, None, None], AsyncGenerator[T, None]):
    """Reads an iterator of another process, whether that one is async or not.

    Usable in `for`, in `async for`, in `with` and in `async with`. `close` or `aclose` closes the
    iterator that it reads, `mpipc.close` too; garbage collection lets go of it. After an exception
    it is at its end, as a generator is; so it is when a task that waits for an item is cancelled.
    Several threads, or several tasks, may share it.
    """

    def __init__(self, connection: Any, target: Import) -> None:
        super().__init__(connection, target)
        self._mpipc_items: Iterator[T] = iter(())
        self._mpipc_count = FIRST
        self._mpipc_asking = threading.RLock()
        self._mpipc_awaiting: asyncio.Lock | None = None

    def next(self, count: int) -> Batch[T]:
        """What the other end has, past all that was read."""
        raise NotImplementedError

    async def next_async(self, count: int) -> Batch[T]:
        """As `next`."""
        raise NotImplementedError

    def __next__(self) -> T:
        for item in self._mpipc_items:
            return item
        with self._mpipc_asking:
            while True:
                for item in self._mpipc_items:  # another thread may have asked
                    return item
                if self._mpipc_target is None:
                    raise StopIteration
                self._mpipc_ask()

    def _mpipc_ask(self) -> None:
        """Get the next batch. What it raises is the end."""
        count = self._mpipc_count
        try:
            batch = self.next(count)
        except BaseException:
            self._mpipc_target = None
            raise
        self._mpipc_take(batch, count)

    def _mpipc_take(self, batch: Batch[T], count: int) -> None:
        """A batch has come, of at most `count` items."""
        if self._mpipc_target is None:
            return  # closed meanwhile
        if batch.done:
            self._mpipc_target = None
        if len(batch.items) >= count:
            self._mpipc_count = min(count * _FASTER, MOST)
        self._mpipc_items = iter(batch.items)

    def _mpipc_let_go(self) -> Import | None:
        self._mpipc_items = iter(())
        return super()._mpipc_let_go()

    def send(self, value: None) -> T:
        """As `next`: the iterator is sent nothing else."""
        if value is not None:
            raise TypeError(f"an iterator of another process is sent no values, but got {value!r}")
        return self.__next__()

    def throw(self, kind: Any, value: Any = None, traceback: Any = None, /) -> T:
        """Close it, and raise the exception."""
        self.close()
        error = kind if value is None else value
        raise error if traceback is None else error.with_traceback(traceback)

    def close(self) -> None:
        """Close the iterator in the other process, and wait until that is done."""
        close(self)

    # --------------------------------------------------------------------------------- awaited

    async def __anext__(self) -> T:
        for item in self._mpipc_items:
            return item
        if self._mpipc_awaiting is None:
            import asyncio

            self._mpipc_awaiting = asyncio.Lock()
        async with self._mpipc_awaiting:
            while True:
                for item in self._mpipc_items:  # another task may have asked
                    return item
                if self._mpipc_target is None:
                    raise StopAsyncIteration
                count = self._mpipc_count
                try:
                    batch = await self.next_async(count)
                except BaseException:
                    self._mpipc_target = None
                    raise
                self._mpipc_take(batch, count)

    async def asend(self, value: None) -> T:
        """As `anext`: the iterator is sent nothing else."""
        if value is not None:
            raise TypeError(f"an iterator of another process is sent no values, but got {value!r}")
        return await self.__anext__()

    async def athrow(self, kind: Any, value: Any = None, traceback: Any = None, /) -> T:
        """Close it, and raise the exception."""
        await self.aclose()
        error = kind if value is None else value
        raise error if traceback is None else error.with_traceback(traceback)

    async def aclose(self) -> None:
        """As `close`."""
        target, connection = self._mpipc_let_go(), self._mpipc_connection
        destroy = self._mpipc_destroy
        if target is not None and destroy is not None and not connection.closed:
            await connection.call_async(target, destroy, connection.empty_params(destroy))

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class Source(Generic[T]):
    """An iterator of ours, which the other end reads. `given`: what it was made of. `awaits`: its
    items are awaited."""

    def __init__(self, given: Iterable[T] | AsyncIterable[T]) -> None:
        self.given = given
        self._ready: list[T] = []
        self._iterator: Iterator[T] | None = None
        self._filling: Filling[T] | None = None
        if isinstance(given, Iterable):
            self._iterator = iter(given)
        else:
            self._filling = Filling(given.__aiter__(), self._ready, MOMENT)
        self.awaits = self._filling is not None
        self._error: BaseException | None = None
        self._sent: list[T] = []
        self._fitting = MOST
        self._lock = threading.RLock()
        self._running = False
        self._closed = False

    def next(self, count: int) -> Batch[T]:
        """The next items, at most `count`. Raises what the iterator does, after all items that
        came before."""
        with self._lock:
            self._sent = []
            if self._running:
                raise ValueError("the iterator is running already")
            self._running = True
            try:
                return self._take(min(count, self._fitting))
            finally:
                self._running = False
                self._end_if_closed()

    def close(self) -> None:
        """Close the iterator; one that is running, when it pauses."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._end_if_closed()
            finally:
                self._lock.release()

    async def aclose(self) -> None:
        """Close an iterator that is awaited, also one that is running."""
        self._closed = True
        assert self._filling is not None
        await self._filling.close()

    async def fill(self, count: int) -> None:
        """Await items, at most `count`."""
        assert self._filling is not None
        await self._filling.fill(count)

    def __del__(self) -> None:
        filling = getattr(self, "_filling", None)
        if filling is not None:
            filling.drop()

    def _take(self, count: int) -> Batch[T]:
        ready = self._ready
        if not ready and self._error is None:
            self._advance(ready, count)
        filling = self._filling
        if filling is not None and filling.error is not None:
            self._error, filling.error = filling.error, None
        self._sent = ready[:count]
        del ready[:count]
        if not self._sent and self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None
        ended = self._iterator is None and (filling is None or filling.ended)
        return Batch(self._sent, ended and not ready and self._error is None)

    def _advance(self, ready: list[T], count: int) -> None:
        iterator, filling = self._iterator, self._filling
        if filling is not None and not filling.ended:
            raise Empty(count)
        if iterator is None:
            return
        pause = time.monotonic() + MOMENT
        try:
            while len(ready) < count:
                ready.append(iterator.__next__())
                if time.monotonic() > pause:
                    return
        except StopIteration:
            self._iterator = None
        except BaseException as error:
            self._iterator = None
            self._error = error

    def _settle(self) -> None:
        """A batch is on its way."""
        self._sent = []
        self._end_if_closed()

    def _end_if_closed(self) -> None:
        if self._running or not self._closed:
            return
        iterator, self._iterator = self._iterator, None
        self._ready.clear()
        self._error = None
        ended = getattr(iterator, "close", None)
        if ended is not None:
            ended()

    def _sized(self, words: int) -> bool:
        """Learn how large the last batch is. False where it is too large and has to be smaller."""
        count = len(self._sent)
        if words > _LARGEST and self._fewer():
            return False
        if count:
            self._fitting = max(1, min(MOST, _USUAL * count // max(1, words)))
        return True

    def _fewer(self) -> bool:
        """Take the last batch back, and make the next one half as long; False if it had one item
        or none."""
        count = len(self._sent)
        if count < 2:
            return False
        self._ready[:0] = self._sent
        self._fitting = count // 2
        return True


def in_batches(serve: Serve) -> Serve:
    """Serves `next` such that its answers are small enough, and that an item which cannot travel
    fails after those before it."""

    def run(source: Any, message: Message, at: int, data_words: int, pointers: int) -> Writer:
        with source._lock:
            try:
                while True:
                    try:
                        w = serve(source, message, at, data_words, pointers)
                    except MISFITS:
                        if not source._fewer():
                            raise
                    else:
                        if source._sized(w.end):
                            return w
            finally:
                source._settle()

    return run


def in_awaited_batches(serve: Serve) -> ServeAsync:
    """As `in_batches`, for an iterator whose items are awaited."""
    serve_batch = in_batches(serve)

    async def run(source: Any, message: Message, at: int, data_words: int, pointers: int) -> Writer:
        while True:
            try:
                return serve_batch(source, message, at, data_words, pointers)
            except Empty as found:
                count = found.count
            await source.fill(count)

    return run


async def close_awaited(
    source: Any, message: Message, at: int, data_words: int, pointers: int
) -> Writer:
    """Serves `destroy` of an iterator whose items are awaited."""
    await source.aclose()
    return Writer(0)


def write_stream(
    w: Writer, value: Iterable[Any] | AsyncIterable[Any] | None, server: Server
) -> int:
    """A pointer word for an iterator of ours; None is a null capability."""
    return 0 if value is None else w.cap(Local(Source(value), server))


def read_stream(m: Message, lo: int, hi: int, client: type[Stream[T]]) -> Stream[T]:
    """The iterator that a capability pointer names: a proxy, what our own was made of, or None."""
    found = m.owner.proxy(m.cap(lo, hi), client)
    read: Any = found.given if isinstance(found, Source) else found
    return cast(Stream[T], read)
