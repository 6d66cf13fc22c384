"""Large values through shared memory, where both ends are mpipc and on one machine.

It is for what is declared as `memoryview` or another buffer: the receiver gets a view of the very
memory that the sender has filled. Where it copies what it gets, as it does for `bytes`, the stream
is as fast, since both ends copy at the same time.

What arrives is the same message in the same place among the others: only its bytes take another
way. On the stream stands a mark instead of it (`frame.py`), and the bytes are in memory whose
descriptor was passed over a socket of its own.

The two ends agree by calls that any other peer answers as unimplemented, each direction for itself,
and not before there was something large to send:

    after the first large message                      the receiver of large messages
    -------------------------------------------------------------------------------------------
    ThreadMap.offer()                            --->  keeps descriptors that come from now on
                                                 <---  returns
    ThreadMap.open(), and with it one end of a
    new socket pair                              --->  has it, and keeps no more descriptors
                                                 <---  returns; an exception if none has come
    a descriptor through the pair, and a mark
    on the stream                                --->  meets the mark, takes the descriptor

Whatever fails here, the message takes the stream. Nobody waits for any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from mpipc.capnp.session import Question
from mpipc.capnp.writer import Writer

# An interface of mpipc's own, which its ThreadMaps have besides.
INTERFACE = 0xE3B7A1C95D20F846
OFFER, OPEN = range(2)


class Filled(Protocol):
    """Memory with a message's parameters or results in it."""

    def hand_over(self, header: bytes) -> bytes | None:
        """Put the header before them and pass the descriptor. Returns the mark; None if that
        failed. Called with the connection's lock held."""


class Memory(Protocol):
    """What the driver can do with memory and descriptors."""

    def fill(self, parts: Sequence[bytes]) -> Filled | None:
        """New memory with these parts in it; None where there cannot be any now."""

    def send_with_pair(self, data: bytes) -> None:
        """Send some bytes, and with them, if that is possible, one end of a new socket pair.
        Called with the connection's lock held."""

    def keep_descriptors(self) -> None:
        """Keep a descriptor that comes with what is received from now on. Called while nobody
        receives."""

    def accept_pair(self) -> bool:
        """Use the socket that has come, and keep no descriptors from now on; whether one has."""

    def take(self, size: int) -> Any:
        """The memory for which there was a mark of this size, mapped. Raises ProtocolError where it
        is not what it must be."""


class Step:
    """Waits for the answer to a question in place of a thread."""

    def __init__(self, then: Callable[[Question], None]) -> None:
        self._then = then
        self.question: Question

    def wake(self) -> None:
        self._then(self.question)


class Sharing:
    """How far one end has come in agreeing with the other one, for what it sends itself.

    `ask(method, step, with_pair)` sends a call of that method and returns; `step` is woken when it
    is answered.
    """

    def __init__(self, memory: Memory, ask: Callable[[int, Step, bool], None]) -> None:
        self._memory = memory
        self._ask = ask
        self._asked = False
        self._agreed = False

    def prepare(self, w: Writer) -> None:
        """Move what a writer has collected to shared memory, if the other end takes that. Called
        without the lock."""
        if self._agreed:
            w.memory = self._memory.fill((w.head, *w.parts))

    def agree(self) -> None:
        """Ask the other end, if that was not done. Called without the lock, after something large
        was sent."""
        if not self._asked:
            self._asked = True
            self._ask(OFFER, Step(self._offered), False)

    def _offered(self, question: Question) -> None:
        if question.error is None:
            self._ask(OPEN, Step(self._opened), True)

    def _opened(self, question: Question) -> None:
        self._agreed = question.error is None
