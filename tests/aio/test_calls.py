"""Calls from one event loop to another, in two processes."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mpipc
import mpipc.aio
from tests.aio.declarations import Color, OutOfStock, Point, Root, Split, Thing
from tests.aio.support import ROOT, eventually, in_loop


@in_loop
async def test_a_call_is_awaited(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        assert isinstance(root, Root)
        assert await root.add(1) == 2
        assert await root.add(1, second=5) == 6
        assert await root.split(7, 2) == Split(quotient=3, remainder=1)


@in_loop
async def test_connecting_can_be_awaited(shared: str) -> None:
    root = await mpipc.aio.connect(shared, Root)
    assert await root.add(1) == 2
    await mpipc.aio.close(root)
    with pytest.raises(mpipc.IpcError, match="RootClient was closed"):
        await root.add(1)


_NUMBER = st.integers(-(2**31), 2**31 - 1)
_POINT = st.builds(Point, _NUMBER, _NUMBER)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.tuples(
    st.integers(-128, 127),
    _TEXT,
    st.binary(),
    st.sampled_from(Color),
    st.lists(_POINT),
    st.dictionaries(_TEXT, _NUMBER),
    st.none() | _TEXT,
    st.integers(0, 10**9).map(lambda number: timedelta(milliseconds=number)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_VALUES)
def test_values_arrive_as_they_were(shared: str, values: Any) -> None:
    async def there() -> list[str]:
        async with mpipc.aio.connect(shared, Root) as root:
            assert await root.echo_points(values[4]) == values[4]
            return await root.values(*values)

    assert asyncio.run(there()) == [*map(repr, values)]


@in_loop
async def test_a_value_that_does_not_fit_is_refused_before_anything_is_sent(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        with pytest.raises(mpipc.ConversionError, match="number"):
            await root.values(128, "", b"", Color.RED, [], {}, None, timedelta())
        assert await root.add(1) == 2


@in_loop
async def test_exceptions(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        with pytest.raises(OutOfStock, match="apples"):
            await root.order("apples")
        with pytest.raises(mpipc.RemoteError, match="apples") as caught:
            await root.fail("apples")
        assert caught.value.type == "KeyError"


@in_loop
async def test_a_thousand_calls_at_once(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        waiting = [asyncio.create_task(root.wait("thousand")) for _ in range(1000)]

        async def all_wait() -> bool:
            return await root.waiting("thousand") == 1000

        await eventually(all_wait)
        assert await asyncio.gather(*(root.add(n) for n in range(1000))) == [*range(1, 1001)]
        await root.open("thousand")
        assert set(await asyncio.gather(*waiting)) == {"thousand"}


@in_loop
async def test_objects_travel_and_are_released(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        thing = await root.make("one")
        assert isinstance(thing, Thing)
        assert await thing.get_name() == "one"
        assert await root.ask(thing) == "one"  # its own object comes back to it
        assert await root.alive() == ["one"]
        del thing

        async def released() -> bool:
            gc.collect()
            return await root.alive() == []

        await eventually(released)
        thing = await root.make("two")
        await mpipc.aio.close(thing)
        assert await root.alive() == []


class ThingThere(Thing):
    async def get_name(self) -> str:
        await asyncio.sleep(0)
        return "there"


@in_loop
async def test_the_server_calls_back(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        assert await root.ask(ThingThere()) == "there"

        async def step(value: int) -> int:
            return await root.add(value, 10)  # a call within the callback

        assert await root.call(step, 1) == 11
        assert await mpipc.aio.call(root.call_in_thread, lambda value: value * 2, 4) == 8

        async def broken(value: int) -> int:
            raise ValueError(f"not {value}")

        with pytest.raises(mpipc.RemoteError, match="not 1"):
            await root.call(broken, 1)


@in_loop
async def test_plain_methods_are_called_with_call(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        with pytest.raises(mpipc.IpcError, match=r"add_in_thread .* mpipc\.aio\.call"):
            root.add_in_thread(1, 2)
        assert await mpipc.aio.call(root.add_in_thread, 1, second=2) == 3
        assert await mpipc.aio.call(root.thread) == "MainThread"
        assert await asyncio.to_thread(root.add_in_thread, 1, 2) == 3


@in_loop
async def test_call_calls_objects_of_this_process_in_place() -> None:
    assert await mpipc.aio.call("abc".upper) == "ABC"
    await mpipc.aio.close(ThingThere())


@in_loop
async def test_a_large_answer(shared: str) -> None:
    async with mpipc.aio.connect(shared, Root) as root:
        assert await root.data(20_000_000) == bytes(20_000_000)


@in_loop
async def test_what_cannot_be_connected_to() -> None:
    with pytest.raises(mpipc.AddressError, match="nobody listens"):
        await mpipc.aio.connect("unix:/nowhere/s.sock", Root)
    with pytest.raises(mpipc.SchemaError, match="no root interface"):
        await mpipc.aio.connect("unix:/nowhere/s.sock", Thing)


def test_asyncio_is_imported_when_it_is_used() -> None:
    program = (
        "import sys, mpipc; print('asyncio' in sys.modules);"
        "mpipc.aio.connect; print('asyncio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
