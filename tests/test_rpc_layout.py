"""The positions written down in `rpc_messages` and `threads` are those of the official schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.message import Message
from mpipc.capnp.rpc_messages import Call, Descriptor, PromisedAnswer, Return
from mpipc.capnp.writer import Writer
from mpipc.errors import ProtocolError
from tests import rpc_schema
from tests.rpc_schema import parsed, read

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
u64 = st.integers(0, 0xFFFFFFFFFFFFFFFF)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)

# ----------------------------------------------------------------------------------- constants


def union(schema: Any) -> dict[str, int]:
    """The members of a struct's (or a group's) unnamed union and their numbers."""
    fields = schema.node.struct.fields
    return {f.name: f.discriminantValue for f in fields if f.discriminantValue != 0xFFFF}


def group(schema: Any, name: str) -> Any:
    return schema.fields[name].schema


UNIONS: dict[str, tuple[Callable[[Any], Any], dict[str, int]]] = {
    "Message": (
        lambda module: module.Message.schema,
        {
            "unimplemented": rpc.UNIMPLEMENTED, "abort": rpc.ABORT, "call": rpc.CALL,
            "return": rpc.RETURN, "finish": rpc.FINISH, "resolve": rpc.RESOLVE,
            "release": rpc.RELEASE, "bootstrap": rpc.BOOTSTRAP, "disembargo": rpc.DISEMBARGO,
        },
    ),
    "Return": (
        lambda module: module.Return.schema,
        {
            "results": rpc.RESULTS, "exception": rpc.EXCEPTION, "canceled": rpc.CANCELED,
            "resultsSentElsewhere": rpc.SENT_ELSEWHERE,
            "takeFromOtherQuestion": rpc.TAKE_FROM_OTHER,
        },
    ),
    "CapDescriptor": (
        lambda module: module.CapDescriptor.schema,
        {
            "none": rpc.NONE, "senderHosted": rpc.SENDER_HOSTED,
            "senderPromise": rpc.SENDER_PROMISE, "receiverHosted": rpc.RECEIVER_HOSTED,
            "receiverAnswer": rpc.RECEIVER_ANSWER, "thirdPartyHosted": rpc.THIRD_PARTY,
        },
    ),
    "Disembargo.context": (
        lambda module: group(module.Disembargo.schema, "context"),
        {"senderLoopback": rpc.SENDER_LOOPBACK, "receiverLoopback": rpc.RECEIVER_LOOPBACK},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNIONS)
def test_union_members_have_their_numbers(name: str) -> None:
    schema_of, ours = UNIONS[name]
    members = union(schema_of(rpc_schema.rpc()))
    assert {member: members[member] for member in ours} == ours


def test_exception_types_have_their_numbers() -> None:
    ours = {
        "failed": rpc.FAILED, "overloaded": rpc.OVERLOADED, "disconnected": rpc.DISCONNECTED,
        "unimplemented": rpc.NOT_IMPLEMENTED,
    }  # fmt: skip
    assert rpc_schema.rpc().Exception.Type.schema.enumerants == ours


def test_no_default_but_the_known_ones_differs_from_zero() -> None:
    """The parsers take a zero on the wire for zero, except in these fields."""
    known = {
        "Return.releaseParamCaps": True,
        "Finish.releaseResultCaps": True,
        "Finish.requireEarlyCancellationWorkaround": True,
        "CapDescriptor.attachedFd": 255,
    }
    found = {}
    module = rpc_schema.rpc()
    for nested in module.schema.node.nestedNodes:
        declared = getattr(module, nested.name, None)
        if declared is None or declared.schema.node.which() != "struct":
            continue
        for field in declared.schema.node.struct.fields:
            if field.which() == "slot" and field.slot.hadExplicitDefault:
                value = getattr(field.slot.defaultValue, str(field.slot.defaultValue.which()))
                if value:
                    found[f"{nested.name}.{field.name}"] = value
    assert found == known


def test_thread_interfaces() -> None:
    module = rpc_schema.proxy()
    methods = {
        (interface, method.name): (getattr(module, interface).schema.node.id, ordinal)
        for interface in ("Thread", "ThreadMap")
        for ordinal, method in enumerate(getattr(module, interface).schema.node.interface.methods)
    }
    assert methods == {
        ("Thread", "getName"): threads.THREAD_GET_NAME,
        ("ThreadMap", "makeThread"): threads.MAKE_THREAD,
        ("ThreadMap", "makePool"): threads.MAKE_POOL,
    }


def test_context_and_the_structs_of_the_thread_interfaces() -> None:
    module = rpc_schema.proxy()
    context = module.Context.schema.node.struct
    assert (context.dataWordCount, context.pointerCount) == (0, threads.CONTEXT_WORDS)
    assert {f.name: f.slot.offset for f in context.fields} == {"thread": 0, "callbackThread": 1}
    for method in (
        module.ThreadMap.schema.methods["makeThread"],
        module.Thread.schema.methods["getName"],
    ):
        for schema in (method.param_type, method.result_type):
            node = schema.node.struct
            if node.fields:
                assert node.dataWordCount | node.pointerCount << 16 == threads.ONE_POINTER
                assert node.fields[0].slot.offset == 0


# ------------------------------------------------------------------------------------ builders
#
# What is built is read with pycapnp, field by field.

CALL_DEFAULTS = {
    "allowThirdPartyTailCall": False, "noPromisePipelining": False, "onlyPromisePipeline": False,
}  # fmt: skip
EXCEPTION_DEFAULTS = {"obsoleteIsCallersFault": False, "obsoleteDurability": 0}
TYPES = ["failed", "overloaded", "disconnected", "unimplemented"]
KINDS = ["none", "senderHosted", "senderPromise", "receiverHosted"]
descriptors = st.lists(st.tuples(st.integers(0, 3), u32), max_size=5)


def payload(caps: list[tuple[int, int]]) -> dict[str, Any]:
    table = [{KINDS[kind]: id if kind else None, "attachedFd": 255} for kind, id in caps]
    return {"content": ..., "capTable": table} if caps else {"content": ...}


def words(caps: list[tuple[int, int]]) -> list[int]:
    return [rpc.descriptor(kind, id if kind else 0) for kind, id in caps]


def content_of(message: bytes, kind: str, schema: Any) -> Any:
    """The content of a message's payload, read as a struct of the given schema."""
    with rpc_schema.rpc().Message.from_bytes(message) as reader:
        body = getattr(reader, kind)
        payload = body.params if kind == "call" else body.results
        return payload.content.as_struct(schema).to_dict()


@given(question=u32, target=u32, interface=u64, method=u16, caps=descriptors, name=texts)
def test_a_call(
    question: int, target: int, interface: int, method: int, caps: list[tuple[int, int]], name: str
) -> None:
    w = threads.write_text(name)
    header = rpc.call_header(
        question, target, interface, method, words(caps), w.end, threads.ONE_POINTER
    )
    message = header + w.body()
    assert read(message)["call"] == {
        "questionId": question,
        "target": {"importedCap": target},
        "interfaceId": interface,
        "methodId": method,
        "sendResultsTo": {"caller": None},
        "params": payload(caps),
        **CALL_DEFAULTS,
    }
    schema = rpc_schema.proxy().ThreadMap.schema.methods["makeThread"].param_type
    assert content_of(message, "call", schema) == {"name": name}


@given(question=u32, answer=u32, field=u16, interface=u64, method=u16, caps=descriptors, name=texts)
def test_a_call_on_an_answer(
    question: int,
    answer: int,
    field: int,
    interface: int,
    method: int,
    caps: list[tuple[int, int]],
    name: str,
) -> None:
    w = threads.write_text(name)
    header = rpc.call_on_answer(
        question, answer, field, interface, method, words(caps), w.end, threads.ONE_POINTER
    )
    message = header + w.body()
    transform = [{"getPointerField": field}]
    assert read(message)["call"] == {
        "questionId": question,
        "target": {"promisedAnswer": {"questionId": answer, "transform": transform}},
        "interfaceId": interface,
        "methodId": method,
        "sendResultsTo": {"caller": None},
        "params": payload(caps),
        **CALL_DEFAULTS,
    }
    schema = rpc_schema.proxy().ThreadMap.schema.methods["makeThread"].param_type
    assert content_of(message, "call", schema) == {"name": name}


@given(
    question=u32, target=u32, interface=u64, method=u16, thread=u32, callback=u32,
    objects=descriptors, name=texts,
)  # fmt: skip
def test_a_call_in_a_context_is_the_same_call(
    question: int,
    target: int,
    interface: int,
    method: int,
    thread: int,
    callback: int,
    objects: list[tuple[int, int]],
    name: str,
) -> None:
    w = threads.write_text(name)
    caps = words([(rpc.RECEIVER_HOSTED, thread), (rpc.SENDER_HOSTED, callback), *objects])
    head = rpc.call_in_context(
        rpc.CALL_IN_CONTEXT_WORDS + 2 * len(objects) + w.end,
        rpc.CALL_BEGIN,
        question,
        rpc.method_ids(interface, method),
        target,
        rpc.context_pointer(threads.ONE_POINTER) + (len(objects) << 3),
    )
    assert head + rpc.context_table(*caps) == rpc.call_header(
        question, target, interface, method, caps, w.end, threads.ONE_POINTER
    )


@given(answer=u32, name=texts)
def test_a_simple_return_is_the_same_return(answer: int, name: str) -> None:
    for w, shape in ((threads.write_text(name), threads.ONE_POINTER), (Writer(0), 0)):
        assert rpc.simple_return(
            rpc.SIMPLE_RETURN_WORDS + w.end,
            rpc.RETURN_BEGIN,
            answer,
            rpc.NOTHING_LEFT,
            rpc.RETURN_MIDDLE,
            rpc.result_pointer(shape),
        ) == rpc.return_header(answer, (), w.end, shape, release_param_caps=True, no_finish=True)


@given(
    answer=u32, caps=descriptors, name=texts, release_param_caps=st.booleans(),
    no_finish=st.booleans(),
)  # fmt: skip
def test_a_return_with_results(
    answer: int,
    caps: list[tuple[int, int]],
    name: str,
    release_param_caps: bool,
    no_finish: bool,
) -> None:
    w = threads.write_text(name)
    header = rpc.return_header(
        answer, words(caps), w.end, threads.ONE_POINTER,
        release_param_caps=release_param_caps, no_finish=no_finish,
    )  # fmt: skip
    message = header + w.body()
    assert read(message)["return"] == {
        "answerId": answer,
        "releaseParamCaps": release_param_caps,
        "noFinishNeeded": no_finish,
        "results": payload(caps),
    }
    schema = rpc_schema.proxy().Thread.schema.methods["getName"].result_type
    assert content_of(message, "return", schema) == {"result": name}


@given(caps=descriptors)
def test_a_struct_without_fields_is_not_a_null_pointer(caps: list[tuple[int, int]]) -> None:
    """Null would say that there are no results at all."""
    w = Writer(0)
    call = rpc.call_header(1, 2, 3, 4, words(caps), w.end, 0)
    result = rpc.return_header(1, words(caps), w.end, 0, release_param_caps=False, no_finish=False)
    assert read(call)["call"]["params"] == payload(caps)
    assert read(result)["return"]["results"] == payload(caps)


@given(answer=u32, export=u32)
def test_a_return_of_a_capability(answer: int, export: int) -> None:
    word = rpc.descriptor(rpc.SENDER_HOSTED, export)
    message = rpc.return_capability(answer, word)
    assert read(message)["return"] == {
        "answerId": answer,
        "releaseParamCaps": True,
        "noFinishNeeded": False,
        "results": payload([(rpc.SENDER_HOSTED, export)]),
    }
    (received,) = parsed(message)
    content = parse_return(received).payload
    assert content is not None
    received.caps = ["the capability"]
    assert received.cap(content.lo, content.hi) == "the capability"


@given(answer=u32, other=u32)
def test_a_return_without_content(answer: int, other: int) -> None:
    head = {"answerId": answer, "releaseParamCaps": False, "noFinishNeeded": False}
    assert read(rpc.return_other(answer, rpc.CANCELED))["return"] == {**head, "canceled": None}
    assert read(rpc.return_other(answer, rpc.SENT_ELSEWHERE))["return"] == {
        **head,
        "resultsSentElsewhere": None,
    }
    assert read(rpc.return_other(answer, rpc.TAKE_FROM_OTHER, other))["return"] == {
        **head,
        "takeFromOtherQuestion": other,
    }


@given(answer=u32, type=st.integers(0, 3), reason=texts, trace=texts, no_finish=st.booleans())
def test_a_return_with_an_exception(
    answer: int, type: int, reason: str, trace: str, no_finish: bool
) -> None:
    message = rpc.return_exception(answer, type, reason, trace, no_finish=no_finish)
    found = read(message)["return"]
    exception = found.pop("exception")
    assert found == {"answerId": answer, "releaseParamCaps": False, "noFinishNeeded": no_finish}
    assert exception == {
        "type": TYPES[type],
        **EXCEPTION_DEFAULTS,
        **{key: text for key, text in (("reason", reason), ("trace", trace)) if text},
    }


@given(reason=texts)
def test_an_abort(reason: str) -> None:
    exception = read(rpc.abort(reason))["abort"]
    assert exception.pop("reason", "") == reason
    assert exception == {"type": "failed", **EXCEPTION_DEFAULTS}


@given(id=u32, count=u32, release_caps=st.booleans())
def test_the_small_messages(id: int, count: int, release_caps: bool) -> None:
    assert read(rpc.bootstrap(id)) == {"bootstrap": {"questionId": id}}
    assert read(rpc.release(id, count)) == {"release": {"id": id, "referenceCount": count}}
    assert read(rpc.finish(id, release_result_caps=release_caps)) == {
        "finish": {
            "questionId": id,
            "releaseResultCaps": release_caps,
            "requireEarlyCancellationWorkaround": False,
        }
    }
    assert read(rpc.disembargo_reply(count, id)) == {
        "disembargo": {"target": {"importedCap": count}, "context": {"receiverLoopback": id}}
    }


# ------------------------------------------------------------------------------------- parsers
#
# pycapnp builds messages in any order of its objects and in any number of segments.

Path = list["int | None"]  # of a promised answer; None: an operation that does nothing
promised = st.tuples(u32, st.lists(u16 | st.none(), max_size=4))
targets = u32 | promised
capabilities = st.lists(
    st.just(("none", None))
    | st.tuples(st.sampled_from(KINDS[1:]), u32)
    | st.tuples(st.just("receiverAnswer"), promised)
    | st.tuples(st.just("thirdPartyHosted"), u32),
    max_size=5,
)
schemas = st.sampled_from([rpc_schema.rpc, rpc_schema.later_rpc])
first_segment = st.sampled_from([1, 2, 5, 1024])


class Builder:
    """Sets the fields of a pycapnp message in the order that hypothesis picks.

    With a first segment of one word, every object but the smallest gets a segment of its own.
    """

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.module = data.draw(schemas)()
        self.message = self.module.Message.new_message(
            num_first_segment_words=data.draw(first_segment)
        )

    def steps(self, *steps: Callable[[], Any]) -> None:
        for step in self._data.draw(st.permutations(steps)):
            step()

    def later(self, struct: Any) -> Callable[[], None]:
        """Fills in the fields that only later versions of the schema have."""

        def fill() -> None:
            if hasattr(struct, "laterNumber"):
                struct.laterNumber = 0xFFFFFFFFFFFFFFFF
                struct.laterText = "later"

        return fill

    def promised(self, struct: Any, question: int, path: Path) -> None:
        def write_path() -> None:
            for op, field in zip(struct.init("transform", len(path)), path, strict=True):
                if field is not None:
                    op.getPointerField = field

        def write_question() -> None:
            struct.questionId = question

        self.steps(write_path, write_question, self.later(struct))

    def target(self, struct: Any, target: int | tuple[int, Path]) -> None:
        if isinstance(target, int):
            struct.importedCap = target
        else:
            self.promised(struct.init("promisedAnswer"), *target)

    def payload(self, struct: Any, content: str | None, caps: list[tuple[str, Any]]) -> None:
        def write_content() -> None:
            if content is not None:
                struct.content.as_text()
                struct.content = content

        def write_table() -> None:
            table = struct.init("capTable", len(caps))
            for entry, (kind, value) in zip(table, caps, strict=True):
                self.descriptor(entry, kind, value)

        self.steps(write_content, write_table, self.later(struct))

    def descriptor(self, entry: Any, kind: str, value: Any) -> None:
        if kind == "receiverAnswer":
            self.promised(entry.init(kind), *value)
        elif kind == "thirdPartyHosted":
            entry.init(kind).vineId = value
        elif kind != "none":
            setattr(entry, kind, value)

    def exception(self, struct: Any, type: int, reason: str, trace: str) -> None:
        def write_reason() -> None:
            struct.reason = reason

        def write_trace() -> None:
            struct.trace = trace

        def write_type() -> None:
            struct.type = TYPES[type]

        self.steps(write_reason, write_trace, write_type, self.later(struct))

    def sent(self) -> Message:
        """The message, as it arrives."""
        (message,) = parsed(self.message.to_bytes())
        return message


def parse_call(message: Message) -> Call:
    kind, *pointer = rpc.message_kind(message)
    assert kind == rpc.CALL
    return rpc.parse_call(message, *pointer)


def parse_return(message: Message) -> Return:
    kind, *pointer = rpc.message_kind(message)
    assert kind == rpc.RETURN
    return rpc.parse_return(message, *pointer)


def expected_answer(answer: tuple[int, Path]) -> PromisedAnswer:
    question, path = answer
    return PromisedAnswer(question, tuple(field for field in path if field is not None))


def expected_table(caps: list[tuple[str, Any]]) -> list[Descriptor]:
    table = []
    for kind, value in caps:
        if kind == "receiverAnswer":
            table.append(Descriptor(rpc.RECEIVER_ANSWER, 0, expected_answer(value)))
        elif kind == "thirdPartyHosted":
            table.append(Descriptor(rpc.SENDER_HOSTED, value))
        else:
            table.append(Descriptor(KINDS.index(kind), value or 0))
    return table


@given(
    st.data(), u32, targets, u64, u16, st.booleans(), texts | st.none(), capabilities,
    st.booleans(),
)  # fmt: skip
def test_parsing_a_call(
    data: st.DataObject,
    question: int,
    target: int | tuple[int, Path],
    interface: int,
    method: int,
    to_yourself: bool,
    content: str | None,
    caps: list[tuple[str, Any]],
    hint: bool,
) -> None:
    builder = Builder(data)
    call = builder.message.init("call")

    def numbers() -> None:
        call.questionId, call.interfaceId, call.methodId = question, interface, method
        call.onlyPromisePipeline = call.noPromisePipelining = hint
        call.sendResultsTo = {"yourself": None} if to_yourself else {"caller": None}

    builder.steps(
        numbers,
        lambda: builder.target(call.init("target"), target),
        lambda: builder.payload(call.init("params"), content, caps),
        builder.later(call),
        builder.later(builder.message),
    )
    received = parse_call(builder.sent())
    assert received.question == question
    assert received.target == (target if isinstance(target, int) else expected_answer(target))
    assert (received.interface, received.method) == (interface, method)
    assert received.to_yourself == to_yourself
    assert list(received.descriptors) == expected_table(caps)
    assert text_of(received.payload) == content


def text_of(payload: rpc.Payload | None) -> str | None:
    """A payload's content, which these tests write as a text, since any object will do."""
    assert payload is not None
    return payload.message.text(payload.at, payload.lo, payload.hi) if payload.hi else None


@given(st.data(), u32, st.booleans(), st.booleans(), texts | st.none(), capabilities)
def test_parsing_a_return_with_results(
    data: st.DataObject,
    answer: int,
    release_param_caps: bool,
    no_finish: bool,
    content: str | None,
    caps: list[tuple[str, Any]],
) -> None:
    builder = Builder(data)
    result = builder.message.init("return")

    def numbers() -> None:
        result.answerId = answer
        result.releaseParamCaps, result.noFinishNeeded = release_param_caps, no_finish

    builder.steps(
        numbers,
        lambda: builder.payload(result.init("results"), content, caps),
        builder.later(result),
        builder.later(builder.message),
    )
    received = parse_return(builder.sent())
    assert received.answer == answer
    assert (received.release_param_caps, received.no_finish) == (release_param_caps, no_finish)
    assert received.kind == rpc.RESULTS
    assert list(received.descriptors) == expected_table(caps)
    assert text_of(received.payload) == content


@given(st.data(), u32, st.sampled_from(["canceled", "resultsSentElsewhere"]), u32)
def test_parsing_a_return_without_content(
    data: st.DataObject, answer: int, kind: str, other: int
) -> None:
    builder = Builder(data)
    result = builder.message.init("return")
    result.answerId = answer
    setattr(result, kind, None)
    received = parse_return(builder.sent())
    numbers = {"canceled": rpc.CANCELED, "resultsSentElsewhere": rpc.SENT_ELSEWHERE}
    assert (received.answer, received.kind) == (answer, numbers[kind])
    assert received.release_param_caps and not received.no_finish

    result.takeFromOtherQuestion = other
    builder.message.clear_write_flag()
    received = parse_return(builder.sent())
    assert (received.kind, received.other) == (rpc.TAKE_FROM_OTHER, other)


@given(st.data(), u32, st.integers(0, 3), texts, texts)
def test_parsing_a_return_with_an_exception(
    data: st.DataObject, answer: int, type: int, reason: str, trace: str
) -> None:
    builder = Builder(data)
    result = builder.message.init("return")

    def number() -> None:
        result.answerId = answer

    builder.steps(number, lambda: builder.exception(result.init("exception"), type, reason, trace))
    received = parse_return(builder.sent())
    assert (received.answer, received.kind) == (answer, rpc.EXCEPTION)
    assert received.exception == (type, reason, trace)


@given(st.data(), st.integers(0, 3), texts, texts)
def test_parsing_an_abort(data: st.DataObject, type: int, reason: str, trace: str) -> None:
    builder = Builder(data)
    builder.exception(builder.message.init("abort"), type, reason, trace)
    kind, *pointer = rpc.message_kind(message := builder.sent())
    assert kind == rpc.ABORT
    assert rpc.parse_exception(message, *pointer) == (type, reason, trace)


@given(st.data(), u32, u32, st.booleans(), st.booleans())
def test_parsing_the_small_messages(
    data: st.DataObject, id: int, count: int, release_caps: bool, workaround: bool
) -> None:
    def word(kind: str, expected: int, **values: Any) -> int:
        builder = Builder(data)
        struct = builder.message.init(kind)
        builder.later(struct)()
        for name, value in values.items():
            setattr(struct, name, value)
        found, *pointer = rpc.message_kind(message := builder.sent())
        assert found == expected
        return rpc.parse_word(message, *pointer)

    assert word("bootstrap", rpc.BOOTSTRAP, questionId=id) & 0xFFFFFFFF == id
    assert word("release", rpc.RELEASE, id=id, referenceCount=count) == id | count << 32
    finish = word(
        "finish", rpc.FINISH, questionId=id, releaseResultCaps=release_caps,
        requireEarlyCancellationWorkaround=workaround,
    )  # fmt: skip
    # Both flags are true by default.
    assert finish & 0xFFFFFFFF == id
    assert finish >> 32 & 1 == (not release_caps)
    assert finish >> 33 & 1 == (not workaround)


@given(st.data(), u32, st.tuples(st.sampled_from(KINDS), u32) | st.none())
def test_parsing_a_resolve(data: st.DataObject, promise: int, cap: tuple[str, int] | None) -> None:
    builder = Builder(data)
    resolve = builder.message.init("resolve")

    def number() -> None:
        resolve.promiseId = promise

    def resolution() -> None:
        if cap is None:
            resolve.init("exception").reason = "broken"
        else:
            kind, id = cap
            builder.descriptor(resolve.init("cap"), kind, id)

    builder.steps(number, resolution, builder.later(resolve))
    kind, *pointer = rpc.message_kind(message := builder.sent())
    assert kind == rpc.RESOLVE
    expected = cap and Descriptor(KINDS.index(cap[0]), cap[1] if cap[0] != "none" else 0)
    assert rpc.parse_resolve(message, *pointer) == expected


@given(st.data(), targets, u32, st.sampled_from(["senderLoopback", "receiverLoopback"]))
def test_parsing_a_disembargo(
    data: st.DataObject, target: int | tuple[int, Path], id: int, context: str
) -> None:
    builder = Builder(data)
    disembargo = builder.message.init("disembargo")
    builder.steps(
        lambda: builder.target(disembargo.init("target"), target),
        lambda: setattr(disembargo, "context", {context: id}),
        builder.later(disembargo),
    )
    kind, *pointer = rpc.message_kind(message := builder.sent())
    assert kind == rpc.DISEMBARGO
    numbers = {"senderLoopback": rpc.SENDER_LOOPBACK, "receiverLoopback": rpc.RECEIVER_LOOPBACK}
    expected = target if isinstance(target, int) else expected_answer(target)
    assert rpc.parse_disembargo(message, *pointer) == (numbers[context], id, expected)


@given(st.data(), st.sampled_from(["obsoleteSave", "provide", "accept", "join"]))
def test_other_messages_are_told_apart(data: st.DataObject, name: str) -> None:
    builder = Builder(data)
    builder.message.init(name)
    kind, *_ = rpc.message_kind(builder.sent())
    assert kind == union(rpc_schema.rpc().Message.schema)[name]


@given(u32, u32, u64, u16, descriptors, texts)
def test_our_own_call_is_parsed(
    question: int, target: int, interface: int, method: int, caps: list[tuple[int, int]], name: str
) -> None:
    """There is a short cut for messages that are laid out as ours are."""
    w = threads.write_text(name)
    shape = threads.ONE_POINTER
    header = rpc.call_header(question, target, interface, method, words(caps), w.end, shape)
    received = parse_call(*parsed(header + w.body()))
    assert (received.question, received.target) == (question, target)
    assert (received.interface, received.method) == (interface, method)
    assert not received.to_yourself
    assert list(received.descriptors) == [Descriptor(k, id if k else 0) for k, id in caps]
    assert threads.read_text(received.payload.message, *received.payload.struct()) == name


@given(u32, descriptors, texts, st.booleans(), st.booleans())
def test_our_own_return_is_parsed(
    answer: int,
    caps: list[tuple[int, int]],
    name: str,
    release_param_caps: bool,
    no_finish: bool,
) -> None:
    w = threads.write_text(name)
    header = rpc.return_header(
        answer, words(caps), w.end, threads.ONE_POINTER,
        release_param_caps=release_param_caps, no_finish=no_finish,
    )  # fmt: skip
    received = parse_return(*parsed(header + w.body()))
    assert (received.answer, received.kind) == (answer, rpc.RESULTS)
    assert (received.release_param_caps, received.no_finish) == (release_param_caps, no_finish)
    assert list(received.descriptors) == [Descriptor(k, id if k else 0) for k, id in caps]
    assert received.payload is not None
    assert threads.read_text(received.payload.message, *received.payload.struct()) == name


def test_a_call_whose_results_are_for_a_third_party_is_refused() -> None:
    message = rpc_schema.rpc().Message.new_message()
    message.init("call").sendResultsTo.init("thirdParty")
    (received,) = parsed(message.to_bytes())
    with pytest.raises(ProtocolError, match="third party"):
        parse_call(received)
