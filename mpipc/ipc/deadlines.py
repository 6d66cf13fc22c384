"""Deadlines for every call that is made over a connection."""

from __future__ import annotations

from typing import Any

from mpipc.ipc.channel import Channel, timeout
from mpipc.ipc.threads import Worker


class PunctualChannel(Channel):
    """A channel on which no thread waits longer than `call_timeout` seconds for an answer, from
    when it is set."""

    call_timeout: float | None = None

    def wait(self, ticket: Any, thread: Any) -> None:
        """As Channel.wait. A worker's ticket is its end, for which it may wait for ever."""
        if self.call_timeout is None or isinstance(ticket, Worker):
            super().wait(ticket, thread)
        else:
            with timeout(self.call_timeout):
                super().wait(ticket, thread)
