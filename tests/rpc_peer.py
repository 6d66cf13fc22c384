"""The other end of a session, message by message."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from struct import pack
from typing import Any

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.capnp.session import Delivery, LocalCapability, Question, Session
from mpipc.capnp.writer import EMPTY_STRUCT, Writer
from tests import rpc_schema

Answer = tuple[int, Sequence[int]]
"""What will be at a path of pointer fields in the results of a question."""

Cap = tuple[str, int] | Answer | None
"""A capability in a message: (member of CapDescriptor, id), a promised answer, or none."""

KINDS = {"senderHosted": 1, "senderPromise": 2, "receiverHosted": 3}


def built(fill: Callable[[Any], None]) -> bytes:
    """A message built by pycapnp."""
    message = rpc_schema.rpc().Message.new_message()
    fill(message)
    encoded: bytes = message.to_bytes()
    return encoded


def call(
    question: int,
    target: int | Answer,
    caps: Sequence[Cap] = (),
    *,
    interface: int = 1,
    method: int = 0,
    to_yourself: bool = False,
    content: bytes | None = None,
) -> bytes:
    """A Call whose parameters are a struct of these capabilities, one pointer for each.

    pycapnp cannot write capability pointers outside its own RPC. `content` takes the place of the
    parameters' pointer.
    """
    w = Writer(1)
    root, root_part, root_pointer = w.struct(0, 1, 1)
    at, part, pointer = w.struct(root + 1, 3, 3)
    w.parts[root_part] = pack("<QQ", rpc.CALL, pointer)
    target_at, target_part, target_pointer = w.struct(at + 3, 1, 1)
    if isinstance(target, int):
        w.parts[target_part] = pack("<QQ", target, 0)
    else:
        w.parts[target_part] = pack("<QQ", 1 << 32, _answer(w, target_at + 1, target))
    payload = _payload(w, at + 4, caps, content)
    w.parts[part] = pack(
        "<IHHQQQQQ", question, method, to_yourself, interface, 0, target_pointer, payload, 0
    )
    return _framed(w, root_pointer)


def results(
    answer: int,
    caps: Sequence[Cap] = (),
    *,
    release_param_caps: bool = False,
    no_finish: bool = False,
    content: bytes | None = None,
) -> bytes:
    """A Return with results, as `call`."""
    w = Writer(1)
    root, root_part, root_pointer = w.struct(0, 1, 1)
    at, part, pointer = w.struct(root + 1, 2, 1)
    w.parts[root_part] = pack("<QQ", rpc.RETURN, pointer)
    flags = (not release_param_caps) | no_finish << 1
    payload = _payload(w, at + 2, caps, content)
    w.parts[part] = pack("<IHHQQ", answer, flags, rpc.RESULTS, 0, payload)
    return _framed(w, root_pointer)


def _payload(w: Writer, at: int, caps: Sequence[Cap], content: bytes | None) -> int:
    base, part, pointer = w.struct(at, 0, 2)
    if content is not None:
        first = int.from_bytes(content, "little")
    elif not caps:
        first = EMPTY_STRUCT
    else:
        _, content_part, first = w.struct(base, 0, len(caps))
        pointers = [0 if cap is None else 3 | i << 32 for i, cap in enumerate(caps)]
        w.parts[content_part] = pack(f"<{len(caps)}Q", *pointers)
    table, table_part, table_pointer = w.structs(base + 1, len(caps), 1, 1)
    words = []
    for index, cap in enumerate(caps):
        if cap is None:
            words += [0, 0]
        elif isinstance(cap[0], str):
            words += [KINDS[cap[0]] | int(cap[1]) << 32, 0]
        else:
            words += [rpc.RECEIVER_ANSWER, _answer(w, table + 2 * index + 1, cap)]
    w.parts[table_part] = pack(f"<{len(words)}Q", *words)
    w.parts[part] = pack("<QQ", first, table_pointer)
    return pointer


def _answer(w: Writer, at: int, answer: Answer) -> int:
    question, path = answer
    base, part, pointer = w.struct(at, 1, 1)
    _, path_part, path_pointer = w.structs(base + 1, len(path), 1, 0)
    w.parts[path_part] = b"".join(pack("<HHI", 1, field, 0) for field in path)
    w.parts[part] = pack("<QQ", question, path_pointer if path else 0)
    return pointer


def _framed(w: Writer, root_pointer: int) -> bytes:
    w.head = root_pointer.to_bytes(8, "little")
    body = w.body()
    return pack("<II", 0, len(body) // 8) + body


def exception(answer: int, reason: str, type: str = "failed") -> bytes:
    def fill(message: Any) -> None:
        result = message.init("return")
        result.answerId = answer
        result.releaseParamCaps = False
        result.init("exception").reason = reason
        result.exception.type = type

    return built(fill)


def returned(answer: int, kind: str, value: int | None = None) -> bytes:
    """A Return that is canceled, resultsSentElsewhere or takeFromOtherQuestion."""

    def fill(message: Any) -> None:
        result = message.init("return")
        result.answerId = answer
        result.releaseParamCaps = False
        setattr(result, kind, value)

    return built(fill)


def finish(question: int, *, release_result_caps: bool = False) -> bytes:
    def fill(message: Any) -> None:
        message.init("finish").questionId = question
        message.finish.releaseResultCaps = release_result_caps

    return built(fill)


def release(id: int, count: int = 1) -> bytes:
    def fill(message: Any) -> None:
        message.init("release").id = id
        message.release.referenceCount = count

    return built(fill)


def resolve(promise: int, kind: str, id: int) -> bytes:
    def fill(message: Any) -> None:
        message.init("resolve").promiseId = promise
        setattr(message.resolve.init("cap"), kind, id)

    return built(fill)


def disembargo(target: int | Answer, id: int, context: str = "senderLoopback") -> bytes:
    def fill(message: Any) -> None:
        where = message.init("disembargo").init("target")
        message.disembargo.context = {context: id}
        if isinstance(target, int):
            where.importedCap = target
        else:
            question, path = target
            promised = where.init("promisedAnswer")
            promised.questionId = question
            ops = promised.init("transform", len(path))
            for op, field in zip(ops, path, strict=True):
                op.getPointerField = field

    return built(fill)


class Object:
    """An object of ours; the session only needs it to be something."""

    def __init__(self, name: str = "object") -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Peer:
    """A session, and the other end as a test plays it."""

    def __init__(
        self, root: LocalCapability | None = None, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.session = Session(root, limits, lambda: None)

    def send(self, *messages: bytes) -> list[dict[str, Any]]:
        """Send messages to the session; returns what it sends back."""
        for message in messages:
            for received in rpc_schema.parsed(message):
                self.session.receive(received)
        return self.sent()

    def sent(self) -> list[dict[str, Any]]:
        """What the session has sent since the last time."""
        stream = b"".join(self.session.take_output())
        found = []
        while stream:
            end = 8 + int.from_bytes(stream[4:8], "little") * 8
            found.append(rpc_schema.read(stream[:end]))
            stream = stream[end:]
        return found

    def deliveries(self) -> list[Delivery]:
        """The calls that the session has found."""
        events = list(self.session.events)
        self.session.events.clear()
        assert all(isinstance(event, Delivery) for event in events)
        return events  # type: ignore[return-value]

    def answered(self) -> list[Question]:
        """The questions that the session has found to be answered."""
        events = list(self.session.events)
        self.session.events.clear()
        assert all(isinstance(event, Question) for event in events)
        return events  # type: ignore[return-value]

    def reply(
        self, delivery: Delivery, caps: Sequence[Any] = (), *, params_unused: bool = False
    ) -> list[dict[str, Any]]:
        """Answer a call with these capabilities; returns what the session sends."""
        w = Writer(len(caps))
        w.head = b"".join(w.cap(cap).to_bytes(8, "little") for cap in caps)
        self.session.reply(delivery.answer, w, len(caps) << 16, params_unused=params_unused)
        return self.sent()

    def let_go(self) -> None:
        """Drop what the session wants to be dropped."""
        self.session.freed.clear()
        gc.collect()

    def ask(self, target: Any, caps: Sequence[Any] = ()) -> Question:
        """Have the session call the test's object `target`."""
        w = Writer(len(caps))
        w.head = b"".join(w.cap(cap).to_bytes(8, "little") for cap in caps)
        return self.session.call(target, 1, 0, w, len(caps) << 16, None)

    def assert_empty(self) -> None:
        """Nothing is left in any table, and nothing waits."""
        session = self.session
        assert not session.questions and not session.answers and not session.exports
        assert not session.imports and not session.deferred and not session.events
