"""One execution: a conversation is played back to a connection, mutated as some bytes say."""

from __future__ import annotations

import gc
from struct import Struct
from typing import Any

from mpipc.capnp import rpc_messages as rpc
from mpipc.errors import Disconnected
from tests.fuzz.inline import InlineDriver
from tests.fuzz.mutations import Choices, content, control, damaged, mutated
from tests.fuzz.oracle import disagreement
from tests.fuzz.transcripts import Transcript, recorded, run_client, start_server
from tests.test_malformed_rpc import INTERFACE, VALID

# What a connection may say for each byte that it hears, and besides: answers with data that a
# few bytes ask for, and errors with texts.
_ANSWER_BYTES = 12_000
_PREFIX = 12  # messages
_FIRST_QUESTION = 1000
# Where a call, laid out as ours are, has its number, its target, and the pointer to its table.
_QUESTION, _QUESTION_AT = Struct("<I"), 32
_CONTEXT, _CONTEXT_AT = Struct("<Q16xQ"), 80


class Stream:
    """What the connection's peer says: recorded messages, and mutated ones in their place.

    `fed` counts those that were received, `mutated` those of them that are not as they were
    recorded. `checked`: compare the reading of mutated ones with pycapnp's.
    """

    def __init__(self, messages: list[bytes], choices: Choices, *, checked: bool) -> None:
        self._messages = messages
        self._choices = choices
        self._checked = checked
        self._at = 0
        # The first ones set the connection up; how many more are left alone?
        self._whole = choices.below(min(len(messages), _PREFIX))
        self.driver = InlineDriver()
        self.driver.more = self.feed
        self.fed = 0
        self.mutated = 0
        self.bytes = 0

    def feed(self) -> bool:
        """Have the connection receive the next message; whether there was one."""
        messages, choices = self._messages, self._choices
        if self.driver.stopped:
            return False
        at = self._at
        if at < self._whole:
            self._at += 1
            self._receive(messages[at])
            return True
        if choices.over:
            return False
        kind = choices.byte()
        message = messages[at % len(messages)]
        self._at += 1
        if kind < 24:
            self._receive(message)
        elif kind < 30:  # again, later or not at all
            self._at = choices.below(len(messages))
        elif kind < 40:  # two at once
            following = messages[self._at % len(messages)]
            self._at += 1
            self._receive(message + mutated(following, message, choices), changed=1)
        elif kind < 50:  # in two pieces
            message = mutated(message, messages[choices.below(len(messages))], choices)
            cut = choices.below(len(message))
            self._receive(message[:cut])
            self._receive(message[cut:], changed=1)
        elif kind < 60:
            message = VALID[choices.below(len(VALID))]
            other = messages[choices.below(len(messages))]
            self.receive_mutated([mutated(message, other, choices)])
        else:
            other = messages[choices.below(len(messages))]
            self.receive_mutated([mutated(message, other, choices)])
        return True

    def receive_mutated(self, messages: list[bytes]) -> None:
        """Have the connection receive messages that are not as they were recorded. The reading of
        the last one is compared with pycapnp's."""
        if self._checked:
            difference = disagreement(messages[-1])
            assert not difference, f"{messages[-1].hex()} is {difference}"
        self._receive(b"".join(messages), changed=len(messages))

    def _receive(self, chunk: bytes, *, changed: int = 0) -> None:
        if not self.driver.stopped:
            self.fed += changed or 1
            self.mutated += changed
            self.bytes += len(chunk)
            self.driver.feed(chunk)


def _calls_root(message: bytes) -> bool:
    """Whether it is a call of the kind that most are, laid out as ours are, on the root object."""
    return (
        message[8:32] == rpc.CALL_BEGIN
        and _CONTEXT.unpack_from(message, _CONTEXT_AT) == (0, rpc.TABLE_OF_2)
        and int.from_bytes(message[40:48], "little") == INTERFACE
    )


class Harness:
    """Runs executions; `messages` counts the mutated ones that were received in all.

    `setup`: what a client says before its first call on the root object; `calls`: such calls.
    """

    def __init__(self) -> None:
        self._transcripts = recorded()
        gc.collect()
        gc.freeze()  # so that looking for garbage takes no time to speak of
        first = self._transcripts[0].client
        self.setup = first[: 1 + next(i for i, m in enumerate(first) if _calls_root(m))]
        self.calls = [m for t in self._transcripts for m in t.client if _calls_root(m)]
        self.executions = 0
        self.fed = 0
        self.messages = 0
        self.ended = 0
        """Connections that ended because of what they received."""

    def close(self) -> None:
        """Undo what it did to the process."""
        gc.unfreeze()

    def run(self, data: bytes, *, checked: bool = True) -> None:
        """One execution. Raises AssertionError, or whatever a defect raises."""
        choices = Choices(data)
        number = choices.byte()
        if number % 3:
            stream = self._be_asked(choices, checked)
        else:
            transcript = self._transcripts[(number >> 1) % len(self._transcripts)]
            play = self._be_client if number & 1 else self._be_server
            stream = play(transcript, choices, checked)
        driver = stream.driver
        connection: Any = driver._end
        self.executions += 1
        self.fed += stream.fed
        self.messages += stream.mutated
        self.ended += driver.stopped
        said = sum(map(len, driver.out))
        assert said <= 4 * stream.bytes + _ANSWER_BYTES * (stream.fed + 1), (
            f"{said} bytes were said to {stream.bytes}"
        )
        connection.lost(Disconnected("the end"))
        while driver.run_next():
            pass
        session = connection._session
        assert not session.questions and not session.answers and not session.exports
        assert not session.deferred and not session.events
        if self.executions % 256 == 0:
            gc.collect()

    def _be_asked(self, choices: Choices, checked: bool) -> Stream:
        """The connection under test serves, and is called again and again, mostly with bad
        parameters; between the calls come messages that carry no values."""
        stream = Stream(self.setup, choices, checked=checked)
        start_server(stream.driver)
        for message in self.setup:
            stream.driver.feed(message)
            while stream.driver.run_next():
                pass
        question = _FIRST_QUESTION
        together: list[bytes] = []
        while not choices.over and not stream.driver.stopped:
            kind = choices.byte()
            call = bytearray(self.calls[choices.below(len(self.calls))])
            question += 1
            _QUESTION.pack_into(call, _QUESTION_AT, question)
            other = self.calls[choices.below(len(self.calls))]
            first = content(call) if kind else 0
            together.append(damaged(bytes(call), first, other, choices))
            together += [control(question, n, choices) for n in range(choices.byte() & 15)]
            if kind & 3 == 0:  # some at once
                stream.receive_mutated(together)
                together.clear()
                while stream.driver.run_next() or (kind & 15 == 0 and stream.driver.more()):
                    pass
        return stream

    def _be_server(self, transcript: Transcript, choices: Choices, checked: bool) -> Stream:
        """The connection under test serves."""
        stream = Stream(transcript.client, choices, checked=checked)
        start_server(stream.driver)
        while stream.driver.run_next() or stream.feed():
            pass
        return stream

    def _be_client(self, transcript: Transcript, choices: Choices, checked: bool) -> Stream:
        """The connection under test is a client's that goes through the script."""
        stream = Stream(transcript.server, choices, checked=checked)
        run_client(stream.driver, transcript.script)
        while stream.driver.run_next() or stream.feed():
            pass
        return stream
