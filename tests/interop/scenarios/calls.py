"""Values, threads, errors and cancellation."""

from __future__ import annotations

import asyncio
import math
import sys
from typing import Any

import capnp

from tests.interop.foreign import Thread, ThreadMap, eventually, raises, schema


async def thread(root: Any, name: str) -> Any:
    """A context whose calls run on a thread of the server's with this name."""
    thread_map = (await root.construct(threadMap=ThreadMap())).threadMap
    made = (await thread_map.makeThread(name)).result
    return {"thread": made, "callbackThread": Thread("the client's")}


VALUES: dict[str, Any] = {
    "flag": True,
    "small": -128,
    "number": -(2**63),
    "unsigned": 2**64 - 1,
    "ratio": 0.1,
    "single": 0.5,
    "text": "grüße €\U0001f600",
    "data": bytes(range(256)),
    "color": 2,
    "point": {"x": -1, "y": 2**31 - 1},
    "maybe": -7,
    "hasMaybe": True,
    "delay": 1500.0,
    "flags": [True, False, True] * 7,
    "numbers": [0, 65535, 258],
    "texts": ["", "one", "twelve bytes"],
    "points": [{"x": i, "y": -i} for i in range(5)],
    "table": [{"key": "a", "value": {"x": 1, "y": 2}}, {"key": "", "value": {"x": 0, "y": 0}}],
}


async def every_value_comes_back(root: Any) -> None:
    assert (await root.echo(values=VALUES)).result.to_dict() == VALUES


async def forever_comes_back(root: Any) -> None:
    longest = (await root.echo(values={**VALUES, "delay": math.inf})).result.delay
    assert longest == 1.7976931348623157e308


async def fields_that_are_not_set_are_their_types_zero(root: Any) -> None:
    result = (await root.echo(values={"color": 1})).result
    assert result.to_dict() == {
        **schema.Values.new_message().to_dict(), "color": 1, "text": "", "data": b"",
        "point": {"x": 0, "y": 0}, "flags": [], "numbers": [], "texts": [], "points": [],
        "table": [],
    }  # fmt: skip


async def an_enum_out_of_range_is_an_error_that_names_it(root: Any) -> None:
    error = await raises(root.echo(values={**VALUES, "color": 3}))
    assert error.type == "FAILED"
    assert "3" in error.description and "Color" in error.description
    assert (await root.echo(values=VALUES)).result.color == 2


async def without_a_context_a_call_runs_on_a_pool(root: Any) -> None:
    names = await asyncio.gather(*(root.threadName() for _ in range(5)))
    assert all(name.result.startswith("pool-") for name in names)
    empty: dict[str, Any] = {}
    assert (await root.threadName(context=empty)).result.startswith("pool-")


async def without_a_context_parameter_a_call_runs_on_the_io_thread(root: Any) -> None:
    assert (await root.ioThreadName()).result.startswith("mpipc-io")


async def construct_needs_no_thread_map(root: Any) -> None:
    thread_map = (await root.construct()).threadMap
    made = (await thread_map.makeThread("made")).result
    assert (await made.getName()).result == "made"
    assert (await root.threadName(context={"thread": made})).result == "made"


async def a_pool_can_be_asked_for(root: Any) -> None:
    thread_map = (await root.construct()).threadMap
    await thread_map.makePool(3)
    assert (await root.threadName()).result.startswith("pool-")


async def calls_run_on_the_thread_that_they_name(root: Any) -> None:
    thread_map = (await root.construct(threadMap=ThreadMap())).threadMap
    first, second = [(await thread_map.makeThread(name)).result for name in ("first", "second")]
    for made, name in ((first, "first"), (second, "second"), (first, "first")):
        context = {"thread": made, "callbackThread": Thread("the client's")}
        assert (await root.threadName(context=context)).result == name


async def a_thread_can_be_named_before_it_is_there(root: Any) -> None:
    thread_map = root.construct(threadMap=ThreadMap()).threadMap
    made = thread_map.makeThread("early").result
    assert (await root.threadName(context={"thread": made})).result == "early"


async def a_thread_of_ours_cannot_run_a_call_of_theirs(root: Any) -> None:
    error = await raises(root.threadName(context={"thread": Thread("the client's")}))
    assert "no thread of this process" in error.description


async def requests_to_one_thread_run_in_order(root: Any) -> None:
    context = await thread(root, "queue")
    texts = [str(number) for number in range(200)]
    await asyncio.gather(*(root.note(context=context, text=text) for text in texts))
    assert list((await root.notes()).result) == texts


async def threads_do_not_wait_for_each_other(root: Any) -> None:
    held = root.hold(context=await thread(root, "busy"), key="k")
    other = await thread(root, "free")
    assert (await root.threadName(context=other)).result == "free"
    await root.letGo(context=other, key="k")
    assert (await held).result == "k"


async def a_thread_ends_after_what_it_was_asked_to_do(root: Any) -> None:
    thread_map = (await root.construct()).threadMap
    made = (await thread_map.makeThread("ending")).result
    calls = [root.note(context={"thread": made}, text=str(n)) for n in range(20)]
    del made
    await asyncio.gather(*calls)
    assert len((await root.notes()).result) == 20


async def an_undeclared_exception_says_what_it_is(root: Any) -> None:
    error = await raises(root.fail(text="nothing of that kind"))
    assert error.type == "FAILED"
    assert "LookupError: nothing of that kind" in error.description
    assert (await root.refuse(text="")).result == "accepted"


async def a_declared_exception_is_a_result(root: Any) -> None:
    refused = await root.refuse(text="no such thing")
    assert (refused.error, refused.result) == ("no such thing", "")
    accepted = await root.refuse(text="")
    assert (accepted._has("error"), accepted.result) == (False, "accepted")


async def another_interface_is_unimplemented(root: Any) -> None:
    error = await raises(root.cast_as(schema.Counter).add(amount=1))
    assert error.type == "UNIMPLEMENTED", error
    error = await raises(root.cast_as(schema.Counter).child(label="x").result.name())
    assert error.type == "UNIMPLEMENTED", error
    assert (await root.refuse(text="")).result == "accepted"


async def noted(root: Any, text: str) -> None:
    """Wait until the server has noted a text."""

    async def found() -> bool:
        return text in (await root.notes()).result

    await eventually(found)


async def a_canceled_call_runs_to_its_end(root: Any) -> None:
    context = await thread(root, "canceled")
    for key, given in (("pool", {}), ("thread", {"context": context})):
        call = root.hold(key=key, **given)
        await noted(root, f"holding {key}")
        del call  # pycapnp cancels what nobody can wait for any more
        await root.note(text="after the cancellation")
        assert f"held {key}" not in (await root.notes()).result
        await root.letGo(key=key)
        await noted(root, f"held {key}")
    assert (await root.threadName(context=context)).result == "canceled"


async def a_call_can_be_canceled_before_it_runs(root: Any) -> None:
    context = await thread(root, "canceled")
    held = root.hold(context=context, key="k")
    calls = [root.note(context=context, text=f"canceled {n}") for n in range(5)]
    await noted(root, "holding k")
    del calls
    await root.letGo(key="k")
    await held
    await root.note(context=context, text="last")
    assert (await root.notes()).result[-1] == "last"


async def large_values_pass(root: Any) -> None:
    data = bytes(range(256)) * (20 << 12)  # 20 MiB
    size = len(data) + 1_000_000
    for _ in range(3):  # after the first, mpipc asks whether they may take another way
        assert (await root.size(data=data, texts=["x" * 1000] * 1000)).result == size
        assert (await root.blob(size=len(data))).result == data


async def messages_of_many_segments_pass(root: Any) -> None:
    """Each text is larger than what pycapnp allocates at first, so it gets a segment."""
    texts = ["x" * (9_000 + 3_000 * number) for number in range(20)]
    request = root.size_request()
    request.init("texts", len(texts))
    for index, text in enumerate(texts):
        request.texts[index] = text
    assert (await request.send()).result == sum(map(len, texts))


async def many_calls_at_once_are_all_answered(root: Any) -> None:
    counter = (await root.makeCounter(label="c")).result
    results = await asyncio.gather(*(counter.add(amount=1) for _ in range(1000)))
    assert sorted(each.result for each in results) == list(range(1, 1001))


async def a_second_connection_works_too(root: Any) -> None:
    stream = await capnp.AsyncIoStream.create_unix_connection(sys.argv[2])
    client = capnp.TwoPartyClient(stream)
    other = client.bootstrap().cast_as(schema.Root)
    await other.note(text="from the other")
    assert list((await root.notes()).result) == ["from the other"]
