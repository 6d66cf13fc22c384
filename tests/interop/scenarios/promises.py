"""Calls on answers and parameters that are not there yet."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.interop.foreign import Counter, raises, schema
from tests.interop.scenarios.calls import noted, thread
from tests.interop.scenarios.objects import counters_are, own_counters_are


class Late(schema.Root.Server):  # type: ignore[misc]
    """Makes promises: its counters come when `arrived` is set, and are what it says then."""

    def __init__(self) -> None:
        self.arrived: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def makeCounter(self, **_: Any) -> Any:
        return await self.arrived


def promise() -> tuple[Any, Any]:
    """A counter that is a promise, and the future that settles it."""
    late = Late()
    return schema.Root._new_client(late).makeCounter().result, late.arrived


async def calls_on_the_root_before_it_is_there(root: Any) -> None:
    names = await asyncio.gather(root.threadName(), root.ioThreadName(), root.threadName())
    assert all(name.result for name in names)


async def calls_on_answers_several_deep(root: Any) -> None:
    chain = root.makeCounter(label="a").result.child(label="b").result.child(label="c").result
    assert (await chain.parent().result.parent().result.name()).result == "a"
    assert (await chain.name()).result == "a/b/c"


async def calls_on_an_answer_run_in_order(root: Any) -> None:
    context = await thread(root, "t")
    held = root.hold(context=context, key="k")
    counter = root.makeCounter(context=context, label="c").result
    calls = [counter.add(context=context, amount=n) for n in range(50)]
    await noted(root, "holding k")
    await root.letGo(key="k")
    await held
    calls += [counter.add(context=context, amount=n) for n in range(50, 100)]
    totals = [(await call).result for call in calls]
    assert totals == [sum(range(n + 1)) for n in range(100)]


async def the_answer_can_be_dropped_when_the_call_on_it_is_sent(root: Any) -> None:
    context = await thread(root, "t")
    for _ in range(20):
        held = root.hold(context=context, key="k")
        made = root.makeCounter(context=context, label="c")
        call = made.result.add(context=context, amount=7)
        del made
        await root.letGo(key="k")
        assert (await call).result == 7
        await held
        call = root.makeCounter(label="d").result.add(amount=7)
        assert (await call).result == 7
    del call
    await counters_are(root, 0)


async def a_call_on_a_failed_answer_fails_alike(root: Any) -> None:
    failed = root.makeCounter(label="")
    error = await raises(failed.result.add(amount=1))
    assert "a counter needs a label" in error.description
    error = await raises(failed.result.child(label="x").result.child(label="y").result.name())
    assert "a counter needs a label" in error.description


async def a_long_chain_on_a_failed_answer_fails_alike(root: Any) -> None:
    context = await thread(root, "t")
    held = root.hold(context=context, key="k")
    counter = root.makeCounter(context=context, label="").result
    for _ in range(2000):
        counter = counter.child(label="x").result
    last = counter.name()
    await root.letGo(key="k")
    await held
    error = await raises(last)
    assert "a counter needs a label" in error.description, error
    assert (await root.refuse(text="")).result == "accepted"


async def a_call_on_a_null_object_fails(root: Any) -> None:
    for _ in range(20):
        error = await raises(root.findCounter(label="nobody").result.name())
        # Which of them depends on how early the call is.
        assert re.search("null object|holds no object|null capability", error.description)


async def a_promised_object_can_be_a_parameter(root: Any) -> None:
    assert (await root.isOurs(counter=root.makeCounter(label="c").result)).result
    first, second = (root.makeCounter(label=label).result for label in "ab")
    names = await root.namesOf(counters=[first.child(label="x").result, second, first])
    assert list(names.result) == ["a/x", "b", "a"]


async def a_promised_parameter_may_be_released_before_the_next_is_there(root: Any) -> None:
    context = await thread(root, "busy")
    held = root.hold(context=context, key="k")
    await noted(root, "holding k")
    early = root.makeCounter(label="early")
    call = root.namesOf(
        counters=[early.result, root.makeCounter(context=context, label="late").result]
    )
    await early
    del early
    await root.note(text="the answer was finished before this")
    await root.letGo(key="k")
    await held
    assert list((await call).result) == ["early", "late"]


async def a_failed_parameter_fails_the_call(root: Any) -> None:
    error = await raises(root.isOurs(counter=root.makeCounter(label="").result))
    assert "a counter needs a label" in error.description


async def a_promise_of_ours_can_be_a_parameter(root: Any) -> None:
    """The server calls it before we have resolved it."""
    counter, arrived = promise()
    call = root.namesOf(counters=[counter])
    await root.note(text="the call is there")
    arrived.set_result(Counter("late"))
    assert list((await call).result) == ["late"]
    # Afterwards, too.
    assert list((await root.namesOf(counters=[counter])).result) == ["late"]
    del counter, arrived, call
    await own_counters_are(0)


async def a_promise_of_ours_that_resolves_to_the_servers_object(root: Any) -> None:
    theirs = (await root.makeCounter(label="theirs")).result
    counter, arrived = promise()
    await root.keep(counter=counter)
    call = root.addInBackground(amount=3)
    arrived.set_result(theirs)
    assert (await call).result == 3
    assert (await root.addInBackground(amount=4)).result == 7
    assert (await theirs.add(amount=0)).result == 7
    await root.keep()
    del theirs, counter, arrived, call
    await counters_are(root, 0)


async def a_promise_of_ours_that_breaks(root: Any) -> None:
    counter, arrived = promise()
    call = root.namesOf(counters=[counter])
    await root.note(text="the call is there")
    arrived.set_exception(RuntimeError("it never came"))
    error = await raises(call)
    assert "it never came" in error.description


async def calls_on_an_answer_that_is_our_own_object_reach_it_in_order(root: Any) -> None:
    """The server passes them back; those made later, directly, must wait for them (embargo)."""
    for round in range(10):
        own = Counter("ours")
        answer = root.echoCounter(counter=own)
        early = answer.result
        calls = [early.add(amount=n) for n in range(20)]
        await answer
        calls += [early.add(amount=n) for n in range(20, 40)]
        assert [(await call).result for call in calls] == [sum(range(n + 1)) for n in range(40)]
        assert [amount for amount, *_ in own.calls] == list(range(40)), round


async def calls_wait_at_the_server_until_it_knows_the_object_to_be_ours(root: Any) -> None:
    context = await thread(root, "busy")
    held = root.hold(context=context, key="k")
    own = Counter("ours")
    back = root.echoCounter(context=context, counter=own).result
    calls = [back.add(amount=n) for n in range(20)]
    await noted(root, "holding k")
    assert own.calls == []
    await root.letGo(key="k")
    await held
    calls += [back.add(amount=n) for n in range(20, 40)]
    await asyncio.gather(*calls)
    assert [amount for amount, *_ in own.calls] == list(range(40))


async def calls_that_are_passed_back_carry_objects_and_errors(root: Any) -> None:
    own = Counter("ours")
    back = root.echoCounter(counter=own).result
    assert (await back.child(label="x").result.name()).result == "ours/x"
    theirs = root.makeCounter(label="theirs").result
    assert (await back.nameOf(other=theirs)).result == "theirs"
    back = root.echoCounter(counter=own).result
    assert (await back.nameOf(other=Counter("another"))).result == "another"
    back = root.echoCounter(counter=own).result
    error = await raises(back.cast_as(schema.Root).refuse(text=""))
    assert error.type == "UNIMPLEMENTED"


async def an_answer_of_an_answer_that_is_our_own_object(root: Any) -> None:
    own = Counter("ours")
    once = root.echoCounter(counter=own).result
    twice = root.echoCounter(counter=once).result
    thrice = root.echoCounter(counter=twice).result
    calls = [each.add(amount=1) for each in (thrice, twice, once, thrice)]
    assert sorted([(await call).result for call in calls]) == [1, 2, 3, 4]
    del once, twice, thrice, own, calls
    await own_counters_are(0)
