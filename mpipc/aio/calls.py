"""Calling plain methods, which would block, from an event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, TypeVar

from typing_extensions import ParamSpec

from mpipc.capnp.proxy import close as close_proxy

P = ParamSpec("P")
R = TypeVar("R")

begun: ContextVar[list[Coroutine[Any, Any, Any]] | None] = ContextVar("begun", default=None)
"""Where a connection puts the call that `call` wants, and whoever watches it what is to be awaited
instead; None outside of it."""


async def call(method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a method that is declared with a plain `def`, and await its answer.

    `method` is a method of a proxy from `mpipc.aio.connect`, or a function that calls one, once,
    and returns what that returns. Of an object in this process it is called in place.

    Raises what the method raises.
    """
    calls: list[Coroutine[Any, Any, R]] = []
    token = begun.set(calls)
    try:
        result = method(*args, **kwargs)
    except BaseException:
        for each in calls:
            each.close()
        raise
    finally:
        begun.reset(token)
    return await calls[-1] if calls else result


async def close(proxy: object) -> None:
    """As `mpipc.close`: destroy the remote object now, and wait until that is done. Closing the
    root object closes the connection."""
    await call(close_proxy, proxy)
