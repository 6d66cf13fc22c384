"""The reader's role of a channel: which thread reads its socket.

One thread holds the role at a time. A thread that waits takes it when it is free, and gives it back
when its answer has come or when it has something to run. While nobody holds it, the channel's I/O
thread stands guard. It does so in one of two ways:

- its epoll is *armed*: it wakes up as soon as something arrives. Arming and disarming it is a
  system call each, which is too much for every call of many short ones;
- it *watches*: it looks every few milliseconds whether the role was in use meanwhile. So the next
  call of a thread that makes one after the other finds the role just as it was left. When the role
  was not used for one such tick, the I/O thread arms its epoll and watches no longer.

A thread that gives the role back while other threads of the channel wait does not leave them to
the next tick: it wakes one of them, which goes on reading, or has the epoll armed. And where
something did arrive that nobody read until the tick, that is not what short calls look like: then
the epoll is armed at once for some time.
"""

from __future__ import annotations

import select
from typing import Any, Protocol

from mpipc.ipc.threads import LocalThread, turns

TICK = 0.002  # seconds
_HELD = "held"
_waiting = turns.waiting
_ARMED = select.EPOLLIN | select.EPOLLONESHOT
_EAGER = 64  # times that the role is given back with the epoll armed at once, after a late message


class Kicked(Protocol):
    """The channel."""

    def kick(self) -> None:
        """Wake the I/O thread."""


class Unsettled(Protocol):
    """The protocol's side."""

    deferred: bool
    """Whether an answer given by any thread may give another thread something to run."""


class ReaderRole:
    """See the module.

    Threads change its state without a lock, in single steps of the interpreter, since an interrupt
    may come between any two others; after one, `recover` tidies up. Whatever happens, nobody hangs:
    the I/O thread watches, or is armed, or is about to be.
    """

    def __init__(self, channel: Kicked, epoll: select.epoll, fd: int) -> None:
        epoll.register(fd, 0)
        self._channel = channel
        self.end: Unsettled
        self._modify = epoll.modify
        self._fd = fd
        self._holder: dict[str, LocalThread] = {}
        self._armed = False
        self.watching = False
        self.uses = 0
        """How often it was given back."""
        self._seen = 0
        self.eager = 0
        # Who waits at its inbox: threads that asked something, and for what; workers without work.
        self.asking: dict[LocalThread, Any] = {}
        self.idling: dict[LocalThread, Any] = {}

    def claim(self, thread: LocalThread) -> bool:
        """Take the role, if it is free, for a thread that is about to write what will be answered
        soon; whether it has it. Taken after the write, the answer might wake the I/O thread first.

        A thread that sleeps in the socket does not notice what other threads post to it. So one
        that can be called through another connection, too, does not read but waits at its inbox,
        and nobody but the I/O thread reads while answers may set off calls.
        """
        if thread.reads:
            return True
        home = thread.home
        if (
            (home is not None and (home is not self._channel or thread.away))
            or _waiting
            or self.end.deferred
            or self._holder.setdefault(_HELD, thread) is not thread
        ):
            return False
        thread.reads = True
        if self._armed:
            self._armed = False
            self._set(0)
        return True

    def take(self, thread: LocalThread) -> bool:
        """As `claim`, for the I/O thread."""
        if self._holder.setdefault(_HELD, thread) is not thread:
            return False
        thread.reads = True
        return True

    def give_back(self, thread: LocalThread) -> None:
        """Give the role back, if the thread has it, and go on with something else."""
        if thread.reads:
            thread.reads = False
            del self._holder[_HELD]
            self.uses += 1
            if self.eager:
                self.eager -= 1
                self.arm()
            elif not self.watching:
                self.watch()

    def leave(self, thread: LocalThread) -> None:
        """As `give_back`, when the thread's answer has come; others may wait for theirs."""
        self.give_back(thread)
        if self.eager and self.asking:
            self.hand_on()

    def watch(self) -> None:
        """Have the I/O thread look around once within a tick."""
        if not self.watching:
            self.watching = True
            self._channel.kick()

    def give_back_and_wait(self, thread: LocalThread) -> None:
        """Give the role back, if the thread has it, and wait for what another thread reads."""
        if thread.reads:
            thread.reads = False
            del self._holder[_HELD]
            self.arm()

    def hand_on(self) -> None:
        """Have a thread that waits for an answer read on, after `give_back` of one that has its."""
        try:
            while True:
                thread, ticket = self.asking.popitem()
                if not ticket.done:
                    thread.inbox.put(None)
                    return
        except KeyError:
            pass  # nobody waits

    def recover(self, thread: LocalThread) -> None:
        """Give the role back after an interrupt, which may have come between any two steps."""
        thread.reads = False
        if self._holder.get(_HELD) is thread:
            del self._holder[_HELD]
        self.arm()
        # It may have been about to tell one of them that its answer is there.
        for waiting in tuple(self.asking):
            waiting.inbox.put(None)

    # ------------------------------------------------------------------------ the I/O thread's

    def arm(self) -> None:
        """Have the I/O thread read what arrives from now on."""
        self._armed = True
        self._set(_ARMED)

    def disarmed(self) -> None:
        """The epoll has reported something, which it does once."""
        self._armed = False

    def unused(self) -> bool:
        """Whether the role was not used since the last time; then watching ends."""
        if self.uses != self._seen:
            self._seen = self.uses
            return False
        self.watching = False
        return True

    def was_late(self) -> None:
        """Something had arrived that nobody read."""
        self.eager = _EAGER

    def _set(self, events: int) -> None:
        try:
            self._modify(self._fd, events)
        except (OSError, ValueError):
            pass  # the channel was stopped meanwhile, and its descriptors are closed
