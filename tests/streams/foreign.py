"""A peer that knows only the schema: `python -m tests.streams.foreign SCHEMA SOCKET ROLE`."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

import capnp

assert not any(name.partition(".")[0] == "mpipc" for name in sys.modules)

_, directory, path, role = sys.argv
schema: Any = capnp.SchemaParser().load(
    str(Path(directory, "declarations.capnp")), imports=[directory]
)


class Numbers(schema.Int64Stream.Server):  # type: ignore[misc]
    """Numbers up to an end, or without one."""

    ended = False

    def __init__(self, start: int, end: int | None = None) -> None:
        self.numbers = itertools.count(start) if end is None else iter(range(start, end))
        self.asked: list[int] = []

    async def next(self, count: int, _context: Any, **_: Any) -> None:
        self.asked.append(count)
        items = list(itertools.islice(self.numbers, min(count, 10)))
        _context.results.items = items
        _context.results.done = len(items) < min(count, 10)

    async def destroy(self, **_: Any) -> None:
        type(self).ended = True


class Service(schema.Streams.Server):  # type: ignore[misc]
    async def construct(self, **_: Any) -> None:
        return None

    async def count(self, start: int, **_: Any) -> Any:
        return Numbers(start)

    async def failAfter(self, good: int, **_: Any) -> Any:
        return Numbers(0, good)

    async def closed(self, **_: Any) -> int:
        return int(Numbers.ended)


async def reads(root: Any) -> None:
    """Read a stream, give one, and end one early."""
    stream = (await root.count(start=5)).result
    batch = await stream.next(count=3)
    assert list(batch.items) == [5, 6, 7]
    assert not batch.done
    assert list((await stream.next(count=2)).items) == [8, 9]
    nothing = await stream.next(count=0)
    assert (list(nothing.items), nothing.done) == ([], False)
    many = await stream.next(count=2**32 - 1)
    assert 0 < len(many.items) <= 4096
    await stream.destroy()
    assert (await root.closed()).result == 1
    try:
        await stream.next(count=1)
    except capnp.KjException as error:
        assert "destroyed" in str(error)
    else:
        raise AssertionError("it goes on")

    rows = (await root.parts(count=3)).rows
    batch = await rows.next(count=100)
    assert [row.text for row in batch.items] == ["0", "1", "2"]
    assert batch.done
    after = await rows.next(count=100)
    assert (list(after.items), after.done) == ([], True)

    refused = (await root.refuseAfter(good=2)).result
    assert list((await refused.next(count=5)).items) == [0, 1]
    assert (await refused.next(count=5)).error == "after 2"

    numbers = Numbers(0, 100)
    assert (await root.total(numbers=numbers)).result == sum(range(100))
    assert (await root.first(numbers=Numbers(7), count=12)).result[11] == 18


async def main() -> None:
    if role == "client":
        stream = await capnp.AsyncIoStream.create_unix_connection(path)
        root = capnp.TwoPartyClient(stream).bootstrap().cast_as(schema.Streams)
        await asyncio.wait_for(reads(root), 30)
        return

    async def serve(stream: Any) -> None:
        await capnp.TwoPartyServer(stream, bootstrap=Service()).on_disconnect()

    server = await capnp.AsyncIoStream.create_unix_server(serve, path)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(capnp.run(main()))
