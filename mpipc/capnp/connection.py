"""One connection in the Cap'n Proto protocol, with libmultiprocess's rules on top (WIRE.md).

It sits between the session (protocol state, no I/O) and a `Driver` (sockets and threads, no
protocol): it decides what a call's context is and which thread runs an incoming call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from struct import Struct
from struct import error as StructError
from time import perf_counter, thread_time
from typing import Any, TypeVar

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp import threads
from mpipc.capnp.bursts import PIECE
from mpipc.capnp.calling import Calling
from mpipc.capnp.driver import DriverThread
from mpipc.capnp.message import Message
from mpipc.capnp.proxy import Client, Generated
from mpipc.capnp.session import Aborted
from mpipc.capnp.shortcuts import (
    KIND_AT,
    SHORTEST,
    Calls,
    Incoming,
)
from mpipc.capnp.traffic import Tap
from mpipc.errors import Disconnected, IpcError, Unimplemented

R = TypeVar("R")
_log = logging.getLogger("mpipc")

_CALL, _RETURN = rpc.CALL, rpc.RETURN
_TABLE = Struct("<II")


class Connection(Calling):
    """A connection that threads drive; see the module."""

    # ----------------------------------------------------------------------------- for users

    def close(self) -> None:
        """Drop the connection: every waiting call raises Disconnected."""
        self.lost(Disconnected("the connection was closed on this side"))

    def names_thread(self) -> bool:
        return super().names_thread() or self._current().contexts.get(self) is not None

    def tap(self, sent: Tap, received: Tap, ended: Callable[[Disconnected], object]) -> None:
        # The methods are replaced, so that a connection that nobody taps pays next to nothing.
        take, filled = self.take, self.filled

        def tapped_take(chunks: list[bytes], thread: DriverThread) -> object:
            received(chunks[0])
            return take(chunks, thread)

        def tapped_filled(count: int) -> object:
            assert self.room is not None
            received(bytes(self.room[:count]))
            return filled(count)

        self.__dict__.update(take=tapped_take, filled=tapped_filled)
        self._tap = received  # where calls and answers are as usual
        self.driver.tap(sent)
        self._on_end = ended
        self._sharing = self._frames.take_memory = None  # all messages take the socket

    @property
    def heard(self) -> int:
        return self._heard + self.driver.uses

    def start(self, generated: Generated) -> Client:
        """Ask the peer for its root object and exchange thread maps with it."""
        thread = self.driver.current()
        question = self._ask(thread, self._session.bootstrap)
        root = self._started(question)
        construct = generated.client._mpipc_construct
        if construct is not None:
            w = threads.write_capability(self._own_thread_map)
            try:
                thread_map = self.call(root, construct, w)
            except Unimplemented:
                pass  # a peer without thread maps picks threads as it likes
            else:
                self._keep_thread_map(thread_map)
        return self._client(generated.client, root)

    def ping(self) -> None:
        """Wait for an answer that takes nothing of the peer but that it is well. Raises
        Disconnected, Timeout."""
        question = self._ask(self.driver.current(), self._session.bootstrap)
        payload, question.payload = question.payload, None
        if payload is not None:
            # Read, so that it is let go of.
            payload.message.cap(payload.lo, payload.hi)

    # ---------------------------------------------------------------------- for the driver

    def take(self, received: list[bytes], thread: DriverThread) -> object:
        """Take in a chunk, which may stay in `received`. Returns a call that `thread`, which calls
        this, should `execute`; `handed_on`; or None."""
        chunk = received[0]
        self.traffic.received += len(chunk)
        if len(chunk) >= SHORTEST and not self._frames.missing:
            kind = chunk[KIND_AT]
            if kind == _RETURN:
                question = self._take_answer(chunk)
                if question is not None:
                    # Whoever hears of it may interrupt this thread at once, which loses nothing
                    # any more: all that wait look again (`recover`).
                    received.clear()
                    if question.waiter is not thread:
                        self.driver.answered(question, question.waiter)
                    if self._session.freed:
                        self._dispatch()
                    return None
            elif kind == _CALL and not self._session.events and not self._dispatching:
                # Else it might overtake what another thread is handing on.
                call = self._take_call(chunk)
                if call is not None:
                    running = call.capability.thread  # type: ignore[union-attr]
                    if running is thread:
                        return call
                    self.driver.hand_over(running, call)
                    return self.handed_on
            return self._take_some(chunk, thread)
        return self._receive(self._frames.feed(chunk))

    def _take_some(self, chunk: bytes, thread: DriverThread) -> object:
        """As `take`, for the messages at the beginning of a chunk for which there are short cuts,
        and then the rest."""
        session, take_answer, take_call = self._session, self._take_answer, self._take_call
        at, size = 0, len(chunk)
        calls: list[Incoming] = []
        handed_on = None
        while size - at >= SHORTEST and not session.events and not self._dispatching:
            segments, words = _TABLE.unpack_from(chunk, at)
            end = at + 8 + words * 8
            if segments or end > size or end - at < SHORTEST:
                break
            message = chunk[at:end]
            kind = message[KIND_AT]
            if kind == _RETURN:
                question = take_answer(message)
                if question is None:
                    break
                if question.waiter is not thread:
                    self.driver.answered(question, question.waiter)
            elif kind == _CALL:
                call = take_call(message)
                if call is None:
                    break
                if calls and calls[0].capability is not call.capability:
                    handed_on = self._hand_over(calls, thread) or handed_on
                    calls = []
                calls.append(call)
            else:
                break
            at = end
        if calls:
            handed_on = self._hand_over(calls, thread) or handed_on
        if session.freed:
            self._dispatch()
        if at == size:
            return handed_on
        return self._receive(self._frames.feed(chunk[at:])) or handed_on

    def _hand_over(self, calls: list[Incoming], thread: DriverThread) -> object:
        """Have calls run that came together, for one thread; `thread` is the current one."""
        running: Any = calls[0].capability.thread  # type: ignore[union-attr]
        # Where an interrupt may come, no call is to be lost because of another one.
        tasks: list[Any] = calls if len(calls) == 1 or running.is_main else [Calls(calls)]
        if running is thread:
            for task in tasks:
                running.post(task)
            return None
        for task in tasks:
            self.driver.hand_over(running, task)
        return self.handed_on

    def filled(self, count: int) -> object:
        """As `take`, for so many bytes that were received into `room`."""
        self.traffic.received += count
        self._heard += 1
        complete = self._frames.filled(count)
        self.room = self._frames.room()
        return None if complete is None else self._receive(complete)

    def _receive(self, messages: Iterator[Message]) -> object:
        """Take in any messages. A peer that breaks the protocol is disconnected."""
        self._heard += 1
        self._handed_over = False
        # An interrupt in a pause would lose the rest.
        pauses = self.serves and not self._current().is_main
        try:
            message = next(messages, None)
            while True:
                began, worked = perf_counter(), thread_time() if pauses else 0.0
                with self._lock:
                    while message is not None:
                        message.owner = self
                        self._session.receive(message)
                        message = next(messages, None)
                        if perf_counter() - began > PIECE:
                            break
                    self.room = self._frames.room()
                    # Before anybody can settle what it waits for.
                    self.deferred = self._session.deferred > 0
                    self.driver.pump()
                self._dispatch()
                if message is None:
                    if pauses:
                        self._bursts.pause_at_the_end(thread_time() - worked)
                    break
                if pauses:
                    self._bursts.pause(perf_counter() - began)
        except Aborted as e:
            _log.info("lost the connection %s: %s", self.describe(), e)
            self.lost(Disconnected(str(e)))
        except (IpcError, StructError, RecursionError) as e:
            self.drop(str(e))
        return self.handed_on if self._handed_over else None
