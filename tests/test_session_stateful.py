"""Two sessions, back to back, and everything that can happen between them in any order.

Each end calls, answers, drops, gives up, calls on answers that are not there and passes them as
parameters, while messages are on their way. Nothing of that breaks the protocol, and when all is
dropped, nothing is left in any table.
"""

from __future__ import annotations

import gc
from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mpipc.capnp.message import DEFAULT_LIMITS
from mpipc.capnp.session import Delivery, Import, Question, Session
from mpipc.capnp.writer import Writer
from mpipc.errors import RemoteError
from tests import rpc_peer
from tests.rpc_peer import Object
from tests.rpc_schema import parsed


class End:
    """One end: its session, its objects, what it holds of the other's, and what it has to do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = Session(Object(f"{name}'s root"), DEFAULT_LIMITS, lambda: None)
        self.objects = [Object(f"{name}'s {n}") for n in range(2)]
        self.held: list[Import] = []
        self.asked: list[Question] = []
        self.to_answer: list[Delivery] = []
        self.underway: deque[bytes] = deque()

    def send(self) -> None:
        """Put what the session has to say on its way, message by message."""
        stream = b"".join(self.session.take_output())
        while stream:
            end = 8 + int.from_bytes(stream[4:8], "little") * 8
            self.underway.append(stream[:end])
            stream = stream[end:]

    def receive(self, message: bytes) -> None:
        for each in parsed(message):
            self.session.receive(each)
        self.take_events()

    def take_events(self) -> None:
        while self.session.events:
            event = self.session.events.popleft()
            if isinstance(event, Delivery):
                self.to_answer.append(event)
            elif not event.abandoned:
                self.asked.remove(event)
                self.keep_results(event)
        self.session.freed.clear()
        self.send()

    def keep_results(self, question: Question) -> None:
        assert question.done
        if question.payload is not None:
            self.held += [c for c in question.payload.message.caps if isinstance(c, Import)]

    def cap(self, pick: int) -> Any:
        """None, an object of ours, or one of the other end's."""
        choices = [None, *self.objects, Object("temporary"), *self.held]
        return choices[pick % len(choices)]

    def written(self, picks: list[int]) -> Writer:
        w = Writer(len(picks))
        w.head = b"".join(w.cap(self.cap(pick)).to_bytes(8, "little") for pick in picks)
        return w


caps = st.lists(st.integers(0, 20), max_size=3)
numbers = st.integers(0, 100)
ends = st.sampled_from([0, 1])


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ends = [End("left"), End("right")]
        for end in self.ends:
            end.asked.append(end.session.bootstrap(None))
            end.send()

    @rule(end=ends)
    def a_message_arrives(self, end: int) -> None:
        sender, receiver = self.ends[end], self.ends[1 - end]
        if sender.underway:
            receiver.receive(sender.underway.popleft())

    @rule()
    def everything_arrives(self) -> None:
        while any(end.underway for end in self.ends):
            for end in (0, 1):
                self.a_message_arrives(end)

    @rule(end=ends, on=numbers, picks=caps)
    def call(self, end: int, on: int, picks: list[int]) -> None:
        caller = self.ends[end]
        if caller.held:
            w = caller.written(picks)
            target = caller.held[on % len(caller.held)]
            question = caller.session.call(target, 1, 0, w, len(picks) << 16, None)
            caller.asked.append(question)
            caller.send()

    @rule(end=ends, on=numbers, field=st.integers(0, 3), params=st.lists(numbers, max_size=2))
    def call_on_an_answer(self, end: int, on: int, field: int, params: list[int]) -> None:
        """Sessions never do it themselves, so this is written by hand. The parameters are answers
        that are not there, too."""
        caller = self.ends[end]
        pending = [question for question in caller.asked if not question.abandoned]
        if pending:
            target = pending[on % len(pending)].id, [field]
            answers = [(pending[n % len(pending)].id, [field]) for n in params]
            question = caller.session._question(None)
            caller.asked.append(question)
            caller.session.out.append(rpc_peer.call(question.id, target, answers))
            caller.send()

    @rule(end=ends, which=numbers, picks=caps, params_unused=st.booleans())
    def answer(self, end: int, which: int, picks: list[int], params_unused: bool) -> None:
        callee = self.ends[end]
        if callee.to_answer:
            delivery = callee.to_answer.pop(which % len(callee.to_answer))
            given = [cap for cap in delivery.message.caps if isinstance(cap, Import)]
            if delivery.hosted and params_unused:
                for cap in delivery.hosted:
                    cap.disown()
            else:
                callee.held += given
                params_unused = not delivery.hosted
            w = callee.written(picks)
            shape = len(picks) << 16
            callee.session.reply(delivery.answer, w, shape, params_unused=params_unused)
            callee.take_events()

    @rule(end=ends, which=numbers)
    def fail(self, end: int, which: int) -> None:
        callee = self.ends[end]
        if callee.to_answer:
            delivery = callee.to_answer.pop(which % len(callee.to_answer))
            callee.session.reply_error(delivery.answer, RemoteError("failed"))
            callee.take_events()

    @rule(end=ends, which=numbers)
    def give_up(self, end: int, which: int) -> None:
        caller = self.ends[end]
        if caller.asked:
            question = caller.asked.pop(which % len(caller.asked))
            caller.session.abandon(question)
            caller.send()

    @rule(end=ends, which=numbers)
    def drop(self, end: int, which: int) -> None:
        holder = self.ends[end]
        if holder.held:
            del holder.held[which % len(holder.held)]
            holder.send()

    @precondition(lambda self: not any(end.underway for end in self.ends))
    @invariant()
    def each_reference_is_counted_once(self) -> None:
        """With no message on its way, the tables of both ends agree."""
        for one, other in (self.ends, self.ends[::-1]):
            given = sum(export.references for export in one.session.exports.values())
            assert given == other.session.imports

    def teardown(self) -> None:
        """Drop all there is, and let all messages arrive."""
        for end in self.ends:
            for question in end.asked:
                end.session.abandon(question)
            end.asked.clear()
            end.send()
        while any(end.underway or end.to_answer for end in self.ends):
            self.everything_arrives()
            for index, end in enumerate(self.ends):
                while end.to_answer:
                    self.fail(index, 0)
        for end in self.ends:
            end.held.clear()
            end.objects.clear()
        gc.collect()
        for end in self.ends:
            end.send()
        self.everything_arrives()
        for end in self.ends:
            session = end.session
            assert not session.questions and not session.answers
            assert not session.exports and not session.imports
            assert not session.deferred and not session.events
            assert sorted(session._free_questions) == list(range(len(session._free_questions)))


Conversation.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestConversation = Conversation.TestCase
