"""RPC messages that break the encoding or the protocol, in the middle of a conversation."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from struct import pack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.session import Delivery, Import
from mpipc.capnp.threads import read_capability, read_context, read_text, write_text
from mpipc.errors import ConversionError, Disconnected, ProtocolError
from mpipc.generate.load import generated_for
from tests import rpc_peer
from tests.interop.declarations import Root
from tests.interop.service import Service
from tests.mutations import damaged
from tests.rpc_peer import Object, Peer, call, disembargo, exception, finish, results, returned
from tests.rpc_schema import parsed
from tests.test_malformed import SCHEMA, VALUES, load_values

SERVER = generated_for(Root).server
INTERFACE = next(id for id, _ in SERVER.methods)


class Owner:
    """Stands for the connection: generated code asks it for the object behind a capability."""

    def proxy(self, cap: Any, client: type) -> Any:
        return None


class Quiet(Service):
    """The service, without the methods that wait or that call what they are given."""

    def hold(self, key: str) -> str:
        return key

    def names_of(self, counters: list[Any]) -> list[str]:
        return []

    def apply(self, step: Any, value: int, times: int) -> int:
        return value

    def add_in_background(self, amount: int) -> int:
        return amount

    def blob(self, size: int) -> memoryview:
        return memoryview(b"")


def conversation() -> Peer:
    """Both ends hold objects, and questions and answers of every kind are open."""
    peer = Peer(Object("root"))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    peer.session.bootstrap(None)
    peer.send(results(0, [("senderHosted", 3), ("senderPromise", 4)]))
    (question,) = peer.answered()
    assert question.payload is not None
    theirs = [cap for cap in question.payload.message.caps if isinstance(cap, Import)]
    for _ in range(4):
        peer.ask(theirs[0], [Object(), theirs[1], None])
    peer.send(*(call(number, 0) for number in range(1, 6)))
    first, second, third, *_ = peer.deliveries()
    peer.reply(first, [Object(), theirs[0]])
    peer.reply(second)
    peer.session.reply_error(third.answer, Disconnected("an error"))
    peer.send(call(6, (1, [1]), [("senderHosted", 5)]), call(7, (4, [0]), to_yourself=True))
    peer.send(call(8, 0, [(5, [0])]))
    peer.sent()
    peer.session.events.clear()
    return peer


def echo_call() -> bytes:
    """A call with parameters of every type."""

    def fill(message: Any) -> None:
        made = message.init("call")
        made.questionId, made.interfaceId, made.methodId = 40, INTERFACE, 1
        made.init("target").importedCap = 0
        params = SCHEMA.Root.schema.methods["echo"].param_type
        content = made.init("params").content.as_struct(params)
        content.values = VALUES

    return rpc_peer.built(fill)


def own(header: Callable[..., bytes], *args: Any, **kwargs: Any) -> bytes:
    """A message that is laid out as ours are."""
    w = write_text("a text")
    return header(*args, w.end, 1 << 16, **kwargs) + w.body()


VALID = [
    call(40, 0, [("senderHosted", 9), ("receiverHosted", 1), (1, [0]), None]),
    call(40, (1, [1]), [("senderPromise", 9), (4, [0, 1])]),
    call(40, (4, [0]), to_yourself=True),
    own(rpc.call_header, 40, 0, INTERFACE, 2, [rpc.descriptor(3, 1), rpc.descriptor(1, 9)]),
    own(rpc.return_header, 0, [], release_param_caps=True, no_finish=True),
    own(rpc.return_header, 0, [rpc.descriptor(1, 9)], release_param_caps=False, no_finish=False),
    results(0, [("senderHosted", 9), ("receiverHosted", 1), (1, [0]), (4, [0])]),
    results(1, release_param_caps=True),
    exception(0, "a reason", "disconnected"),
    returned(0, "takeFromOtherQuestion", 7),
    returned(0, "canceled"),
    finish(1, release_result_caps=True),
    rpc_peer.release(1),
    rpc_peer.resolve(4, "senderHosted", 9),
    disembargo((1, [1]), 5),
    rpc_peer.built(lambda m: m.init("bootstrap").__setattr__("questionId", 40)),
    rpc_peer.built(lambda m: m.init("provide").init("target").init("promisedAnswer")),
    rpc_peer.built(lambda m: m.init("unimplemented").init("call")),
    rpc_peer.built(lambda m: m.init("abort").__setattr__("reason", "a reason")),
]
valid = st.sampled_from(VALID)


def serve(peer: Peer) -> None:
    """Run the calls that the session has found, as a connection would."""
    for event in list(peer.session.events):
        if not isinstance(event, Delivery):
            continue
        event.message.owner = Owner()
        read_context(event.message, *event.content)
        read_capability(event.message, *event.content)
        read_text(event.message, *event.content)
        method = SERVER.methods.get((INTERFACE, event.method % len(SERVER.methods)))
        if method is not None and method.run is not None:
            try:
                w = method.run(Quiet(), event.message, *event.content)
            except (LookupError, ValueError):
                continue  # what the service raises
            peer.session.reply(event.answer, w, method.shape, params_unused=not event.hosted)
    peer.session.events.clear()


def take(peer: Peer, stream: bytes) -> None:
    """Receive what a bad peer sends, as a connection would."""
    try:
        for message in parsed(stream):
            peer.session.receive(message)
            try:
                serve(peer)
            except (ProtocolError, ConversionError):
                peer.session.events.clear()  # the call is answered with it
    except ProtocolError as e:
        peer.session.abort(str(e))
        peer.session.take_output()
        peer.session.close(Disconnected(str(e)))


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=400)
@given(st.lists(damaged(valid | st.builds(echo_call)) | valid, min_size=1, max_size=3))
def test_the_session_survives(messages: list[bytes]) -> None:
    peer = conversation()
    for message in messages:
        take(peer, message)
    sent = sum(map(len, peer.session.take_output()))
    assert sent <= 4 * sum(map(len, messages)) + 4000
    peer.session.close(Disconnected("the end"))
    assert not peer.session.questions and not peer.session.answers and not peer.session.exports


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(damaged(st.builds(echo_call)))
def test_a_call_with_damaged_parameters_is_run_or_refused(message: bytes) -> None:
    take(conversation(), message)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_garbage(chunks: list[bytes]) -> None:
    peer = conversation()
    for chunk in chunks:
        take(peer, chunk)


@pytest.mark.parametrize("message", VALID, ids=range(len(VALID)))
def test_a_message_that_ends_too_early(message: bytes) -> None:
    """As if the peer had announced less than it sends; every length."""
    for size in range(0, len(message) - 8, 8):
        take(conversation(), pack("<II", 0, size // 8) + message[8 : 8 + size])


# ---------------------------------------------------------------------------------------- work


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail when more functions are called inside: a measure of work that no clock disturbs."""
    made = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += 1
        if made > calls:
            raise AssertionError(f"more than {calls} calls")

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)


def words(*content: int) -> bytes:
    return pack(f"<II{len(content)}Q", 0, len(content), *content)


def list_of(element: int, count: int, offset: int = 0) -> int:
    return (offset & 0x3FFFFFFF) << 2 | 1 | element << 32 | count << 35


def struct(data: int, pointers: int, offset: int = 0) -> int:
    return (offset & 0x3FFFFFFF) << 2 | data << 32 | pointers << 48


def overlapping(levels: int, width: int) -> list[int]:
    """A pointer, and lists of pointers that all lead to the next list: width ** levels ways."""
    content = [list_of(6, width)]
    for level in range(levels):
        for index in range(width):
            last = level == levels - 1
            content.append(0 if last else list_of(6, width, width - index - 1))
    return content


UNKNOWN = 10  # "provide": such a message comes back as a copy
BOMBS = {
    "overlapping lists": words(struct(1, 1), UNKNOWN, struct(0, 1), *overlapping(30, 16)),
    "overlapping structs": words(
        struct(1, 1), UNKNOWN, struct(0, 2), *([struct(0, 2, 1), struct(0, 2, 0)] * 60), 0, 0
    ),
    "a struct in itself": words(struct(1, 1), UNKNOWN, struct(0, 1), struct(0, 1, -1)),
    "a list in itself": words(struct(1, 1), UNKNOWN, struct(0, 1), list_of(6, 1, -1)),
    "itself many times": words(
        struct(1, 1), UNKNOWN, struct(0, 200), *(struct(0, 200, -n - 1) for n in range(200))
    ),
    "a message in itself": words(struct(1, 1), rpc.UNIMPLEMENTED, struct(1, 1, -2)),
    "a list of nothing": words(
        struct(1, 1), UNKNOWN, struct(0, 1), list_of(0, (1 << 29) - 1), 0
    ),
    "structs of nothing": words(
        struct(1, 1), UNKNOWN, struct(0, 1), list_of(7, 0), ((1 << 30) - 1) << 2
    ),
    "a call with a table of nothing": words(
        struct(1, 1), rpc.CALL, struct(3, 3), 50, INTERFACE, 0, 0, struct(0, 2, 1), 0,
        0, list_of(7, 0), ((1 << 30) - 1) << 2,
    ),
    "a call with one long path many times": words(
        struct(1, 1), rpc.CALL, struct(3, 3), 50, INTERFACE, 0, 0, struct(0, 2, 1), 0,
        0, list_of(7, 2000), 1000 << 2 | struct(1, 1),
        *[word for n in range(1000) for word in (4, struct(1, 1, 2 * (1000 - n) - 2))],
        4, list_of(7, 1000), 1000 << 2 | struct(1, 0), *([1] * 1000),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_message_makes_little_work(name: str) -> None:
    peer = conversation()
    with at_most(200_000):
        take(peer, BOMBS[name])
    assert sum(map(len, peer.session.take_output())) < 500_000


@pytest.mark.parametrize(
    ("field", "content"),
    [
        ("points", [list_of(7, 0), ((1 << 30) - 1) << 2]),
        ("table", [list_of(7, 0), ((1 << 30) - 1) << 2]),
        ("texts", [list_of(6, 1 << 20)]),
        ("flags", [list_of(1, (1 << 29) - 1)]),
        # Texts in texts: each of 400 is all of them.
        ("texts", [list_of(6, 400), *(list_of(2, 3200, -n - 1) for n in range(400))]),
        ("texts", [list_of(6, 400), *(list_of(2, 9, 399 - n) for n in range(400)), 0x6161, 0]),
    ],
)
def test_small_values_make_little_work(field: str, content: list[int]) -> None:
    """A message of this much is read like any other, or refused."""
    node = SCHEMA.Values.schema.node.struct
    offset = next(f.slot.offset for f in node.fields if f.name == field)
    fixed = [0] * (node.dataWordCount + node.pointerCount)
    at = node.dataWordCount + offset
    fixed[at] = content[0] + ((len(fixed) - at - 1) << 2)
    fixed[0] |= 1 << 32  # the colour, which has no zero
    message = words(struct(node.dataWordCount, node.pointerCount), *fixed, *content[1:])
    (received,) = parsed(message)
    size = 0
    with at_most(200_000):
        try:
            size = sum(map(len, load_values(received).texts))
        except (ProtocolError, ConversionError):
            pass
    assert size <= 4 * len(message) + (1 << 16)


def test_too_many_objects_in_one_message_are_refused() -> None:
    peer = Peer(Object("root"))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")))
    caps = [("senderHosted", number) for number in range((1 << 16) + 1)]
    peer.send(call(1, 0, caps[:-1], content=bytes(8)))
    assert len(peer.deliveries()) == 1
    with pytest.raises(ProtocolError, match="more than 65536 objects in one message"):
        peer.send(call(2, 0, caps, content=bytes(8)))
