"""Objects of another process that outlive their connection, in an event loop: the twin of
`mpipc.reconnecting`. A task connects, where that one has a thread."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
import typing
import weakref
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar, overload

from mpipc.aio.calls import begun, call
from mpipc.aio.client import Connecting, open_root
from mpipc.aio.iterators import Later
from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.errors import Disconnected, IpcError
from mpipc.generate.load import generated_for
from mpipc.ipc import address as addresses
from mpipc.ipc.backoff import Backoff
from mpipc.ipc.endpoints import root_class
from mpipc.ipc.links import QUICKLY, BaseLink, as_function
from mpipc.ipc.peers import Allowed
from mpipc.ipc.references import interfaces_of, methods_of, refer
from mpipc.ipc.seconds import checked_seconds

R = TypeVar("R")
T = TypeVar("T")

_preparing: ContextVar[Link | None] = ContextVar("preparing", default=None)
"""The link whose `recipe` or `on_connect` is running."""
_ITERATORS = (AsyncIterator, AsyncIterable, AsyncGenerator)


@overload
def reconnecting(
    address: str,
    root: Callable[..., R],
    recipe: None = None,
    *,
    on_connect: Callable[[R], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Connecting[R]: ...
@overload
def reconnecting(
    address: str,
    root: Callable[..., R],
    recipe: Callable[[R], Coroutine[Any, Any, T]],
    *,
    on_connect: Callable[[T], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Connecting[T]: ...
@overload
def reconnecting(
    address: str,
    root: Callable[..., R],
    recipe: Callable[[R], T],
    *,
    on_connect: Callable[[T], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Connecting[T]: ...
def reconnecting(
    address: str,
    root: Callable[..., Any],
    recipe: Callable[[Any], Any] | None = None,
    *,
    on_connect: Callable[[Any], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Connecting[Any]:
    """Connect to a server, and again whenever the connection is lost: `await` this for an object of
    it, or use it in `async with`. What becomes of calls, and the parameters, are as for
    `mpipc.reconnecting`.

    `recipe` and `on_connect` may be coroutine functions; where they are not, what they call once
    and return is awaited, as `mpipc.aio.call` does. Methods of the object that are not `async` are
    called with that. It ends with `async with`, with `mpipc.aio.close`, with the event loop, and
    when it is garbage-collected.

    Raises Unreachable when there is no connection in time; and at once, when the first attempt
    does, AddressError, SchemaError, and what `recipe` and `on_connect` raise.
    """
    wait = checked_seconds("wait", wait, optional=True)
    timeout = checked_seconds("timeout", timeout)
    where = addresses.parse(address, datadir=datadir, name=name)
    generated = generated_for(root_class(root))

    async def dial() -> Any:
        return await open_root(where, generated, timeout, peers, limits)

    async def begin() -> Any:
        made = as_function(recipe)
        return await Link(str(where), dial, made, on_connect, wait, backoff, timeout).begin()

    return Connecting(begin())


class Link(BaseLink):
    """See the module; the parameters are those of `reconnecting`. `timeout`: seconds that may pass
    from a connection to its object."""

    def __init__(
        self,
        name: str,
        dial: Callable[[], Coroutine[Any, Any, Any]],
        recipe: Callable[[Any], Any] | None,
        on_connect: Callable[[Any], object] | None,
        wait: float | None,
        backoff: Backoff,
        timeout: float,
    ) -> None:
        super().__init__(name, recipe, on_connect, wait, backoff, timeout)
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._reference: Callable[[], Any]

    async def begin(self) -> Any:
        """Connect for the first time; the reference. Raises what the first attempt raises, unless
        it may pass."""
        task = self._task = self._loop.create_task(self._run(), name=f"mpipc-link {self._name}")
        try:
            obj = await self._take(beginning=True)
        except BaseException:
            await self._close()
            raise
        self._declared = methods_of(interfaces_of(obj))
        reference = refer(obj, self)
        weakref.finalize(reference, _cancel, self._loop, task).atexit = False
        self._reference = weakref.ref(reference)
        return reference

    # ------------------------------------------------------------------------------ calling

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        """What the object's method gives: a coroutine, an iterator, or what is to be awaited by
        `mpipc.aio.call`."""
        declared = self._declared.get(name)
        reference = self._reference()  # which ends the link when nothing refers to it
        if inspect.iscoroutinefunction(declared):
            return self._await(reference, name, use)
        if threading.get_ident() != self._thread:
            made = self._await(reference, name, lambda obj: call(use, obj))
            return asyncio.run_coroutine_threadsafe(made, self._loop).result()
        calls = begun.get()
        if calls is None and _gives_iterator(declared):
            return Later(self._await(reference, name, _opened(use)))
        if calls is None or calls:
            raise IpcError(
                f"{name} is not async, and would block the event loop:"
                f" await mpipc.aio.call(reference.{name}, ...)"
            )
        calls.append(self._await(reference, name, lambda obj: call(use, obj)))
        return None

    async def _await(
        self, reference: object, name: str, use: Callable[[Any], Coroutine[Any, Any, T]]
    ) -> T:
        """Make a call; what refers to the link lives as long."""
        obj = await self._take()
        try:
            return await use(obj)
        except Disconnected:
            if not self._may_repeat(name, obj):
                raise
        return await use(await self._take())

    async def _take(self, *, beginning: bool = False) -> Any:
        """The present object, waited for if need be; `beginning`: the first one, for which there is
        at least one attempt."""
        if self._fresh is not None and _preparing.get() is self:
            return self._fresh  # in `on_connect`, for which all others wait
        limit = None if self._wait is None else time.monotonic() + self._wait
        while True:
            found = self._present()
            if found is not None:
                return found
            if beginning:
                self._check_first_attempt()
            untried = beginning and self._error is None
            left = None if limit is None or untried else limit - time.monotonic()
            if left is not None and left <= 0:
                raise self._unreached()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # -------------------------------------------------------------------------- connecting

    async def _run(self) -> None:
        failures = 0
        try:
            while self._over is None:
                began = time.monotonic()
                try:
                    await self._connect()
                except Exception as e:
                    failures += 1
                    self._failed(e, failures)
                    if self._over is not None:
                        break
                else:
                    await self._root._mpipc_connection.ended.wait()
                    self._object = self._root = None
                    failures = self._lost(began, failures)
                await asyncio.sleep(self._backoff.delay(failures))
        finally:
            # Also when it is cancelled: by `close`, by the end of the loop, or by the garbage
            # collector.
            root, self._root, self._object = self._root, None, None
            self._end()
            if root is not None:
                root._mpipc_connection.close()

    async def _connect(self) -> None:
        self._root = root = await self._dial()
        try:
            self._object = await asyncio.wait_for(self._prepare(root), self._timeout)
            self._error = None
        except BaseException:
            self._root = None
            root._mpipc_connection.close()
            raise
        finally:
            self._fresh = None
        self._change()

    async def _prepare(self, root: Any) -> Any:
        """The object, once `on_connect` was called with it."""
        _preparing.set(self)  # `wait_for` may or may not have made a task for this
        try:
            obj = root if self._recipe is None else await _done(self._recipe, root)
            self._made(obj)
            if self._on_connect is not None:
                await _done(self._on_connect, obj)
        finally:
            _preparing.set(None)
        return obj

    # ------------------------------------------------------------------------------ ending

    def close(self) -> None:
        """End the connection, and make no other. May be called again; `mpipc.aio.close` awaits
        it."""
        calls = begun.get() if threading.get_ident() == self._thread else None
        if self._task is None:
            return  # in a forked child
        if calls is None:
            _cancel(self._loop, self._task)
        else:
            calls.append(self._close())

    async def _close(self) -> None:
        task, root = self._task, self._root
        assert task is not None
        task.cancel()
        if task is not asyncio.current_task():
            await asyncio.wait([task])
        if root is not None:
            await root._mpipc_connection.ended.wait()

    def forked(self) -> None:
        self._task = None
        super().forked()


async def _done(function: Callable[[Any], Any], obj: Any) -> Any:
    """What a function returns, once that is there."""
    found = await call(function, obj)
    return await found if inspect.isawaitable(found) else found


def _opened(use: Callable[[Any], Any]) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    async def opened(obj: Any) -> Any:
        return use(obj)

    return opened


def _gives_iterator(declared: Any) -> bool:
    try:
        returned = typing.get_type_hints(declared).get("return")
    except (TypeError, NameError):
        return False
    return typing.get_origin(returned) in _ITERATORS


def _cancel(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """End a link's task, from any thread."""
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        pass  # the loop is closed, and has cancelled it
