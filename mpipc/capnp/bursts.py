"""Letting others go first: a client that sends many messages at once is served a little at a time.

Threads take turns at the interpreter, and one that has much to do keeps it for 5 ms at a time
(`sys.setswitchinterval`). So others would wait that long for each client that floods its server. A
thread that takes in a flood sleeps after each little piece of it instead, as long as other
connections of the process are in use. The time that it has waited for its own turns counts: the
more there are who flood, the longer they sleep. What is soon done goes on without a pause, and
neither messages that come one by one nor calls for which there are short cuts wait at all.

Only where a single message takes much of a processor's time is there a pause after it, too. There
the time in which others ran does not count: that is not its sender's fault.
"""

from __future__ import annotations

import time
import weakref
from typing import Protocol

PIECE = 0.0002
"""Seconds, after which a thread that has more to take in asks for a pause."""

_LARGE = 0.005  # seconds of processor time that one message takes, after which there is a pause
_LONGEST, _LONGEST_LARGE = 0.2, 1.0  # seconds: a pause in a flood, and after a large message
_FREE = 0.01  # seconds that it may go on before there is one
_REFILL = 0.1  # the part of the time in which these come back
_LONGER = 16  # a pause, compared with the work before it
_IN_USE = 0.1  # seconds since another connection was last found to be used


class Heard(Protocol):
    """A connection."""

    @property
    def heard(self) -> int:
        """A number that changes when something is received."""


_connections: weakref.WeakValueDictionary[int, Heard] = weakref.WeakValueDictionary()


class Bursts:
    """Those of one connection."""

    def __init__(self, connection: Heard) -> None:
        self._key = id(connection)
        self._left = _FREE
        self._last = time.monotonic()
        self._heard = -1
        self._in_use_until = 0.0
        _connections[self._key] = connection

    def pause(self, spent: float) -> None:
        """There is more to take in, after so many seconds: sleep, if it was much and others are
        served."""
        self._pause(spent, _LONGEST)

    def pause_at_the_end(self, worked: float) -> None:
        """There is no more. As `pause`, if what came took much of a processor's time (seconds)."""
        if worked >= _LARGE:
            self._pause(worked, _LONGEST_LARGE)

    def _pause(self, spent: float, longest: float) -> None:
        now = time.monotonic()
        self._left = min(_FREE, self._left + (now - self._last) * _REFILL) - spent
        self._last = now
        if self._left > 0:
            return
        self._left = 0.0
        heard = self._heard_of_others()
        if heard != self._heard:
            self._heard, self._in_use_until = heard, now + _IN_USE
        if now < self._in_use_until:
            time.sleep(min(spent * _LONGER, longest))

    def _heard_of_others(self) -> int:
        found = [reference() for reference in _connections.valuerefs()]
        return sum(each.heard for each in found if each is not None and id(each) != self._key)
