"""What the comments of `rpc.capnp` say about races and rare cases, each by the message it is about.

The common cases are in test_session.py, and pycapnp's side of them in tests/interop.
"""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from mpipc.capnp.session import Broken
from mpipc.errors import ProtocolError, RemoteError
from tests import rpc_peer
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
from tests.test_session import give, held, params


@pytest.fixture
def peer() -> Peer:
    """A session whose root object the other end holds, as export 0."""
    peer = Peer(Object("root"))
    peer.send(rpc_peer.built(lambda m: m.init("bootstrap")), finish(0))
    return peer


def kinds(sent: list[dict[str, Any]]) -> list[str]:
    return [next(iter(message)) for message in sent]


def hinted(question: int, hint: str) -> bytes:
    """A call on the root object with one of the hints of a Call."""

    def fill(message: Any) -> None:
        made = message.init("call")
        made.questionId, made.interfaceId = question, 1
        made.init("target").importedCap = 0
        made.init("params")
        setattr(made, hint, True)

    return rpc_peer.built(fill)


# ------------------------------------------------------------------------------------------ Call


@pytest.mark.parametrize(
    "hint", ["onlyPromisePipeline", "noPromisePipelining", "allowThirdPartyTailCall"]
)
def test_hints_change_nothing(peer: Peer, hint: str) -> None:
    """`onlyPromisePipeline` comes with numbers that have the highest bit set; the receiver is
    still allowed to answer."""
    number = 1 << 31 | 5
    peer.send(hinted(number, hint), call(6, (number, [0])))
    (first,) = peer.deliveries()
    returned_, *_ = peer.reply(first, [Object("made")])
    assert returned_["return"]["answerId"] == number
    (second,) = peer.deliveries()
    assert repr(second.target) == "made"
    peer.reply(second)
    peer.send(finish(number))
    assert not peer.session.answers


def test_a_number_may_be_used_again_after_its_finish(peer: Peer) -> None:
    """Also where none was needed, and one comes nevertheless: it is for the call before."""
    for _ in range(3):
        peer.send(call(7, 0))
        (delivery,) = peer.deliveries()
        (sent,) = peer.reply(delivery)
        assert sent["return"]["noFinishNeeded"]
        assert peer.send(finish(7)) == []
    peer.send(call(7, 0))
    assert len(peer.deliveries()) == 1


@pytest.mark.parametrize("place", ["thirdParty"])
def test_results_for_a_third_party_are_refused(peer: Peer, place: str) -> None:
    def fill(message: Any) -> None:
        message.init("call").init("target").importedCap = 0
        message.call.sendResultsTo.init(place)

    with pytest.raises(ProtocolError, match="third party"):
        peer.send(rpc_peer.built(fill))


# ---------------------------------------------------------------------------------------- Return


def test_results_at_a_third_party_are_refused(peer: Peer) -> None:
    question = peer.ask(held(peer))

    def fill(message: Any) -> None:
        result = message.init("return")
        result.answerId = question.id
        result.init("acceptFromThirdParty")

    with pytest.raises(ProtocolError, match="unknown kind of return"):
        peer.send(rpc_peer.built(fill))


@pytest.mark.parametrize("kind", ["canceled", "resultsSentElsewhere"])
def test_no_results_though_nobody_canceled_is_an_error_of_the_call(peer: Peer, kind: str) -> None:
    question = peer.ask(held(peer))
    peer.send(returned(question.id, kind))
    assert peer.answered() == [question]
    assert isinstance(question.error, RemoteError) and question.payload is None


def test_release_param_caps_counts_each_descriptor_once(peer: Peer) -> None:
    """ "As if the sender had sent a release message with count=1 for each CapDescriptor": those of
    the sender's own are not counted."""
    target, lent, other = held(peer), Object("lent"), Object("other")
    question = peer.ask(target, [lent, lent, target, None, other])
    numbers = set(question.exported)
    assert len(question.exported) == 3 and len(numbers) == 2
    assert peer.session.exports[question.exported[0]].references == 2
    peer.send(results(question.id, release_param_caps=True))
    assert not numbers & peer.session.exports.keys()


def test_parameters_that_were_released_before_the_return_are_not_released_again(peer: Peer) -> None:
    question = peer.ask(held(peer), [lent := Object("lent")])
    (number,) = question.exported
    weak = weakref.ref(lent)
    peer.send(release(number))
    assert number not in peer.session.exports
    peer.send(results(question.id))  # releaseParamCaps is false
    del lent
    peer.let_go()
    assert weak() is None and peer.answered() == [question]


def test_results_that_are_released_after_the_finish(peer: Peer) -> None:
    """`releaseResultCaps` is false: the peer goes on to hold what it got."""
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [made := Object("made"), made])
    number = sent["return"]["results"]["capTable"][0]["senderHosted"]
    peer.send(finish(7))
    assert peer.session.exports[number].references == 2
    peer.send(release(number))
    assert peer.session.exports[number].references == 1
    peer.send(release(number))
    assert number not in peer.session.exports


def test_an_object_that_is_given_and_released_over_and_over(peer: Peer) -> None:
    """Counts of one object in several answers, given back in any portions."""
    target = Object("given")
    number = give(peer, target, 1)
    for question in (2, 3, 4):
        assert give(peer, target, question) == number
    peer.send(release(number, 3), release(number, 0))
    assert peer.session.exports[number].references == 1
    assert give(peer, target, 5) == number
    peer.send(release(number, 2))
    assert number not in peer.session.exports
    with pytest.raises(ProtocolError):
        peer.send(release(number, 1))


# ---------------------------------------------------------------------------------------- Finish


def test_a_return_that_crosses_our_finish_releases_nothing_twice(peer: Peer) -> None:
    """The Finish said to release the results, so the answer's objects are not ours to release."""
    question = peer.ask(held(peer))
    peer.sent()
    peer.session.abandon(question)
    (finished,) = peer.sent()
    assert finished["finish"]["releaseResultCaps"]
    assert peer.send(results(question.id, [("senderHosted", 9), ("senderPromise", 10)])) == []
    peer.let_go()
    assert peer.sent() == [] and peer.answered() == [question] and question.payload is None
    assert question.id not in peer.session.questions
    # The number is free again, and nothing of the first question sticks to it.
    again = peer.ask(held(peer, 6))
    peer.send(results(again.id))
    assert peer.answered() == [again] and again.error is None


@pytest.mark.parametrize("answer", ["results", "exception", "canceled"])
def test_whatever_answers_an_abandoned_call_frees_its_number(peer: Peer, answer: str) -> None:
    question = peer.ask(held(peer), [lent := Object()])
    (number,) = question.exported
    peer.session.abandon(question)
    peer.sent()
    if answer == "results":
        peer.send(results(question.id, release_param_caps=True))
    elif answer == "exception":
        peer.send(exception(question.id, "late"), release(number))
    else:
        peer.send(returned(question.id, "canceled"), release(number))
    assert question.id not in peer.session.questions and number not in peer.session.exports
    weak = weakref.ref(lent)
    del lent
    peer.let_go()
    assert weak() is None


def test_a_finish_that_crosses_our_return(peer: Peer) -> None:
    """It comes behind the Return, and releases what that held."""
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    (sent,) = peer.reply(delivery, [Object("made")])
    number = sent["return"]["results"]["capTable"][0]["senderHosted"]
    assert peer.send(finish(7, release_result_caps=True)) == []
    assert number not in peer.session.exports and not peer.session.answers
    assert peer.send(finish(7, release_result_caps=True)) == []  # of nothing: ignored


def test_a_finish_before_the_return_keeps_results_at_home(peer: Peer) -> None:
    peer.send(call(7, 0), finish(7))
    (delivery,) = peer.deliveries()
    made = Object("made")
    weak = weakref.ref(made)
    (sent,) = peer.reply(delivery, [made])
    assert "canceled" in sent["return"]
    del made, delivery
    peer.let_go()
    assert weak() is None and len(peer.session.exports) == 1


# --------------------------------------------------------------------------------------- Resolve


def test_a_chain_of_promises_is_released_link_by_link(peer: Peer) -> None:
    """A promise may resolve to another one; calls still go to the first, for good."""
    target = held(peer, 5)
    assert peer.send(resolve(5, "senderPromise", 6)) == [
        {"release": {"id": 6, "referenceCount": 1}}
    ]
    assert peer.send(resolve(6, "senderPromise", 7)) == [
        {"release": {"id": 7, "referenceCount": 1}}
    ]
    assert peer.send(resolve(7, "senderHosted", 8)) == [{"release": {"id": 8, "referenceCount": 1}}]
    peer.ask(target)
    assert peer.sent()[0]["call"]["target"] == {"importedCap": 5}
    del target
    peer.let_go()
    assert peer.sent() == [{"release": {"id": 5, "referenceCount": 1}}]


def test_a_promise_that_was_dropped_before_it_resolved(peer: Peer) -> None:
    """ "The receiver should simply release the capability to which the promise resolved." """
    target = held(peer, 5)
    del target
    assert peer.sent() == [{"release": {"id": 5, "referenceCount": 1}}]
    assert peer.send(resolve(5, "senderHosted", 6)) == [{"release": {"id": 6, "referenceCount": 1}}]


def test_a_promise_that_breaks_or_is_ours_after_all(peer: Peer) -> None:
    number = give(peer, Object("ours"))
    target = held(peer, 5)

    def broken(message: Any) -> None:
        message.init("resolve").promiseId = 5
        message.resolve.init("exception").reason = "it broke"

    assert peer.send(rpc_peer.built(broken)) == []
    assert peer.send(resolve(5, "receiverHosted", number)) == []
    # Its calls are answered by whoever holds the promise.
    question = peer.ask(target)
    peer.send(exception(question.id, "it broke"))
    assert isinstance(question.error, RemoteError) and question.error.text == "it broke"
    assert peer.session.exports[number].references == 1


def test_a_promise_that_resolves_to_a_third_party_gives_back_the_vine(peer: Peer) -> None:
    def fill(message: Any) -> None:
        message.init("resolve").promiseId = 5
        message.resolve.init("cap").init("thirdPartyHosted").vineId = 9

    target = held(peer, 5)
    assert peer.send(rpc_peer.built(fill)) == [{"release": {"id": 9, "referenceCount": 1}}]
    assert target.id == 5


def test_an_object_of_a_third_party_is_called_by_its_vine(peer: Peer) -> None:
    peer.session.bootstrap(None)

    def fill(message: Any) -> None:
        result = message.init("return")
        result.init("results").init("capTable", 1)[0].init("thirdPartyHosted").vineId = 9

    peer.send(rpc_peer.built(fill))
    (question,) = peer.answered()
    assert question.payload is not None
    (found,) = question.payload.message.caps
    peer.sent()
    peer.ask(found)
    assert peer.sent()[0]["call"]["target"] == {"importedCap": 9}


# ------------------------------------------------------------------------------------ Disembargo


def test_a_disembargo_waits_for_a_call_that_waits_for_its_parameters(peer: Peer) -> None:
    """Otherwise the sender would lift its embargo, and a direct call would overtake that one."""
    target = held(peer, 5)
    peer.send(call(7, 0), call(8, 0))
    first, second = peer.deliveries()
    peer.reply(first, [target])
    # The parameter of call 9 will be in answer 8; call 10 has none.
    sent = peer.send(call(9, (7, [0]), [(8, [0])], method=1), call(10, (7, [0]), method=2))
    assert [message["call"]["methodId"] for message in sent] == [2]
    assert peer.send(disembargo((7, [0]), 77), disembargo((7, [0]), 78)) == []
    sent = peer.reply(second, [Object("there")])
    assert kinds(sent) == ["return", "call", "disembargo", "disembargo"]
    assert sent[1]["call"]["methodId"] == 1
    assert [m["disembargo"]["context"]["receiverLoopback"] for m in sent[2:]] == [77, 78]
    # And from now on, none waits.
    assert kinds(peer.send(disembargo((7, [0]), 79))) == ["disembargo"]


def test_a_disembargo_waits_for_a_call_that_fails(peer: Peer) -> None:
    target = held(peer, 5)
    peer.send(call(7, 0), call(8, 0))
    first, second = peer.deliveries()
    peer.reply(first, [target])
    text = (1 | 2 << 32 | 1 << 35 | 4 << 2).to_bytes(8, "little")  # no struct
    peer.send(call(9, (7, [0]), [(8, [0])], content=text))
    assert peer.send(disembargo((7, [0]), 77)) == []
    assert kinds(peer.reply(second, [Object()])) == ["return", "return", "disembargo"]


def test_a_disembargo_of_another_object_does_not_wait(peer: Peer) -> None:
    one, other = held(peer, 5), held(peer, 6)
    peer.send(call(7, 0), call(8, 0))
    first, _ = peer.deliveries()
    peer.reply(first, [one, other])
    peer.send(call(9, (7, [0]), [(8, [0])]))
    assert kinds(peer.send(disembargo((7, [1]), 77))) == ["disembargo"]


def test_endless_disembargoes_are_refused(peer: Peer) -> None:
    target = held(peer, 5)
    peer.send(call(7, 0), call(8, 0))
    first, _ = peer.deliveries()
    peer.reply(first, [target])
    peer.send(call(9, (7, [0]), [(8, [0])]))
    one = disembargo((7, [0]), 77)
    with pytest.raises(ProtocolError, match="disembargoes"):
        peer.send(one * (peer.session.limits.calls + 1))


# -------------------------------------------------------------------------- broken capabilities


def test_a_call_on_an_answer_that_broke_fails_like_it_in_order(peer: Peer) -> None:
    """Those that were sent before it broke, and those after."""
    peer.send(call(7, 0), call(8, (7, [0])), call(9, (8, [0])))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("it broke"))
    sent = peer.sent() + peer.send(call(10, (7, [3])), call(11, (9, [0])))
    assert [m["return"]["answerId"] for m in sent] == [7, 8, 9, 10, 11]
    assert {m["return"]["exception"]["reason"] for m in sent} == {"it broke"}


def test_a_broken_parameter_reaches_the_object_that_may_not_care(peer: Peer) -> None:
    peer.send(call(7, 0))
    (delivery,) = peer.deliveries()
    peer.session.reply_error(delivery.answer, RemoteError("it broke"))
    peer.send(call(8, 0, [(7, [0]), ("senderHosted", 3)]))
    (second,) = peer.deliveries()
    broken, _ = params(second)
    assert isinstance(broken, Broken) and "it broke" in str(broken.error)


# ------------------------------------------------------------------------------------- Bootstrap


def test_the_root_object_is_counted_for_each_bootstrap(peer: Peer) -> None:
    def bootstrap(number: int) -> bytes:
        return rpc_peer.built(lambda m: setattr(m.init("bootstrap"), "questionId", number))

    assert peer.session.exports[0].references == 1
    for number in (3, 4):
        (sent,) = peer.send(bootstrap(number))
        assert sent["return"]["results"]["capTable"][0]["senderHosted"] == 0
    assert peer.session.exports[0].references == 3
    peer.send(finish(3, release_result_caps=True), finish(4))
    assert peer.session.exports[0].references == 2
    peer.send(release(0, 2))
    assert not peer.session.exports
    # All of it was given back; it can be asked for again.
    (sent,) = peer.send(bootstrap(3))
    assert "results" in sent["return"]
