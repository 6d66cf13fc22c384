"""Conversations, recorded: what each end of a connection has said, message by message."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import mpipc
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Local
from mpipc.errors import IpcError
from mpipc.generate.load import generated_for
from tests.fuzz.inline import InlineDriver
from tests.interop.declarations import Color, Point, Root, Values
from tests.interop.service import LocalCounter, Service

GENERATED = generated_for(Root)
LIMITS = Limits(calls=100, exports=200, threads=50, message_words=1 << 16)
VALUES = Values(
    flag=True, small=-3, number=-(2**40), unsigned=2**63, ratio=0.5, single=1.5, text="a text ✓",
    data=b"\0\1\2", color=Color.GREEN, point=Point(1, -1), maybe=None,
    delay=timedelta(seconds=2), flags=[True, False, True], numbers=[1, 2, 65535],
    texts=["", "one", "two"] * 8, points=[Point(n, -n) for n in range(20)],
    table={"a": Point(3, 4), "b": Point(5, 6)},
)  # fmt: skip


class FuzzedService(Service):
    """Nothing waits for another thread, and nothing takes as much memory as it is asked for."""

    def hold(self, key: str) -> str:
        return key

    def add_in_background(self, amount: int) -> int:
        assert self.kept_counter is not None
        return self.kept_counter.add(amount)

    def apply(self, step: Any, value: int, times: int) -> int:
        return super().apply(step, value, min(times, 5))

    def blob(self, size: int) -> memoryview:
        return memoryview(bytes(min(size, 10_000)))


# ------------------------------------------------------------------------------------- scripts


def attempt(call: Callable[..., Any], *args: Any) -> Any:
    """A call that may fail in any way that a peer can make it fail."""
    try:
        return call(*args)
    except (IpcError, ValueError):
        return None


def values(root: Any) -> None:
    for number in range(3):
        attempt(root.size, memoryview(b"data" * number), ["text"] * number)
    attempt(root.echo, VALUES)
    attempt(root.io_thread_name)
    attempt(root.blob, 3000)
    attempt(root.echo, VALUES)


def objects(root: Any) -> None:
    counter = attempt(root.make_counter, "one")
    attempt(root.keep, counter)
    same = attempt(root.kept)
    attempt(root.is_ours, same)
    child = counter and attempt(counter.child, "two")
    parent = child and attempt(child.parent)
    attempt(root.names_of, [each for each in (counter, child, parent) if each is not None])
    del same, parent
    if child is not None:
        attempt(mpipc.close, child)
    attempt(root.find_counter, "nobody")
    attempt(root.live_counters)


def callbacks(root: Any) -> None:
    mine = LocalCounter("mine")
    attempt(root.apply, lambda value: value + 1, 5, 3)
    attempt(root.keep, mine)
    attempt(root.add_in_background, 3)
    attempt(root.echo_counter, mine)
    attempt(root.names_of, [mine, LocalCounter("other")])
    attempt(root.apply, lambda value: root.size(memoryview(b"inside"), []) + value, 5, 2)
    attempt(root.keep, None)
    attempt(root.kept)


def errors(root: Any) -> None:
    attempt(root.make_counter, "")
    attempt(root.fail, "a text")
    attempt(root.refuse, "no")
    attempt(root.refuse, "")
    attempt(root.apply, lambda value: {}[value], 5, 3)
    attempt(root.fail, "again")


def pipelined(root: Any) -> None:
    def calls() -> None:
        with mpipc.pipeline() as pipeline:
            for label in "ab":
                counter = pipeline.object(root.make_counter, label)
                child = pipeline.object(counter.child, label)
                pipeline.call(child.add, 3)
            pipeline.call(root.live_counters)

    attempt(calls)
    attempt(root.live_counters)


SCRIPTS = (values, objects, callbacks, errors, pipelined)


# ----------------------------------------------------------------------------------- recording


class Transcript(NamedTuple):
    """What both ends have said while the client went through a script."""

    script: Callable[[Any], None]
    client: list[bytes]
    server: list[bytes]


def frames(stream: bytes) -> list[bytes]:
    """The messages of a stream that is well-formed, of one segment each."""
    found = []
    while stream:
        end = 8 + struct.unpack_from("<I", stream, 4)[0] * 8
        found.append(stream[:end])
        stream = stream[end:]
    return found


def run_client(driver: InlineDriver, script: Callable[[Any], None]) -> None:
    """Be a client that goes through a script, whatever it is answered."""
    connection = driver.start(None, LIMITS)
    root = attempt(connection.start, GENERATED)
    if root is not None:
        script(root)


def start_server(driver: InlineDriver) -> None:
    driver.start(Local(FuzzedService(), GENERATED.server), LIMITS)


def record(script: Callable[[Any], None]) -> Transcript:
    """Have a client go through a script."""
    client, server = InlineDriver(), InlineDriver()
    transcript = Transcript(script, [], [])

    def pass_on(sender: InlineDriver, receiver: InlineDriver, record: list[bytes]) -> bool:
        sent = sender.sent()
        record += frames(sent)
        for message in frames(sent):
            receiver.feed(message)
        return bool(sent)

    def exchange() -> bool:
        moved = pass_on(client, server, transcript.client)
        while server.run_next():
            moved = True
        moved |= pass_on(server, client, transcript.server)
        return moved

    client.more = exchange
    server.more = lambda: (
        pass_on(server, client, transcript.server)
        | client.run_next()
        | pass_on(client, server, transcript.client)
    )
    start_server(server)
    run_client(client, script)
    while exchange() or client.run_next():
        pass
    return transcript


def recorded() -> list[Transcript]:
    """All of them."""
    return [record(script) for script in SCRIPTS]
