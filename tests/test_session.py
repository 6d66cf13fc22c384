"""The RPC state machine alone: messages in, messages and events out."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from mpipc.capnp.message import Limits
from mpipc.capnp.session import Broken, Delivery, Import, Question
from mpipc.capnp.threads import ONE_POINTER, read_capability, write_text
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, ProtocolError, RemoteError, Unimplemented
from tests import rpc_peer, rpc_schema
from tests.rpc_peer import (
    Object,
    Peer,
    call,
    disembargo,
    exception,
    finish,
    release,
    resolve,
    results,
    returned,
)


@pytest.fixture
def peer() -> Peer:
    """A session whose root object the other end holds, as export 0."""
    peer = Peer(Object("root"))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    return peer


def held(peer: Peer, id: int = 5) -> Import:
    """An object of the other end's that the session got in an answer; nothing else is left."""
    peer.session.bootstrap(None)
    sent = peer.sent()
    number = next(m["bootstrap"]["questionId"] for m in sent if "bootstrap" in m)
    peer.send(results(number, [("senderHosted", id)]))
    (question,) = peer.answered()
    assert question.payload is not None
    found = read_capability(question.payload.message, *question.payload.struct())
    assert isinstance(found, Import)
    return found


def give(peer: Peer, target: Any, question: int = 1) -> int:
    """Let the other end have an object of ours; returns its export id."""
    peer.send(call(question, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [target])
    peer.send(finish(question))
    number: int = sent["return"]["results"]["capTable"][0]["senderHosted"]
    return number


def params(delivery: Delivery) -> list[Any]:
    return list(delivery.message.caps)


# ------------------------------------------------------------------------- questions and answers


def test_numbers_of_questions_are_used_again(peer: Peer) -> None:
    target = held(peer)
    questions = [peer.ask(target) for _ in range(3)]
    assert [m["call"]["questionId"] for m in peer.sent()] == [0, 1, 2]
    sent = peer.send(results(1))
    assert sent == [
        {
            "finish": {
                "questionId": 1,
                "releaseResultCaps": False,
                "requireEarlyCancellationWorkaround": False,
            }
        }
    ]
    assert peer.answered() == [questions[1]] and questions[1].done
    assert peer.ask(target).id == 1
    assert peer.ask(target).id == 3
    for number in (0, 1, 2, 3):
        peer.send(results(number))
    assert not peer.session.questions


def test_an_answer_that_needs_no_finish_gets_none(peer: Peer) -> None:
    target = held(peer)
    question = peer.ask(target)
    peer.sent()
    assert peer.send(results(question.id, no_finish=True)) == []
    assert peer.ask(target).id == question.id


def test_a_plain_answer_is_forgotten_at_once(peer: Peer) -> None:
    for _ in range(3):
        peer.send(call(7, 0))
        (delivery,) = peer.deliveries()
        (sent,) = peer.reply(delivery)
        assert sent["return"]["noFinishNeeded"] is True
        assert not peer.session.answers
        # A peer that does not know the flag finishes all the same.
        assert peer.send(finish(7)) == []


def test_an_answer_with_objects_is_kept_until_it_is_finished(peer: Peer) -> None:
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [Object()])
    assert sent["return"]["noFinishNeeded"] is False
    assert set(peer.session.answers) == {7}
    peer.send(finish(7))
    assert not peer.session.answers


def test_an_error_is_kept_for_calls_on_it_until_it_is_finished(peer: Peer) -> None:
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("no such thing"))
    (sent,) = peer.sent()
    assert sent["return"]["exception"]["reason"] == "no such thing"
    assert sent["return"]["noFinishNeeded"] is False
    (sent,) = peer.send(call(8, (7, [0])))
    assert sent["return"]["exception"]["reason"] == "no such thing"
    peer.send(finish(7), finish(8))
    assert not peer.session.answers


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("failed", RemoteError),
        ("overloaded", RemoteError),
        ("disconnected", Disconnected),
        ("unimplemented", Unimplemented),
    ],
)
def test_an_exception_becomes_the_questions_error(
    peer: Peer, type: str, expected: type[IpcError]
) -> None:
    question = peer.ask(held(peer))
    peer.send(exception(question.id, "because", type))
    assert peer.answered() == [question]
    assert question.error is not None and question.error.__class__ is expected
    assert str(question.error) == "because"


def test_a_reason_need_not_be_utf_8(peer: Peer) -> None:
    """C++ exceptions say what they like."""
    question = peer.ask(held(peer))
    peer.send(exception(question.id, "Grusz").replace(b"Grusz", b"Gru\xdfe"))
    assert str(question.error) == "Gru\ufffde"


def test_a_call_that_nobody_waits_for_any_more_is_finished(peer: Peer) -> None:
    question = peer.ask(held(peer))
    gc.collect()
    peer.sent()
    peer.session.abandon(question)
    (sent,) = peer.sent()
    assert sent["finish"]["releaseResultCaps"] is True
    peer.session.abandon(question)
    assert peer.sent() == []
    # Its number is taken until the other end has answered; objects in the answer are released by
    # that Finish.
    assert set(peer.session.questions) == {question.id}
    assert peer.send(results(question.id, [("senderHosted", 9)])) == []
    # A thread may still wait for it, but nothing of the answer is kept.
    assert peer.answered() == [question]
    assert question.payload is None and question.error is None
    assert not peer.session.questions and not peer.session.imports


def test_a_finished_call_is_answered_as_canceled(peer: Peer) -> None:
    peer.send(call(7, 0), finish(7))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [Object()])
    assert sent["return"]["canceled"] is None and sent["return"]["answerId"] == 7
    assert not peer.session.answers
    assert len(peer.session.exports) == 1  # the root


# --------------------------------------------------------------------------- objects: references


def test_a_reference_is_released_when_it_is_dropped(peer: Peer) -> None:
    target = held(peer, 5)
    assert peer.session.imports == 1
    del target
    gc.collect()
    assert peer.sent() == [{"release": {"id": 5, "referenceCount": 1}}]
    assert peer.session.imports == 0


def test_each_time_that_a_reference_comes_it_is_released_once(peer: Peer) -> None:
    peer.send(call(1, 0, [("senderHosted", 3), ("senderHosted", 3), ("senderPromise", 4)]))
    (delivery,) = peer.deliveries()
    peer.reply(delivery)
    del delivery
    gc.collect()
    assert sorted(m["release"]["id"] for m in peer.sent()) == [3, 3, 4]
    assert peer.session.imports == 0


@pytest.mark.parametrize("counts", [[1, 1, 1], [3], [2, 0, 1]])
def test_an_object_is_exported_once_and_counted_each_time(peer: Peer, counts: list[int]) -> None:
    target = Object()
    weak = weakref.ref(target)
    numbers = {give(peer, target, question) for question in (1, 2, 3)}
    (number,) = numbers
    del target
    for count in counts:
        peer.let_go()
        assert weak() is peer.session.exports[number].target
        peer.send(release(number, count))
    assert number not in peer.session.exports
    peer.let_go()
    assert weak() is None


def test_numbers_of_objects_are_used_again(peer: Peer) -> None:
    numbers = [give(peer, Object()) for _ in range(3)]
    assert numbers == [1, 2, 3]
    peer.send(release(2))
    assert give(peer, Object()) == 2
    assert give(peer, Object()) == 4


def test_finish_releases_the_results_if_it_says_so(peer: Peer) -> None:
    target = Object()
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    peer.reply(delivery, [target, target, Object()])
    assert len(peer.session.exports) == 3
    peer.send(finish(7, release_result_caps=True))
    assert len(peer.session.exports) == 1


def test_an_answer_releases_the_parameters_if_it_says_so(peer: Peer) -> None:
    target = held(peer)
    twice, once = Object("twice"), Object("once")
    first = peer.ask(target, [twice, once])
    second = peer.ask(target, [twice])
    third = peer.ask(target, [once])

    def lent() -> list[Any]:
        return [export.target for export in peer.session.exports.values()][1:]

    assert lent() == [twice, once]
    peer.send(results(first.id, release_param_caps=True))
    assert lent() == [twice, once]
    peer.send(results(second.id, release_param_caps=True))
    assert lent() == [once]
    peer.send(results(third.id))
    assert lent() == [once]


def test_parameters_that_are_not_kept_are_given_back_with_the_answer(peer: Peer) -> None:
    peer.send(call(7, 0, [("senderHosted", 3)]))
    (delivery,) = peer.deliveries()
    (given,) = params(delivery)
    given.disown()
    (sent,) = peer.reply(delivery, params_unused=True)
    assert sent["return"]["releaseParamCaps"] is True
    del delivery, given
    gc.collect()
    assert peer.sent() == [] and peer.session.imports == 0


def test_what_comes_back_is_the_object_itself(peer: Peer) -> None:
    target = Object()
    number = give(peer, target)
    peer.send(call(7, 0, [("receiverHosted", number), ("receiverHosted", 99), None]))
    (delivery,) = peer.deliveries()
    mine, unknown, none = params(delivery)
    assert mine is target and none is None
    assert isinstance(unknown, Broken) and "released" in str(unknown.error)


def test_the_peers_object_goes_back_as_its_own(peer: Peer) -> None:
    target = held(peer, 5)
    peer.ask(target, [target])
    assert peer.sent()[-1]["call"]["params"]["capTable"] == [
        {"receiverHosted": 5, "attachedFd": 255}
    ]


def test_a_call_outlives_the_reference_that_it_was_made_on(peer: Peer) -> None:
    target = Object()
    weak = weakref.ref(target)
    number = give(peer, target)
    del target
    peer.send(call(7, number), release(number))
    peer.let_go()
    (delivery,) = peer.deliveries()
    assert delivery.target is weak()
    peer.reply(delivery)
    del delivery
    gc.collect()
    assert weak() is None


def test_an_object_ends_with_the_answer_that_it_came_in(peer: Peer) -> None:
    """Calls on the answer need it, even if the peer has let go of the object itself."""
    target = Object()
    weak = weakref.ref(target)
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [target])
    del target, delivery
    peer.send(release(sent["return"]["results"]["capTable"][0]["senderHosted"]))
    peer.let_go()
    assert weak() is not None
    peer.send(call(8, (7, [0])))
    (delivery,) = peer.deliveries()
    assert delivery.target is weak()
    peer.reply(delivery)
    del delivery
    peer.send(finish(7))
    assert weak() is not None  # its end may take time, and is not for the session to wait for
    peer.let_go()
    assert weak() is None


def test_the_root_object_can_be_asked_for_again(peer: Peer) -> None:
    peer.send(release(0))
    assert not peer.session.exports
    for _ in range(2):
        (sent,) = peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
        assert sent["return"]["results"]["capTable"][0]["senderHosted"] == 0
    assert peer.session.exports[0].references == 2
    peer.send(call(1, 0))
    (delivery,) = peer.deliveries()
    assert delivery.target.name == "root"  # type: ignore[attr-defined]


def test_an_end_without_a_root_object_says_so() -> None:
    peer = Peer()
    (sent,) = peer.send(rpc_peer.built(lambda m: m.init("bootstrap")))
    assert sent["return"]["exception"]["type"] == "unimplemented"


def test_a_pinned_object_stays_whatever_the_peer_releases(peer: Peer) -> None:
    target = Object()
    own = peer.session.pin(target, None)
    number = own.number
    assert give(peer, target) == number
    peer.send(release(number))
    assert peer.session.exports[number].target is target
    with pytest.raises(ProtocolError):
        peer.send(release(number))
    own()
    peer.sent()
    assert number not in peer.session.exports


# -------------------------------------------------------------------------- calls on answers


def test_a_call_on_an_answer_waits_for_it(peer: Peer) -> None:
    target = Object()
    peer.send(call(7, 0), call(8, (7, [1])), call(9, (7, [1]), method=3))
    (delivery,) = peer.deliveries()
    assert peer.session.deferred == 2
    peer.reply(delivery, [Object(), target])
    first, second = peer.deliveries()
    assert first.target is second.target is target
    assert (first.method, second.method) == (0, 3)
    peer.send(call(10, (7, [1])))
    (third,) = peer.deliveries()
    assert third.target is target
    assert peer.session.deferred == 0


def test_a_call_on_the_root_object_before_it_is_there() -> None:
    peer = Peer(root := Object("root"))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), call(1, (0, [])))
    (delivery,) = peer.deliveries()
    assert delivery.target is root


@pytest.mark.parametrize(
    ("path", "reason"),
    [([], "null object"), ([0], "null object"), ([2], "null object"), ([1, 0], "struct pointer")],
)
def test_a_call_on_what_is_no_object_fails(peer: Peer, path: list[int], reason: str) -> None:
    peer.send(call(7, 0), call(8, (7, path)))
    (delivery,) = peer.deliveries()
    _, sent = peer.reply(delivery, [None, Object()])
    assert reason in sent["return"]["exception"]["reason"]


def test_a_call_on_an_answer_without_objects_fails(peer: Peer) -> None:
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    peer.reply(delivery)
    (sent,) = peer.send(call(8, (7, [0])))
    assert "no object" in sent["return"]["exception"]["reason"]


def test_a_call_on_a_finished_answer_fails(peer: Peer) -> None:
    (sent,) = peer.send(call(8, (99, [0])))
    assert "finished" in sent["return"]["exception"]["reason"]


def test_a_call_on_an_answer_is_run_although_that_is_finished(peer: Peer) -> None:
    target = Object()
    peer.send(call(7, 0), call(8, (7, [0])), finish(7, release_result_caps=True))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [target])
    assert "canceled" in sent["return"]
    (delivery,) = peer.deliveries()
    assert delivery.target is target
    peer.reply(delivery)
    assert not peer.session.answers


def test_an_answer_can_be_a_parameter(peer: Peer) -> None:
    first, second = Object("first"), Object("second")
    peer.send(call(7, 0), call(8, 0), call(9, 0, [(8, [0]), (7, [0]), (7, [1])]))
    one, two = peer.deliveries()
    peer.reply(one, [first])
    assert peer.deliveries() == []
    peer.reply(two, [second])
    (delivery,) = peer.deliveries()
    assert params(delivery) == [second, first, None]
    assert peer.session.deferred == 0


def test_a_parameter_may_be_released_before_the_next_is_there(peer: Peer) -> None:
    first = Object("first")
    peer.send(call(7, 0), call(8, 0), call(9, 0, [(7, [0]), (8, [0])]))
    one, two = peer.deliveries()
    peer.reply(one, [first])
    peer.send(finish(7, release_result_caps=True))
    peer.let_go()
    peer.reply(two, [Object()])
    (delivery,) = peer.deliveries()
    assert params(delivery)[0] is first


@pytest.mark.parametrize("first_done", [7, 8])
def test_finished_answers_are_kept_for_the_calls_that_need_them(
    peer: Peer, first_done: int
) -> None:
    first, second = Object("first"), Object("second")
    peer.send(call(7, 0), call(8, 0), call(9, 0, [(7, [0]), (8, [0]), (8, [1])]))
    peer.send(finish(7, release_result_caps=True), finish(8, release_result_caps=True))
    running = {delivery.answer.id: delivery for delivery in peer.deliveries()}
    for number in sorted(running, key=lambda number: number != first_done):
        peer.reply(running[number], [first] if number == 7 else [second])
    (delivery,) = peer.deliveries()
    assert params(delivery) == [first, second, None]


def test_an_answer_without_objects_as_parameter_is_null(peer: Peer) -> None:
    peer.send(call(7, 0), call(8, 0), call(9, 0, [(7, [0]), (8, [0])]), finish(7), finish(8))
    one, two = peer.deliveries()
    peer.reply(two)
    peer.reply(one)
    (delivery,) = peer.deliveries()
    assert params(delivery) == [None, None]


def test_a_failed_answer_as_parameter_is_broken(peer: Peer) -> None:
    peer.send(call(7, 0), call(8, 0, [(7, [0])]))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("no such thing"))
    (delivery,) = peer.deliveries()
    (broken,) = params(delivery)
    assert isinstance(broken, Broken) and str(broken.error) == "no such thing"


@pytest.mark.parametrize("length", [5_000])
def test_a_chain_of_calls_may_be_as_long_as_the_peer_likes(peer: Peer, length: int) -> None:
    peer.send(call(1, 0), *(call(n + 1, (n, [0])) for n in range(1, length)))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("no such thing"))
    reasons = {m["return"]["exception"]["reason"] for m in peer.sent()}
    assert reasons == {"no such thing"}
    assert peer.session.deferred == 0


# ------------------------------------------------------- objects that turn out to be the peer's


def test_a_call_on_the_peers_own_object_is_passed_back(peer: Peer) -> None:
    target = held(peer, 5)
    peer.send(call(7, 0), call(8, (7, [0]), [("senderHosted", 6), None], interface=3, method=4))
    (delivery,) = peer.deliveries()
    _, forwarded, released = peer.reply(delivery, [target])
    passed = forwarded["call"]
    assert passed["target"] == {"importedCap": 5}
    assert (passed["interfaceId"], passed["methodId"]) == (3, 4)
    # Its own object, and a pointer that names nothing is null.
    assert passed["params"]["capTable"] == [
        {"receiverHosted": 6, "attachedFd": 255},
        {"none": None, "attachedFd": 255},
    ]
    assert released == {"release": {"id": 6, "referenceCount": 1}}
    finished, answer = peer.send(results(passed["questionId"], [("senderHosted", 9)]))
    assert "finish" in finished
    assert answer["return"]["answerId"] == 8
    assert answer["return"]["results"]["capTable"] == [{"receiverHosted": 9, "attachedFd": 255}]
    # We need it as long as it can be called through that answer.
    assert peer.session.imports == 2
    peer.send(finish(8))
    peer.let_go()
    assert peer.sent() == [{"release": {"id": 9, "referenceCount": 1}}]


def test_an_error_of_a_call_that_was_passed_back_is_passed_on(peer: Peer) -> None:
    peer.send(call(7, 0), call(8, (7, [0])))
    (delivery,) = peer.deliveries()
    _, forwarded = peer.reply(delivery, [held(peer)])
    *_, answer = peer.send(exception(forwarded["call"]["questionId"], "not here", "unimplemented"))
    assert answer["return"]["exception"]["reason"] == "not here"
    assert answer["return"]["exception"]["type"] == "unimplemented"


def test_a_disembargo_comes_back_behind_the_calls_before_it(peer: Peer) -> None:
    target = held(peer, 5)
    peer.send(call(7, 0), call(8, (7, [0])), call(9, (7, [0])))
    (delivery,) = peer.deliveries()
    sent = peer.reply(delivery, [target])
    sent += peer.send(call(10, (7, [0])), disembargo((7, [0]), 77))
    kinds = [next(iter(message)) for message in sent]
    assert kinds == ["return", "call", "call", "call", "disembargo"]
    assert sent[-1]["disembargo"] == {
        "target": {"importedCap": 5},
        "context": {"receiverLoopback": 77},
    }


def test_results_are_kept_for_the_peer_if_it_wants_so(peer: Peer) -> None:
    """A tail call: our question is answered by its own call to us."""
    target = held(peer)
    question = peer.ask(target)
    peer.sent()
    peer.send(call(3, 0, to_yourself=True), returned(question.id, "takeFromOtherQuestion", 3))
    assert not question.done
    (delivery,) = peer.deliveries()
    result = Object()
    (sent,) = peer.reply(delivery, [result])
    assert sent["return"]["resultsSentElsewhere"] is None
    assert peer.answered() == [question]
    assert question.payload is not None
    assert list(question.payload.message.caps) == [result]
    peer.send(finish(3))
    assert not peer.session.answers and not peer.session.questions


def test_an_error_that_is_kept_for_the_peer_is_not_sent(peer: Peer) -> None:
    """The C++ implementation ends the connection when it is."""
    question = peer.ask(held(peer))
    peer.sent()
    peer.send(call(3, 0, to_yourself=True), returned(question.id, "takeFromOtherQuestion", 3))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("no such thing"))
    (sent,) = peer.sent()
    assert sent["return"]["resultsSentElsewhere"] is None
    assert peer.answered() == [question]
    assert str(question.error) == "no such thing"


def test_kept_results_can_be_taken_when_they_are_there(peer: Peer) -> None:
    question = peer.ask(held(peer))
    peer.sent()
    peer.send(call(3, 0, to_yourself=True))
    (delivery,) = peer.deliveries()
    peer.reply(delivery, [Object()])
    peer.send(returned(question.id, "takeFromOtherQuestion", 3))
    assert peer.answered() == [question]


def test_giving_up_on_a_question_whose_answer_is_kept_here(peer: Peer) -> None:
    target = held(peer)
    question = peer.ask(target)
    peer.send(call(3, 0, to_yourself=True), returned(question.id, "takeFromOtherQuestion", 3))
    again = peer.ask(target)
    assert again.id == question.id
    peer.sent()
    peer.session.abandon(question)
    assert peer.sent() == []  # it was finished already, and the number means another one
    assert question in peer.session.events and question.done and question.payload is None
    peer.session.events.remove(question)
    (delivery,) = peer.deliveries()
    peer.reply(delivery, [Object()])
    assert peer.answered() == []


def test_what_a_promise_resolves_to_is_released(peer: Peer) -> None:
    """We go on to call the promise, which the peer forwards."""
    target = held(peer, 5)
    assert peer.send(resolve(5, "senderHosted", 6)) == [{"release": {"id": 6, "referenceCount": 1}}]
    assert peer.send(resolve(5, "receiverHosted", 0)) == []
    peer.ask(target)
    assert peer.sent()[0]["call"]["target"] == {"importedCap": 5}


def test_results_can_hold_promised_answers_of_ours(peer: Peer) -> None:
    question = peer.ask(held(peer))
    peer.send(call(3, 0), results(question.id, [(3, [0])]))
    assert not question.done
    (delivery,) = peer.deliveries()
    peer.reply(delivery, [result := Object()])
    assert peer.answered() == [question]
    assert question.payload is not None and list(question.payload.message.caps) == [result]


# ---------------------------------------------------------------------------------- the ending


def test_a_lost_connection_fails_every_question_and_frees_every_object(peer: Peer) -> None:
    target = held(peer)
    objects = [Object() for _ in range(3)]
    weak = [weakref.ref(each) for each in objects]
    waiting = peer.ask(target, [objects[0]])
    tail = peer.ask(target)
    promised = peer.ask(target)
    give(peer, objects[1], 6)
    peer.send(
        call(3, 0, to_yourself=True),
        returned(tail.id, "takeFromOtherQuestion", 3),
        call(4, 0),
        call(5, (4, [0])),
        results(promised.id, [(4, [0])]),
    )
    running = peer.deliveries()
    peer.session.close(Disconnected("gone"))
    questions = peer.answered()
    assert {waiting, tail, promised} == set(questions)
    assert all(isinstance(q.error, Disconnected) and q.done for q in questions)
    assert len({id(q.error) for q in questions}) == 3
    # Calls that are still running end in peace, and set nothing off.
    for delivery in running:
        assert peer.reply(delivery, [objects[2]]) == []
    assert not peer.session.events
    with pytest.raises(Disconnected):
        peer.ask(target)
    del objects, running, questions, waiting, tail, promised, delivery
    peer.let_go()
    assert [ref() for ref in weak] == [None] * 3
    del target
    assert peer.sent() == []  # nothing is released over a connection that is gone


def test_an_abort_is_raised_with_its_reason(peer: Peer) -> None:
    with pytest.raises(ProtocolError, match="gave up: out of cheese"):
        peer.send(rpc_peer.built(lambda m: setattr(m.init("abort"), "reason", "out of cheese")))


def test_an_abort_says_why(peer: Peer) -> None:
    peer.session.abort("because")
    (sent,) = peer.sent()
    assert sent["abort"]["reason"] == "because"


# ------------------------------------------------------------------------ what we do not know


@pytest.mark.parametrize("kind", ["provide", "accept", "join"])
def test_an_unknown_message_comes_back(peer: Peer, kind: str) -> None:
    def fill(message: Any) -> None:
        message.init(kind).questionId = 12
        if kind != "accept":
            getattr(message, kind).init("target").importedCap = 3

    message = rpc_peer.built(fill)
    assert peer.send(message) == [{"unimplemented": rpc_schema.read(message)}]


def test_an_unknown_message_with_everything_in_it_comes_back(peer: Peer) -> None:
    """Objects of every kind: lists of each element size, texts, data, structs in structs."""

    def fill(message: Any) -> None:
        later = message.init("provide")
        later.init("target").init("promisedAnswer").init("transform", 3)[1].getPointerField = 7
        nested = rpc_schema.rpc().Message.new_message()
        nested.init("call").init("params").init("capTable", 3)[2].init("receiverAnswer").init(
            "transform", 2
        )
        nested.call.interfaceId = 2**64 - 1
        later.recipient.set_as_text("a text")
        later.recipient = nested

    message = rpc_peer.built(fill)
    (received,) = rpc_schema.parsed(message)
    peer.session.receive(received)
    sent = b"".join(peer.session.take_output())

    def recipient(message: Any) -> Any:
        return message.provide.recipient.as_struct(rpc_schema.rpc().Message.schema).to_dict()

    read = rpc_schema.rpc().Message.from_bytes
    with read(message) as ours, read(sent) as echoed:
        assert echoed.unimplemented.provide.target.to_dict() == ours.provide.target.to_dict()
        assert recipient(echoed.unimplemented) == recipient(ours)


def test_a_call_that_the_peer_does_not_know(peer: Peer) -> None:
    lent = Object()
    question = peer.ask(held(peer), [lent])
    sent = b"".join(peer.session.take_output())

    def fill(message: Any) -> None:
        stream = sent
        while stream:
            end = 8 + int.from_bytes(stream[4:8], "little") * 8
            with rpc_schema.rpc().Message.from_bytes(stream[:end]) as each:
                if each.which() == "call":
                    message.init("unimplemented").init("call").questionId = each.call.questionId
            stream = stream[end:]

    peer.send(rpc_peer.built(fill))
    assert peer.answered() == [question]
    assert isinstance(question.error, Unimplemented)
    assert not peer.session.questions
    assert [e.target for e in peer.session.exports.values() if e.target is lent] == []


def test_a_bootstrap_that_the_peer_does_not_know() -> None:
    peer = Peer()
    question = peer.session.bootstrap(None)
    peer.send(
        rpc_peer.built(
            lambda m: m.init("unimplemented").init("bootstrap").__setattr__("questionId", 0)
        )
    )
    assert peer.answered() == [question]
    assert isinstance(question.error, Unimplemented)


def test_other_messages_that_the_peer_does_not_know_do_no_harm(peer: Peer) -> None:
    for kind in ("finish", "release", "disembargo", "resolve", "abort", "return", "unimplemented"):
        peer.send(rpc_peer.built(lambda m, kind=kind: m.init("unimplemented").init(kind)))  # type: ignore[misc]
    peer.send(call(7, 0))
    assert len(peer.deliveries()) == 1


# ---------------------------------------------------------------------------------- violations

VIOLATIONS: dict[str, Callable[[Peer], Any]] = {
    "an answer to a question that was not asked": lambda peer: peer.send(results(44)),
    "an exception for a question that was not asked": lambda peer: peer.send(exception(4, "")),
    "two answers to a question": lambda peer: (
        peer.send(results(peer.ask(held(peer)).id)) and peer.send(results(0))
    ),
    "two calls of one number": lambda peer: peer.send(call(7, 0), call(7, 0)),
    "a bootstrap with a call's number": lambda peer: peer.send(
        call(7, 0), rpc_peer.built(lambda m: m.init("bootstrap").__setattr__("questionId", 7))
    ),
    "releasing what was not given": lambda peer: peer.send(release(12)),
    "releasing more than was given": lambda peer: peer.send(release(give(peer, Object()), 2)),
    "releasing twice": lambda peer: peer.send(*[release(give(peer, Object()))] * 2),
    "releasing parameters that were released": lambda peer: release_twice(peer),
    "a disembargo that we did not ask for": lambda peer: peer.send(
        disembargo(0, 1, "receiverLoopback")
    ),
    "a disembargo of an object of ours": lambda peer: peer.send(disembargo(0, 1)),
    "a disembargo of nothing": lambda peer: peer.send(disembargo(99, 1)),
    "a disembargo of an unknown answer": lambda peer: peer.send(disembargo((99, [0]), 1)),
    "a disembargo of an answer that is not there": lambda peer: peer.send(
        call(7, 0), disembargo((7, [0]), 1)
    ),
    "taking results that were not kept": lambda peer: peer.send(
        call(7, 0), returned(peer.ask(held(peer)).id, "takeFromOtherQuestion", 7)
    ),
    "taking results of no call": lambda peer: peer.send(
        returned(peer.ask(held(peer)).id, "takeFromOtherQuestion", 99)
    ),
    "an unimplemented call that was not made": lambda peer: peer.send(
        rpc_peer.built(lambda m: m.init("unimplemented").init("call"))
    ),
}


def release_twice(peer: Peer) -> None:
    question = peer.ask(held(peer), [Object()])
    (number,) = question.exported
    peer.send(release(number), results(question.id, release_param_caps=True))


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_an_error(peer: Peer, name: str) -> None:
    with pytest.raises(ProtocolError):
        VIOLATIONS[name](peer)


def test_parameters_that_are_no_struct_fail_the_call_alone(peer: Peer) -> None:
    text = (1 | 2 << 32 | 1 << 35 | 4 << 2).to_bytes(8, "little")
    (sent,) = peer.send(call(7, 0, content=text))
    assert "malformed" in sent["return"]["exception"]["reason"]
    assert peer.deliveries() == []
    # Also when they are passed back, and only later.
    target = held(peer)
    peer.send(call(8, 0), call(9, (8, [0]), content=text), call(10, (8, [1]), content=text))
    (delivery,) = peer.deliveries()
    sent_then = peer.reply(delivery, [target, Object()])
    failed = [m["return"]["answerId"] for m in sent_then if "exception" in m.get("return", {})]
    assert failed == [9, 10]


def test_results_that_are_no_struct_fail_the_call_that_was_passed_back(peer: Peer) -> None:
    peer.send(call(7, 0), call(8, (7, [0])))
    (delivery,) = peer.deliveries()
    _, forwarded = peer.reply(delivery, [held(peer)])
    *_, answer = peer.send(
        results(forwarded["call"]["questionId"], content=(3).to_bytes(8, "little"))
    )
    assert answer["return"]["answerId"] == 8
    assert "malformed" in answer["return"]["exception"]["reason"]


# -------------------------------------------------------------------------------------- limits


def test_more_calls_than_allowed_are_refused() -> None:
    peer = Peer(Object("root"), Limits(calls=3))
    bootstrap = rpc_peer.built(lambda m: m.init("bootstrap").__setattr__("questionId", 100))
    peer.send(bootstrap, call(0, (100, [])), call(1, (100, [])))
    assert len(peer.deliveries()) == 2
    for number in range(2, 20):
        (sent,) = peer.send(call(number, (100, []), to_yourself=number % 2 == 1))
        assert sent["return"]["exception"]["type"] == "overloaded"
        assert sent["return"]["noFinishNeeded"] is True
        assert len(peer.session.answers) == 3
    (sent,) = peer.send(
        rpc_peer.built(lambda m: m.init("bootstrap").__setattr__("questionId", 101))
    )
    assert sent["return"]["exception"]["type"] == "overloaded"
    assert len(peer.session.answers) == 3 and len(peer.session.exports) == 1
    # There is room again when one of them is done with.
    peer.send(finish(100), call(50, 0))
    assert len(peer.deliveries()) == 1


def test_a_refused_call_gives_back_its_parameters() -> None:
    peer = Peer(Object("root"), Limits(calls=1))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap").__setattr__("questionId", 100)))
    *_, sent = peer.send(call(1, (100, []), [("senderHosted", 4)]))
    assert sent == {"release": {"id": 4, "referenceCount": 1}}
    assert peer.session.imports == 0


def test_more_objects_than_allowed_are_refused() -> None:
    peer = Peer(Object("root"), Limits(exports=3))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    first, second = Object(), Object()
    peer.send(call(1, 0))
    (delivery,) = peer.deliveries()
    peer.reply(delivery, [first, second])
    peer.send(finish(1))

    peer.send(call(2, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [first, Object()])
    assert sent["return"]["exception"]["type"] == "overloaded"
    assert len(peer.session.exports) == 3
    assert [e.references for e in peer.session.exports.values()] == [1, 1, 1]

    # Those that it holds already can be given again, and there is room when it lets go of one.
    peer.send(call(3, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [first, second, None])
    assert "results" in sent["return"]
    peer.send(finish(3, release_result_caps=True), release(1))
    peer.send(call(4, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [Object()])
    assert "results" in sent["return"]


def test_our_own_call_with_more_objects_than_allowed_is_not_made() -> None:
    peer = Peer(Object("root"), Limits(exports=1))
    target = held(peer)
    peer.ask(target, [Object()])
    peer.sent()
    with pytest.raises(RemoteError, match="holds 1 objects"):
        peer.ask(target, [Object()])
    assert peer.sent() == []
    assert len(peer.session.questions) == 1 and len(peer.session.exports) == 1


def test_calls_passed_back_do_not_exceed_the_limit_of_objects() -> None:
    peer = Peer(Object("root"), Limits(exports=1))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    peer.send(call(1, 0), call(2, 0, [(1, [0])]))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [Object()])
    assert sent["return"]["exception"]["type"] == "overloaded"
    (delivery,) = peer.deliveries()
    (broken,) = params(delivery)
    assert isinstance(broken, Broken)
    # A broken capability that is passed on counts as an object, too.
    (sent,) = peer.reply(delivery, [broken])
    assert sent["return"]["exception"]["type"] == "overloaded"


def test_a_broken_object_can_be_given_and_called_and_released(peer: Peer) -> None:
    number = give(peer, Broken(RemoteError("never came")))
    (sent,) = peer.send(call(9, number))
    assert sent["return"]["exception"]["reason"] == "never came"
    peer.send(finish(9), release(number))
    assert number not in peer.session.exports


def test_question_and_writer_are_left_alone_when_the_session_is_closed(peer: Peer) -> None:
    target = held(peer)
    question: Question = peer.ask(target)
    peer.sent()
    peer.session.close(Disconnected("gone"))
    assert peer.answered() == [question]
    peer.session.abandon(question)
    w = Writer(0)
    with pytest.raises(Disconnected):
        peer.session.call(target, 1, 0, w, 0, None)
    assert peer.sent() == []


def test_answers_that_are_kept_count_as_calls_do() -> None:
    peer = Peer(Object("root"), Limits(call_words=1 << 10))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    peer.send(call(1, 0, to_yourself=True))
    (delivery,) = peer.deliveries()
    text = write_text("x" * (1 << 14))
    peer.session.reply(delivery.answer, text, ONE_POINTER, params_unused=False)
    peer.sent()
    (refused,) = peer.send(call(2, 0))
    assert refused["return"]["exception"]["reason"] == "more than 1024 words of calls in flight"
    peer.send(finish(1))
    peer.send(call(3, 0))
    assert len(peer.deliveries()) == 1
