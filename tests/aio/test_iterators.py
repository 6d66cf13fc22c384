"""Async iterators that travel: what arrives, who waits for whom, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import mpipc
import mpipc.aio
from mpipc import testing
from mpipc.capnp.streams import FIRST, MOST, Stream
from tests.aio.iterators import Feed, RealFeed, Refused, Row
from tests.aio.support import eventually, in_loop


@asynccontextmanager
async def served(path: Path, impl: Feed | None = None) -> AsyncIterator[Feed]:
    address = f"unix:{path}/s.sock"
    async with (
        mpipc.aio.serve(address, impl or RealFeed()),
        mpipc.aio.connect(address, Feed) as feed,
    ):
        yield feed


async def numbers(end: int) -> AsyncGenerator[int, None]:
    for number in range(end):
        if number % 1000 == 0:
            await asyncio.sleep(0)
        yield number


async def gathered(iterator: AsyncIterator[Any], count: int | None = None) -> list[Any]:
    """The items, at most `count`."""
    found: list[Any] = []
    async for item in iterator:
        found.append(item)
        if len(found) == count:
            break
    return found


async def ended(feed: Feed, count: int) -> None:
    async def condition() -> bool:
        gc.collect()
        return await feed.ended() == count

    await eventually(condition)


@in_loop
async def test_items_arrive_in_both_directions(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        rows = [Row(number, str(number)) for number in range(3 * MOST)]

        async def given() -> AsyncGenerator[Row, None]:
            for row in rows:
                yield row

        assert await gathered(feed.rows(given())) == rows
        assert await gathered(await feed.awaited(7), 3) == [7, 8, 9]
        assert await feed.total(numbers(10_000)) == sum(range(10_000))
        both = await feed.both(40)
        assert both.count == len([row async for row in both.rows]) == 40
        assert await feed.total(feed.rows(numbers(0))) == 0  # type: ignore[arg-type]


@in_loop
async def test_a_call_is_made_when_its_iterator_is_first_asked(tmp_path: Path) -> None:
    impl = RealFeed()
    async with served(tmp_path, impl) as feed:
        counted = feed.count(0)
        await feed.tick()
        assert impl.made == 0
        assert await anext_of(counted) == 0
        assert 1 <= impl.made <= FIRST
        never = feed.count(0)
        await aclose(never)
        assert [number async for number in never] == []


async def anext_of(iterator: AsyncIterator[Any]) -> Any:
    return await iterator.__anext__()


async def aclose(iterator: Any) -> None:
    await iterator.aclose()


@in_loop
async def test_items_come_as_they_are_made(tmp_path: Path) -> None:
    """A batch is not held back for an item that is still to come."""
    async with served(tmp_path) as feed:
        ticks = feed.ticks()
        for burst in (1, 3, 1):
            for _ in range(burst):
                await feed.tick()
            assert [await anext_of(ticks) for _ in range(burst)] == [1] * burst


@in_loop
async def test_an_iterator_that_never_waits_leaves_the_loop_to_others(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(others())
        assert len(await gathered(feed.count(0), 5 * MOST)) == 5 * MOST
        other.cancel()
        assert turns > 5


@in_loop
async def test_a_slow_reader_is_never_more_than_a_batch_behind(tmp_path: Path) -> None:
    impl = RealFeed()
    async with served(tmp_path, impl) as feed:
        read = 0
        async for _ in feed.count(0):
            read += 1
            assert impl.made - read <= 2 * MOST
            if read == 3 * MOST:
                break


@in_loop
async def test_only_what_the_callee_asks_for_is_taken_from_the_caller(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        taken = 0

        async def given() -> AsyncGenerator[int, None]:
            nonlocal taken
            for number in itertools.count():
                taken += 1
                yield number

        assert await feed.first(given(), 3) == [0, 1, 2]
        assert 3 <= taken <= FIRST


@in_loop
@pytest.mark.parametrize("good", [0, 1, FIRST, 100])
async def test_an_exception_comes_behind_the_items_before_it(tmp_path: Path, good: int) -> None:
    async with served(tmp_path) as feed:
        found = []
        refused = feed.refuse_after(good)
        with pytest.raises(Refused, match=f"after {good}"):
            async for number in refused:
                found.append(number)
        assert found == [*range(good)]
        assert [number async for number in refused] == []

        async def given() -> AsyncGenerator[int, None]:
            yield 1
            raise LookupError("no second one")

        with pytest.raises(mpipc.RemoteError, match="no second one"):
            await feed.total(given())


@in_loop
async def test_a_reader_that_closes_or_goes_away_ends_the_generator(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        counted = feed.count(0)
        assert await anext_of(counted) == 0
        await aclose(counted)
        assert await feed.ended() == 1
        assert [number async for number in counted] == []

        counted = feed.count(0)
        await anext_of(counted)
        del counted
        await ended(feed, 2)

        async with await feed.awaited(0) as stream:  # type: ignore[attr-defined]
            assert isinstance(stream, Stream)
            await anext_of(stream)
        assert await feed.ended() == 3


@in_loop
async def test_whoever_waits_for_an_item_can_be_cancelled(tmp_path: Path) -> None:
    """As with a generator of this process, that is the end of the iterator."""
    async with served(tmp_path) as feed:
        ticks = feed.ticks()
        await feed.tick()
        assert await anext_of(ticks) == 1
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext_of(ticks), 0.05)
        await ended(feed, 1)
        assert [tick async for tick in ticks] == []


@in_loop
async def test_an_iterator_that_waits_ends_with_its_reader(tmp_path: Path) -> None:
    """Also where it waits for more than its reader has asked for."""
    async with served(tmp_path) as feed:
        ticks = feed.ticks()
        await feed.tick()
        assert await anext_of(ticks) == 1
        await aclose(ticks)
        assert await feed.ended() == 1
        ticks = feed.ticks()
        await feed.tick()
        assert await anext_of(ticks) == 1
        del ticks
        await ended(feed, 2)


@in_loop
async def test_a_client_that_leaves_ends_its_iterators(tmp_path: Path) -> None:
    impl, address = RealFeed(), f"unix:{tmp_path}/s.sock"
    async with mpipc.aio.serve(address, impl):
        async with mpipc.aio.connect(address, Feed) as feed:
            ticks, counted = feed.ticks(), feed.count(0)
            await feed.tick()
            assert (await anext_of(ticks), await anext_of(counted)) == (1, 0)
            waiting = asyncio.create_task(anext_of(ticks))
            await feed.tick()
            await waiting

        async def both_ended() -> bool:
            gc.collect()
            return await impl.ended() == 2

        await eventually(both_ended)
        with pytest.raises(mpipc.Disconnected):
            await gathered(ticks)


@in_loop
async def test_several_tasks_may_share_an_iterator(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        shared = await feed.awaited(0)
        found = await asyncio.gather(*(gathered(shared, 3000) for _ in range(3)))
        assert sorted(itertools.chain(*found)) == [*range(9000)]


@in_loop
async def test_plain_iterators_are_awaited_in_an_event_loop(tmp_path: Path) -> None:
    async with served(tmp_path) as feed:
        read: Any = await mpipc.aio.call(feed.plain, range(5000))
        assert [number async for number in read] == [*range(5000)]


def blocking(check: Callable[[Any], None], path: Path) -> None:
    """Run a check with a server of each kind."""
    with testing.connected(RealFeed(), Feed) as feed:
        check(feed)
    address = f"unix:{path}/s.sock"

    async def serve() -> None:
        async with mpipc.aio.serve(address, RealFeed()):
            await asyncio.to_thread(connect)

    def connect() -> None:
        with mpipc.connect(address, Feed) as feed:
            check(feed)

    asyncio.run(serve())


def test_blocking_programs_read_them_with_for(tmp_path: Path) -> None:
    def check(feed: Any) -> None:
        assert list(itertools.islice(feed.count(5), 100)) == [*range(5, 105)]
        assert list(feed.rows([Row(1, "a")])) == [Row(1, "a")]
        assert list(feed.plain(numbers(100))) == [*range(100)]
        ticks = feed.ticks()
        asyncio.run(feed.tick())
        assert next(ticks) == 1
        ticks.close()
        with pytest.raises(Refused):
            list(feed.refuse_after(20))

    blocking(check, tmp_path)


def test_blocking_programs_call_methods_that_are_async(tmp_path: Path) -> None:
    def check(feed: Any) -> None:
        assert asyncio.run(feed.total(range(10))) == 45
        assert asyncio.run(feed.total(numbers(5000))) == sum(range(5000))

        async def several() -> list[int]:
            found: list[int] = await asyncio.gather(*(feed.total(range(n)) for n in range(20)))
            return found

        assert asyncio.run(several()) == [sum(range(n)) for n in range(20)]

    blocking(check, tmp_path)
