"""Cancelled calls, lost connections, and peers that do not read."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import mpipc
import mpipc.aio
from mpipc.aio.connection import Connection
from mpipc.capnp.proxy import ClientMethod, nothing
from mpipc.capnp.session import Import
from mpipc.capnp.writer import Writer
from tests.aio.declarations import Root
from tests.aio.program import RootHere
from tests.aio.support import ROOT, in_loop, is_canceled, waits


@in_loop
async def test_cancelling_a_task_cancels_the_one_that_runs_the_method(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        before = await root.canceled()
        task = asyncio.create_task(root.wait("cancel"))
        await waits(root, "cancel")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await is_canceled(root, before + 1)
        assert await root.waiting("cancel") == 0


@in_loop
async def test_a_lost_connection_says_whose_it_was(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s.sock"
    async with mpipc.aio.serve(address, RootHere()) as server:
        root = await mpipc.aio.connect(address, Root)
        waiting = asyncio.create_task(root.wait("lost"))
        await waits(root, "lost")
        await server.close()
        for call in (waiting, root.add(1)):
            with pytest.raises(mpipc.Disconnected) as caught:
                await call
            assert str(caught.value).startswith(f"{address}: the ")


@in_loop
async def test_a_timeout_ends_a_call(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(root.wait("timeout"), 0.05)
        assert await root.add(1) == 2


@in_loop
async def test_a_proxy_has_no_timeout_of_its_own(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        with pytest.raises(TypeError, match=r"asyncio\.wait_for"):
            mpipc.with_timeout(root, 1)


@in_loop
async def test_a_callback_is_cancelled_with_the_call_that_made_it(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        began, ended = asyncio.Event(), asyncio.Event()

        async def step(value: int) -> int:
            began.set()
            try:
                await asyncio.sleep(1000)
            finally:
                ended.set()
            return value

        task = asyncio.create_task(root.call(step, 1))
        await began.wait()
        task.cancel()
        await ended.wait()


@in_loop
async def test_a_task_group(shared: str) -> None:
    groups = pytest.importorskip("asyncio", reason="no task groups")
    if not hasattr(groups, "TaskGroup"):
        pytest.skip("Python 3.10 has no task groups")
    async with mpipc.aio.connect(shared, Root) as root:
        async with groups.TaskGroup() as group:
            tasks = [group.create_task(root.add(number)) for number in range(20)]
        assert [task.result() for task in tasks] == [*range(1, 21)]
        with pytest.raises(BaseException, match="unhandled errors") as caught:
            async with groups.TaskGroup() as group:
                waiting = group.create_task(root.wait("group"))
                await waits(root, "group")
                group.create_task(root.order("apples"))
        assert waiting.cancelled()
        assert "OutOfStock" in repr(caught.value)
        assert await root.waiting("group") == 0


@in_loop
async def test_waiting_calls_fail_when_the_server_dies(address: str) -> None:
    async with mpipc.aio.connect(address, Root) as root:
        waiting = [asyncio.create_task(root.wait("never")) for _ in range(3)]
        await waits(root, "never", 3)
        killed = asyncio.create_task(root.kill())
        for task in [*waiting, killed]:
            with pytest.raises(mpipc.Disconnected):
                await task
        with pytest.raises(mpipc.Disconnected):
            await root.add(1)


@in_loop
async def test_closing_the_server_cancels_what_it_runs(tmp_path: Path) -> None:
    here = RootHere()
    async with mpipc.aio.serve(f"unix:{tmp_path}/s", here) as server:
        root = await mpipc.aio.connect(server.address, Root)
        task = asyncio.create_task(root.wait("close"))
        await waits(root, "close")
    with pytest.raises(mpipc.Disconnected):
        await task
    assert await here.canceled() == 1
    assert not (tmp_path / "s").exists()
    await server.close()


@in_loop
async def test_a_client_that_leaves_cancels_its_calls(tmp_path: Path) -> None:
    here = RootHere()
    async with mpipc.aio.serve(f"unix:{tmp_path}/s", here) as server:
        async with mpipc.aio.connect(server.address, Root) as root:
            task = asyncio.create_task(root.wait("leave"))
            await waits(root, "leave")
        with pytest.raises(mpipc.Disconnected):
            await task
        await is_canceled(here, 1)


@in_loop
async def test_the_connection_ends_with_the_last_reference(tmp_path: Path) -> None:
    async with mpipc.aio.serve(f"unix:{tmp_path}/s", RootHere()) as server:
        root = await mpipc.aio.connect(server.address, Root)
        connection = root._mpipc_connection  # type: ignore[attr-defined]
        assert await root.add(1) == 2
        del root
        await asyncio.wait_for(connection.ended.wait(), 10)


@in_loop
async def test_whoever_writes_waits_for_a_peer_that_does_not_read(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    read = asyncio.Event()
    received = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers nothing, and reads only once it may."""
        nonlocal received
        await read.wait()
        while chunk := await reader.read(1 << 16):
            received += len(chunk)
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        connection, calls = await _connected(path)
        assert connection._transport is not None
        buffered = connection._transport.get_write_buffer_size()
        # The others wait with what they have to say.
        assert 0 < buffered < 3 << 20
        read.set()
        while received < 50 << 20:
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        connection.close()


async def _connected(path: str) -> tuple[Connection, list[asyncio.Task[None]]]:
    """A connection to somebody who answers nothing, and fifty calls with a megabyte each."""
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, path)
    connection = Connection(None, mpipc.Limits(), path)
    await loop.create_connection(lambda: connection, sock=sock)
    method = ClientMethod("send", 1, 1, 1 << 16, False, nothing)

    async def call() -> None:
        w = Writer(1)
        w.head = w.data(0, bytes(1 << 20)).to_bytes(8, "little")
        await connection.call_async(Import(connection._session, 0), method, w)

    calls = [asyncio.create_task(call()) for _ in range(50)]
    for _ in range(10):
        await asyncio.sleep(0.01)
    return connection, calls


@in_loop
async def test_the_end_of_a_connection_can_be_awaited(address: str, shared: str) -> None:
    async with mpipc.aio.connect(address, Root) as root:
        ended = asyncio.create_task(mpipc.aio.wait_closed(await root.make("a thing")))
        assert await root.add(1) == 2
        assert not ended.done()
        with pytest.raises(mpipc.Disconnected):
            await root.kill()
        await ended
    async with mpipc.aio.connect(shared, Root) as root:
        ended = asyncio.create_task(mpipc.aio.wait_closed(root))
        await root.add(1)
        assert not ended.done()
    await ended  # closed on this side
    with pytest.raises(mpipc.IpcError, match=r"only a proxy of mpipc\.aio"):
        await mpipc.aio.wait_closed(RootHere())


FORKING = """
import asyncio, os, sys, warnings
import mpipc
import mpipc.aio
from tests.aio.declarations import Root

warnings.simplefilter("ignore")  # newer Pythons warn of forks with threads


async def child(root, outliving):
    for each in root, outliving:
        try:
            await each.add(1)
        except mpipc.Disconnected as e:
            assert "forked from" in str(e)
        else:
            os._exit(1)
    await mpipc.aio.close(root)
    await mpipc.aio.close(outliving)


async def main():
    async with (
        mpipc.aio.connect(sys.argv[1], Root) as root,
        mpipc.aio.reconnecting(sys.argv[1], Root) as outliving,
    ):
        for _ in range(5):
            waiting = asyncio.create_task(root.wait("gate"))
            await root.add(1)
            pid = os.fork()
            if pid == 0:
                try:
                    await child(root, outliving)
                    os._exit(7)
                finally:
                    os._exit(2)
            ended = await asyncio.to_thread(os.waitpid, pid, 0)
            assert os.waitstatus_to_exitcode(ended[1]) == 7, ended
            await root.open("gate")
            assert await waiting == "gate"
            assert await outliving.add(2) == 3
    print("fine")


asyncio.run(asyncio.wait_for(main(), 40))
"""


def test_a_forked_child_cannot_use_its_parents_connections(address: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, address],
        cwd=ROOT, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
