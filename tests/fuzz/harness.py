"""One execution: a conversation is played back to a connection, mutated as some bytes say."""

from __future__ import annotations

import gc
from typing import Any

from mpipc.errors import Disconnected
from tests.fuzz.inline import InlineDriver
from tests.fuzz.mutations import Choices, mutated
from tests.fuzz.oracle import disagreement
from tests.fuzz.transcripts import Transcript, recorded, run_client, start_server
from tests.test_malformed_rpc import VALID

# What a connection may say for each byte that it hears, and besides: answers with data that a
# few bytes ask for, and errors with texts.
_ANSWER_BYTES = 12_000
_PREFIX = 12  # messages


class Stream:
    """What the connection's peer says: recorded messages, and mutated ones in their place.

    `fed` counts those that were received, `mutated` those of them that are not as they were
    recorded. `checked`: compare the reading of every mutated one with pycapnp's.
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
            self._receive_mutated(mutated(message, other, choices))
        else:
            other = messages[choices.below(len(messages))]
            self._receive_mutated(mutated(message, other, choices))
        return True

    def _receive_mutated(self, message: bytes) -> None:
        if self._checked:
            difference = disagreement(message)
            assert not difference, f"{message.hex()} is {difference}"
        self._receive(message, changed=1)

    def _receive(self, chunk: bytes, *, changed: int = 0) -> None:
        if not self.driver.stopped:
            self.fed += 1
            self.mutated += changed
            self.bytes += len(chunk)
            self.driver.receive(chunk)


class Harness:
    """Runs executions; `messages` counts the mutated ones that were received in all."""

    def __init__(self) -> None:
        self._transcripts = recorded()
        gc.collect()
        gc.freeze()  # so that looking for garbage takes no time to speak of
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
