"""A task that awaits a call over a connection that threads drive is cancelled: so is what runs the
method, whether its server has an event loop or threads."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

import mpipc
from tests.aio.declarations import Root
from tests.aio.program import RootHere
from tests.aio.support import eventually, in_loop, is_canceled, start, stop, waits


@pytest.fixture(scope="module", params=["tests.aio.program", "tests.aio.threaded"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a process that serves in an event loop, or in threads."""
    address = f"unix:{tmp_path_factory.mktemp('server')}/s.sock"
    process = start(request.param, address)
    yield address
    stop(process)


@in_loop
async def test_the_one_that_runs_the_method_is_cancelled(server: str) -> None:
    with mpipc.connect(server, Root) as root:
        before = await root.canceled()
        task = asyncio.create_task(root.wait("cancel"))
        await waits(root, "cancel", 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await is_canceled(root, before + 1)
        assert await root.waiting("cancel") == 0
        assert await root.add(1) == 2


@in_loop
async def test_a_timeout_cancels_it(server: str) -> None:
    with mpipc.connect(server, Root) as root:
        before = await root.canceled()
        task = asyncio.create_task(root.wait("timeout"))
        await waits(root, "timeout", 1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(task, 0.05)
        await is_canceled(root, before + 1)


@in_loop
async def test_a_callback_is_cancelled_with_the_call_that_made_it(server: str) -> None:
    began, ended = threading.Event(), threading.Event()

    async def step(value: int) -> int:
        began.set()
        try:
            await asyncio.sleep(1000)
        finally:
            ended.set()
        return value

    with mpipc.connect(server, Root) as root:
        task = asyncio.create_task(root.call(step, 1))
        await asyncio.to_thread(began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait)
        assert await root.add(1) == 2


@in_loop
async def test_many_at_once_leave_nothing_behind(server: str) -> None:
    with mpipc.connect(server, Root) as root:
        before = await root.canceled()
        tasks = [asyncio.create_task(root.wait("many")) for _ in range(30)]
        await waits(root, "many", 30)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await is_canceled(root, before + 30)
        assert await root.waiting("many") == 0
        session = root._mpipc_connection._session  # type: ignore[attr-defined]

        async def settled() -> bool:
            return not session.busy

        await eventually(settled)
        # The numbers of questions are free again: those that are not belong to threads.
        assert all(question.kept for question in session.questions.values())


@in_loop
async def test_an_answer_that_comes_at_the_same_moment(server: str) -> None:
    """Whichever comes first, the task ends, and nothing of the answer is left."""
    with mpipc.connect(server, Root) as root:
        for number in range(100):
            task = asyncio.create_task(root.make(f"thing {number}"))
            for _ in range(number % 10):
                await asyncio.sleep(0)
            if number % 2:
                await asyncio.to_thread(int)  # about as long as a call takes
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            del task
        assert await root.add(1) == 2

        async def nothing_lives() -> bool:
            gc.collect()
            return await root.alive() == []

        await eventually(nothing_lives)


@in_loop
async def test_one_that_is_cancelled_before_it_is_sent(server: str) -> None:
    with mpipc.connect(server, Root) as root:
        for _ in range(20):
            task = asyncio.create_task(root.wait("soon"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await waits(root, "soon", 0)
        assert await root.add(1) == 2


def test_a_client_that_leaves_cancels_its_calls(tmp_path: Path) -> None:
    here = RootHere()
    with mpipc.serve(f"unix:{tmp_path}/s", here) as served:
        client = subprocess.Popen([sys.executable, "-m", "tests.aio.waiting", served.address])

        async def waiting() -> bool:
            return await here.waiting("leave") == 1

        async def canceled() -> bool:
            return await here.canceled() == 1

        try:
            asyncio.run(asyncio.wait_for(eventually(waiting), 40))
        finally:
            client.kill()
            client.wait()
        asyncio.run(asyncio.wait_for(eventually(canceled), 40))


def test_a_method_that_blocks_runs_to_its_end(tmp_path: Path) -> None:
    """A thread cannot be cancelled; the task that waited for it goes on all the same."""

    class Slow(RootHere):
        def __init__(self) -> None:
            super().__init__()
            self.began, self.go_on, self.ended = (threading.Event() for _ in range(3))

        async def call(self, step: Callable[[int], Awaitable[int]], value: int) -> int:
            self.began.set()
            self.go_on.wait(40)
            self.ended.set()
            return value

    async def story(root: Root) -> None:
        task = asyncio.create_task(root.call(_never, 1))
        await asyncio.to_thread(here.began.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not here.ended.is_set()
        here.go_on.set()
        assert await root.add(1) == 2

    here = Slow()
    with (
        mpipc.serve(f"unix:{tmp_path}/s", here) as served,
        mpipc.connect(served.address, Root) as root,
    ):
        asyncio.run(asyncio.wait_for(story(root), 40))
        assert here.ended.wait(40)


async def _never(value: int) -> int:
    raise AssertionError(value)
