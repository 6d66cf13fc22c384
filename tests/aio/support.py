"""Server processes for these tests, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.aio.declarations import Root

ROOT = Path(__file__).parents[2]
# As long as a test waits for something that a slow machine may take a while for.
PATIENCE = 40.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), PATIENCE))

    return run


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the condition is true."""
    while not await condition():
        await asyncio.sleep(0.01)


async def waits(root: Root, gate: str, count: int = 1) -> None:
    """Wait until so many calls wait at a gate."""

    async def condition() -> bool:
        return await root.waiting(gate) == count

    await eventually(condition)


async def is_canceled(root: Root, count: int) -> None:
    """Wait until so many calls have been cancelled."""

    async def condition() -> bool:
        return await root.canceled() == count

    await eventually(condition)


def start(module: str, address: str) -> subprocess.Popen[str]:
    """A child process that runs a module, once it has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, address], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
