"""What a process counts, and the interface by which its server tells it: numbers and names, and no
values of anybody's.

A server has the interface beside the one of its root object (`mpipc.serve(..., introspect=True)`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

from mpipc.declare import SchemaFile, UInt64, interface

__schema__ = SchemaFile(id=0xB5D1A2F07C3E9468)

BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
)  # fmt: skip
"""The upper bounds of the buckets of durations, in seconds; the last bucket has none."""


class MethodCounts(msgspec.Struct, frozen=True):
    """The calls of one method, on one side ("client", "server").

    `running` ones are not among the `calls`, which have ended. `errors` are those that raised an
    exception, by the name of its class. `seconds`: how long all took together. `buckets`: how many
    took as long as each of `BOUNDS`, and no bucket before it.
    """

    side: str
    interface: str
    method: str
    calls: UInt64
    running: UInt64
    errors: dict[str, UInt64]
    seconds: float
    buckets: list[UInt64]

    def quantile(self, share: float) -> float:
        """Within how many seconds that share of the calls ended, as far as the buckets tell."""
        if not self.calls:
            return 0.0
        wanted = share * self.calls
        for bound, count in zip((*BOUNDS, float("inf")), self.buckets, strict=True):
            wanted -= count
            if wanted <= 0:
                return bound
        return 0.0


class RunningCall(msgspec.Struct, frozen=True):
    """A call that has not ended, and for how long it has been running."""

    side: str
    interface: str
    method: str
    thread: str
    seconds: float


class ConnectionCounts(msgspec.Struct, frozen=True):
    """A connection that is open.

    `side`: which we are. `peer`: who is at the other end, as far as that is known. `objects`: how
    many of ours the other end holds, by interface; `held`: how many of its we hold. `threads`:
    those that it has made here, by name.
    """

    side: str
    address: str
    peer: str
    seconds: float
    sent_bytes: UInt64
    received_bytes: UInt64
    objects: dict[str, UInt64]
    held: UInt64
    threads: list[str]
    calls: list[RunningCall]


class Snapshot(msgspec.Struct, frozen=True):
    """All that was counted since `seconds` ago. `accepted` and `made` are connections, of clients
    and to servers, those that have ended included; so are the bytes."""

    pid: UInt64
    program: str
    seconds: float
    accepted: UInt64
    made: UInt64
    sent_bytes: UInt64
    received_bytes: UInt64
    methods: list[MethodCounts]
    connections: list[ConnectionCounts]


@interface(root=True)
class Introspection(ABC):
    """What goes on in the process that serves."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """What was counted up to now."""
