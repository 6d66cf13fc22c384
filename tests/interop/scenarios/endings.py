"""Clients that do not say goodbye; their tests look at the server afterwards."""

from __future__ import annotations

import os
from typing import Any

from tests.interop.foreign import Counter
from tests.interop.scenarios.calls import noted, thread


async def leaves_in_the_middle_of_calls(root: Any) -> None:
    """With calls running, queued, and waiting for an answer, and objects on both sides."""
    context = await thread(root, "left")
    theirs = [(await root.makeCounter(label=label)).result for label in "ab"]
    await root.keep(counter=Counter("ours"))
    calls = [
        root.hold(context=context, key="k"),
        root.note(context=context, text="queued"),
        root.makeCounter(context=context, label="c").result.child(label="d").result.name(),
        root.namesOf(counters=[root.makeCounter(context=context, label="e").result]),
    ]
    await noted(root, "holding k")
    assert len(theirs) == 2 and len(calls) == 4
    os._exit(0)


async def leaves_in_the_middle_of_a_callback(root: Any) -> None:
    """While the server's thread waits for it."""

    class Leaving(Counter):
        async def name(self, **_: Any) -> str:
            os._exit(0)

    await root.namesOf(context=await thread(root, "left"), counters=[Leaving("ours")])
