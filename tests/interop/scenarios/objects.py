"""Objects of either side, callbacks, and their ends."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import capnp

from tests.interop.foreign import Counter, Thread, ThreadMap, eventually, raises, schema
from tests.interop.scenarios.calls import noted, thread


class Step(schema.Step.Server):  # type: ignore[misc]
    """Adds one; `calls` are the threads (thread, callback thread) of each call."""

    def __init__(self, error: str = "") -> None:
        self.calls: list[tuple[str, str]] = []
        self.error = error

    async def call(self, context: Any, arg0: int, **_: Any) -> int:
        names = ["", ""]
        for index, field in enumerate(("thread", "callbackThread")):
            if context._has(field):
                names[index] = (await getattr(context, field).getName()).result
        self.calls.append((names[0], names[1]))
        if self.error:
            raise RuntimeError(self.error)
        return arg0 + 1


async def counters_are(root: Any, number: int) -> None:
    """Wait until the server has this many counters."""

    async def condition() -> bool:
        return bool((await root.liveCounters()).result == number)

    await eventually(condition)


async def own_counters_are(number: int) -> None:
    """Wait until this side has this many counters."""

    async def condition() -> bool:
        gc.collect()
        return Counter.live == number

    await eventually(condition)


async def none_is_a_null_object(root: Any) -> None:
    assert not (await root.findCounter(label="nobody"))._has("result")
    assert not (await root.echoCounter())._has("result")
    assert not (await root.isOurs()).result
    await root.keep()
    assert not (await root.kept())._has("result")


async def an_object_keeps_its_state(root: Any) -> None:
    counter = (await root.makeCounter(label="c")).result
    assert [(await counter.add(amount=n)).result for n in (1, 2, 3)] == [1, 3, 6]
    child = (await counter.child(label="d")).result
    assert (await child.name()).result == "c/d"
    assert (await (await child.parent()).result.add(amount=1)).result == 7


async def the_servers_object_is_itself_when_it_comes_back(root: Any) -> None:
    counter = (await root.makeCounter(label="theirs")).result
    assert (await root.isOurs(counter=counter)).result
    assert not (await root.isOurs(counter=Counter("ours"))).result
    await root.keep(counter=counter)
    again = (await root.kept()).result
    assert (await root.isOurs(counter=again)).result
    assert (await again.name()).result == "theirs"


async def our_object_is_itself_when_it_comes_back(root: Any) -> None:
    own = Counter("ours")
    back = (await root.echoCounter(counter=own)).result
    assert (await back.add(amount=5)).result == 5
    await root.keep(counter=own)
    kept = (await root.kept()).result
    assert (await kept.add(amount=2)).result == 7
    # Nobody in between has added a context.
    assert own.calls == [[5, "", ""], [2, "", ""]]


async def objects_travel_in_lists(root: Any) -> None:
    theirs = (await root.makeCounter(label="theirs")).result
    names = (await root.namesOf(counters=[theirs, Counter("ours"), theirs])).result
    assert list(names) == ["theirs", "ours", "theirs"]


async def a_callback_runs_on_the_thread_that_made_the_call(root: Any) -> None:
    step = Step()
    context = await thread(root, "caller")
    applied = await root.apply(context=context, step=step, value=5, times=3)
    assert applied.result == 8
    assert step.calls == [("the client's", "caller")] * 3


async def a_callback_without_threads_works(root: Any) -> None:
    step = Step()
    assert (await root.apply(step=step, value=5, times=2)).result == 7
    assert [thread for thread, _ in step.calls] == ["", ""]


async def a_thread_that_serves_no_call_asks_for_one_of_ours(root: Any) -> None:
    thread_map = ThreadMap()
    await root.construct(threadMap=thread_map)
    own = Counter("ours")
    await root.keep(counter=own)
    for amount in (3, 4):
        await root.addInBackground(context=await thread(root, "t"), amount=amount)
    assert own.calls[0] == [3, "background", "background"]
    assert own.total == 7


async def without_a_thread_map_of_ours_the_context_names_no_thread(root: Any) -> None:
    own = Counter("ours")
    await root.keep(counter=own)
    assert (await root.addInBackground(amount=3)).result == 3
    assert own.calls == [[3, "", "background"]]


async def an_exception_in_a_callback_comes_through(root: Any) -> None:
    error = await raises(root.apply(step=Step("out of steps"), value=1, times=1))
    assert error.type == "FAILED"
    assert "out of steps" in error.description
    assert (await root.apply(step=Step(), value=1, times=1)).result == 2


async def an_object_of_another_kind_is_unimplemented(root: Any) -> None:
    wrong = schema.Counter._new_client(Counter("no step")).cast_as(schema.Step)
    error = await raises(root.apply(step=wrong, value=1, times=1))
    assert error.type == "UNIMPLEMENTED"


async def a_thread_map_is_no_counter(root: Any) -> None:
    """Capabilities of the runtime's own are not taken for objects."""
    thread_map = (await root.construct(threadMap=ThreadMap())).threadMap
    error = await raises(root.namesOf(counters=[thread_map.cast_as(schema.Counter)]))
    assert "another kind" in error.description


async def an_object_ends_when_its_last_reference_goes(root: Any) -> None:
    counters = [(await root.makeCounter(label=str(n))).result for n in range(5)]
    again = (await root.findCounter(label="0")).result
    await counters_are(root, 5)
    del counters[1:]
    await counters_are(root, 1)
    del counters[:]
    assert (await again.add(amount=1)).result == 1
    await counters_are(root, 1)
    del again
    await counters_are(root, 0)


async def an_object_of_ours_ends_when_the_server_lets_go(root: Any) -> None:
    await root.keep(counter=Counter("ours"))
    await own_counters_are(1)
    await root.keep()
    await own_counters_are(0)
    # As a mere parameter; with the callback thread it is one of two capabilities.
    context = await thread(root, "t")
    for _ in range(3):
        assert not (await root.isOurs(context=context, counter=Counter("ours"))).result
        assert not (await root.isOurs(counter=Counter("ours"))).result
    await own_counters_are(0)
    await raises(root.apply(context=context, step=Step("error"), value=1, times=1))
    await root.echoCounter(context=context, counter=Counter("ours"))
    await own_counters_are(0)


async def destroy_ends_an_object_before_it_returns(root: Any) -> None:
    counter = (await root.makeCounter(label="c")).result
    other = (await root.findCounter(label="c")).result
    await counter.destroy(context=await thread(root, "t"))
    error = await raises(counter.add(amount=1))
    assert "destroyed" in error.description
    # Another reference to the same object is not affected.
    assert (await other.add(amount=1)).result == 1
    await other.destroy()
    assert (await root.liveCounters()).result == 0


async def a_call_outlives_the_reference_that_it_was_made_on(root: Any) -> None:
    """The object is released while the call waits for its thread."""
    context = await thread(root, "busy")
    held = root.hold(context=context, key="k")
    await noted(root, "holding k")
    counter = (await root.makeCounter(label="c")).result
    call = counter.add(context=context, amount=5)
    del counter
    await counters_are(root, 1)
    await root.letGo(key="k")
    await held
    assert (await call).result == 5
    del call
    await counters_are(root, 0)


async def the_root_object_can_be_asked_for_again(root: Any) -> None:
    stream = await capnp.AsyncIoStream.create_unix_connection(sys.argv[2])
    client = capnp.TwoPartyClient(stream)
    for _ in range(5):
        again = client.bootstrap().cast_as(schema.Root)
        assert (await again.refuse(text="")).result == "accepted"
        del again
        gc.collect()
        await root.note(text="meanwhile")


async def threads_of_the_server_end_with_their_references(root: Any) -> None:
    """The server allows a client 20 of them at a time."""
    thread_map = (await root.construct()).threadMap

    async def all_are_free() -> bool:
        made: list[Any] = []
        try:
            while len(made) < 20:
                made.append((await thread_map.makeThread("t")).result)
            error = await raises(thread_map.makeThread("one too many"))
            assert error.type == "OVERLOADED"
            await asyncio.gather(*(root.threadName(context={"thread": each}) for each in made))
        except capnp.KjException:
            return False
        finally:
            made.clear()
            gc.collect()  # what an exception keeps here is not given back
        return True

    for _ in range(3):
        await eventually(all_are_free)

    # Threads that nobody ever gets, but which run a call.
    async def one_is_free() -> bool:
        early = thread_map.makeThread("early").result
        try:
            return bool((await root.threadName(context={"thread": early})).result == "early")
        except capnp.KjException as e:
            assert e.type == "OVERLOADED"
            return False

    for _ in range(30):
        await eventually(one_is_free)
    await eventually(all_are_free)


async def a_callback_thread_can_be_used_for_a_call_back(root: Any) -> None:
    """While the server's thread waits for our callback, that callback calls it: on that thread."""

    class Nested(schema.Step.Server):  # type: ignore[misc]
        async def call(self, context: Any, arg0: int, **_: Any) -> int:
            back = {"thread": context.callbackThread, "callbackThread": Thread("deeper")}
            name = (await root.threadName(context=back)).result
            assert name == "outer", name
            if arg0 < 5:
                nested = await root.apply(context=back, step=Nested(), value=arg0 + 1, times=1)
                return int(nested.result)
            return arg0

    context = await thread(root, "outer")
    result = await root.apply(context=context, step=Nested(), value=0, times=1)
    assert result.result == 5
