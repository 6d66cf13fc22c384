"""`mpipc.aio.reconnecting`: objects that outlive their connection, in an event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
import mpipc.aio
from tests.aio.declarations import Root, Thing
from tests.aio.iterators import Feed, RealFeed
from tests.aio.support import PATIENCE, eventually, in_loop, start, stop, waits
from tests.runtime import declarations as blocking
from tests.runtime.support import ServerProcess

QUICK = mpipc.Backoff(first=0.01, most=0.05)


class Servers:
    """One server at a time, at one address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._process: Any = None

    def start(self) -> None:
        self._process = start("tests.aio.program", self.address)

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    servers = Servers(f"unix:{tmp_path}/s.sock")
    servers.start()
    yield servers
    servers.stop()


def reconnecting(address: str, recipe: Any = None, **options: Any) -> Any:
    options = {"wait": PATIENCE, "backoff": QUICK, **options}
    return mpipc.aio.reconnecting(address, Root, recipe, **options)


def links() -> list[Any]:
    return [each for each in asyncio.all_tasks() if each.get_name().startswith("mpipc-link")]


async def lost(reference: Any) -> None:
    """Wait until it was noticed that the server is gone."""

    async def condition() -> bool:
        return reference._mpipc_holder._object is None

    await eventually(condition)


@in_loop
async def test_calls_go_to_the_server_that_is_there(servers: Servers) -> None:
    async with reconnecting(servers.address) as root:
        assert isinstance(root, Root)
        assert await root.add(1) == 2
        for _ in range(2):
            servers.stop()
            await lost(root)
            waiting = asyncio.gather(*[root.add(number) for number in range(10)])
            await asyncio.to_thread(servers.start)
            assert await waiting == [*range(1, 11)]
            assert await mpipc.aio.call(root.add_in_thread, 1, 2) == 3
    assert not links()
    with pytest.raises(mpipc.IpcError, match="were closed"):
        await root.add(1)


@in_loop
async def test_calls_on_their_way_raise_disconnected(servers: Servers) -> None:
    async with reconnecting(servers.address) as root:
        waiting = asyncio.create_task(root.wait("gate"))
        await waits(root, "gate")
        servers.stop()
        with pytest.raises(mpipc.Disconnected):
            await waiting
        await asyncio.to_thread(servers.start)
        assert await root.waiting("gate") == 0


@in_loop
async def test_calls_that_may_be_are_made_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s.sock"

    def started() -> ServerProcess:
        return ServerProcess(address, tmp_path / "log", [])

    server = await asyncio.to_thread(started)
    try:
        async with mpipc.aio.reconnecting(
            address, blocking.Root, blocking.Root.gates, wait=PATIENCE, backoff=QUICK
        ) as gates:

            async def one_waits() -> bool:
                return await mpipc.aio.call(gates.waiting, "late") == 1

            waiting = asyncio.create_task(mpipc.aio.call(gates.wait_again, "late"))
            await eventually(one_waits)
            await asyncio.to_thread(server.stop)
            server = await asyncio.to_thread(started)
            await eventually(one_waits)
            await mpipc.aio.call(gates.open, "late")
            assert await waiting == "late"
            with pytest.raises(mpipc.IpcError, match=r"await mpipc\.aio\.call"):
                gates.waiting("late")
    finally:
        await asyncio.to_thread(server.stop)


@in_loop
async def test_calls_wait_no_longer_than_they_may(servers: Servers) -> None:
    async with (
        reconnecting(servers.address, wait=0.2) as patient,
        reconnecting(servers.address, wait=0) as hasty,
        reconnecting(servers.address, wait=None) as endless,
    ):
        servers.stop()
        for each in patient, hasty, endless:
            await lost(each)
        with pytest.raises(mpipc.Unreachable, match=r"within 0\.2 s; nobody listens on unix:"):
            await patient.add(1)
        with pytest.raises(mpipc.Unreachable, match="within 0 s"):
            await hasty.add(1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(endless.add(1), 0.2)


@in_loop
async def test_each_new_object_is_prepared_before_others_call_it(servers: Servers) -> None:
    prepared: list[str] = []
    held: list[Any] = []

    async def on_connect(thing: Thing) -> None:
        prepared.append(await thing.get_name())
        if held:  # the reference is this very object then
            prepared.append(await held[0].get_name())

    async with reconnecting(
        servers.address, lambda root: root.make("it"), on_connect=on_connect
    ) as thing:
        held.append(thing)
        assert isinstance(thing, Thing)
        assert prepared == ["it"]
        servers.stop()
        await lost(thing)
        await asyncio.to_thread(servers.start)
        assert await thing.get_name() == "it"
        assert prepared == ["it", "it", "it"]


@in_loop
async def test_what_cannot_pass_is_raised_at_once(servers: Servers) -> None:
    def broken(root: Root) -> Root:
        raise KeyError("a mistake")

    with pytest.raises(KeyError, match="a mistake"):
        await reconnecting(servers.address, broken)
    with pytest.raises(TypeError, match="no interface"):
        await reconnecting(servers.address, lambda root: root.add(1))
    servers.stop()
    with pytest.raises(mpipc.Unreachable, match="nobody listens"):
        await reconnecting(servers.address, wait=0)
    with pytest.raises(mpipc.Unreachable, match="given up after 2 attempts"):
        await reconnecting(servers.address, backoff=mpipc.Backoff(first=0.01, attempts=2))
    assert not links()


@in_loop
async def test_it_ends_when_nothing_refers_to_it(servers: Servers) -> None:
    async def ended() -> bool:
        return not links()

    assert await (await reconnecting(servers.address)).add(1) == 2
    root = await reconnecting(servers.address)
    assert links()
    del root
    gc.collect()
    await eventually(ended)


@in_loop
async def test_iterators_are_read(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s.sock"
    async with (
        mpipc.aio.serve(address, RealFeed()),
        mpipc.aio.reconnecting(address, Feed) as feed,
    ):
        numbers = feed.count(7)
        assert [await numbers.__anext__() for _ in range(3)] == [7, 8, 9]
        await mpipc.aio.close(numbers)
        feed.count(8)  # which nobody uses
        awaited = await feed.awaited(1)
        assert await awaited.__anext__() == 1
        await mpipc.aio.close(awaited)
