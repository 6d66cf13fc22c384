"""The other processes, as the page's event loop sees them: they come, go and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from typing_extensions import ParamSpec

import mpipc
import mpipc.aio
from examples.bitcoin.common.console import say
from examples.bitcoin.common.options import Options
from examples.bitcoin.gui.board import Board
from interfaces.proposed import ProposedInit

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
"""Seconds between two tries to connect."""


class Peer(msgspec.Struct, frozen=True):
    """Another process that is there, or another part of this one."""

    root: ProposedInit
    local: bool

    async def call(self, method: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a method of `root`, or of something that came from it, without blocking the loop."""
        if self.local:
            return await asyncio.to_thread(method, *args, **kwargs)
        return await mpipc.aio.call(method, *args, **kwargs)


Follow = Callable[[Peer], Awaitable[None]]
"""Uses a process for as long as it is there; is cancelled when it has gone."""


class Process(msgspec.Struct, frozen=True):
    """What the page shows of a process."""

    name: str
    up: bool
    text: str
    """Where it listens, or why it is not there."""

    since: float
    """Seconds since 1970."""


class Processes:
    """The topic `processes`."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._all: dict[str, Process] = {}

    def show(self, name: str, *, up: bool, text: str) -> None:
        """Tell whether a process is there."""
        before = self._all.get(name)
        if before is not None and (before.up, before.text) == (up, text):
            return
        since = before.since if before is not None and before.up == up else time.time()
        self._all[name] = Process(name, up, text, since)
        self._board.show("processes", list(self._all.values()))


async def keep_local(name: str, root: ProposedInit, follow: Follow, processes: Processes) -> None:
    """Use a part of this process."""
    while True:
        processes.show(name, up=True, text="in this process")
        try:
            await follow(Peer(root, local=True))
        except Exception as error:
            processes.show(name, up=False, text=_reason(name, error))
        await asyncio.sleep(_LONGEST_PAUSE)


async def keep_connected(
    name: str, address: str, options: Options, follow: Follow, processes: Processes
) -> None:
    """Connect to a process whenever it is there, and use it."""
    pause = _FIRST_PAUSE
    while True:
        try:
            async with mpipc.aio.connect(
                address, ProposedInit, datadir=options.datadir, name=name
            ) as root:
                say(f"connected to the {name}")
                processes.show(name, up=True, text=address)
                await _until_gone(root, follow(Peer(root, local=False)))
                pause = _FIRST_PAUSE
                reason = "it has ended"
        except mpipc.Unreachable:
            reason = "it is not running"
        except mpipc.IpcError as error:
            reason = str(error)
        except Exception as error:
            reason = _reason(name, error)
        processes.show(name, up=False, text=reason)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _reason(name: str, error: Exception) -> str:
    """Why a process cannot be used, which is a mistake in one of the two."""
    reason = f"{type(error).__name__}: {error}"
    say(f"cannot use the {name}: {reason}")
    return reason


async def _until_gone(root: ProposedInit, following: Awaitable[None]) -> None:
    """Let something run until it fails or the connection has ended."""
    tasks = [
        asyncio.ensure_future(following),
        asyncio.ensure_future(mpipc.aio.wait_closed(root)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(failures[0], Exception) and not isinstance(failures[0], mpipc.Disconnected):
        raise failures[0]
