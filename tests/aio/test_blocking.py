"""Interfaces that are awaited, in programs that block: other ways to call them."""

from __future__ import annotations

import asyncio

import pytest

import mpipc
from mpipc import testing
from tests.aio.iterators import Feed, RealFeed


def test_a_pipeline_sends_calls_that_give_async_iterators() -> None:
    with testing.connected(RealFeed(), Feed) as feed:
        with mpipc.pipeline() as p:
            counted = p.call(feed.count, 3)
        assert next(counted.result()) == 3


def test_a_deadline_holds_for_what_is_awaited() -> None:
    class Slow(RealFeed):
        async def ended(self) -> int:
            await asyncio.sleep(3600)
            return 0

    with testing.connected(Slow(), Feed) as feed:
        with mpipc.timeout(0.1), pytest.raises(mpipc.Timeout):
            asyncio.run(feed.ended())
        with pytest.raises(mpipc.Timeout):
            asyncio.run(mpipc.with_timeout(feed, 0.1).ended())
        assert asyncio.run(feed.total([1, 2])) == 3
