"""Ordinary traffic takes the short cuts, whichever thread it belongs to; what comes together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import mpipc
from mpipc.capnp.session import Session
from tests.runtime.declarations import Root
from tests.runtime.support import Running, eventually

CALLS = 100
FEW = 20  # messages of other kinds: a thread is made, references are released


@pytest.fixture
def general(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The messages that this process has received on the general way."""
    received: list[Any] = []
    receive = Session.receive

    def counted(session: Session, message: Any) -> None:
        received.append(message)
        receive(session, message)

    monkeypatch.setattr(Session, "receive", counted)
    yield received


def test_answers_of_every_thread(root: Root, general: list[Any]) -> None:
    threads = root.threads()
    for _ in range(3):  # one after the other, so that the numbers of one are used again
        del general[:]
        Running(lambda: [threads.ident() for _ in range(CALLS)]).result()
        assert len(general) < FEW


def test_calls_with_callbacks(root: Root, general: list[Any]) -> None:
    callbacks = root.callbacks()
    for _ in range(3):
        del general[:]

        def work() -> list[int]:
            # Each callback is another object.
            return [callbacks.call(lambda value: value + 1, number) for number in range(CALLS)]

        assert Running(work).result() == [number + 1 for number in range(CALLS)]
        assert len(general) < FEW


def test_a_call_may_wait_for_one_that_came_with_it(root: Root) -> None:
    """The first one calls back, and the callback waits for the last one, on the same thread."""
    callbacks, values = root.callbacks(), root.values()
    promises: list[mpipc.Promise[int]] = []

    def step(value: int) -> int:
        return value + promises[-1].result()

    with mpipc.pipeline() as p:
        first = p.call(callbacks.call, step, 1000)
        promises += [p.call(values.large, number) for number in range(CALLS)]
    assert first.result() == 1000 + CALLS - 1
    assert [promise.result() for promise in promises] == list(range(CALLS))


def test_a_callback_that_is_kept_stays_the_callers(root: Root) -> None:
    """The answer gives back what the server has not kept, and only that."""
    callbacks = root.callbacks()
    told: list[str] = []
    for number in range(CALLS):
        callbacks.later(told.append, [str(number)])
        assert callbacks.call(lambda value: -value, number) == -number
    eventually(lambda: sorted(told, key=int) == [str(number) for number in range(CALLS)])
