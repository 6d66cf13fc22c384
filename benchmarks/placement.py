"""On which processors the two processes of a contestant run.

Left to the kernel, they are sometimes on one and sometimes on two, which changes the time of a call
by a factor of five: to wake a processor that sleeps takes longer than most calls. So each is
measured, and what is compared is compared in the same place.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

ONE, TWO = "one CPU", "two CPUs"


def places() -> tuple[str, ...]:
    """Those that this machine has."""
    return (ONE, TWO) if len(os.sched_getaffinity(0)) > 1 else (ONE,)


class Placement:
    """Moves this process and the servers. The CPUs are the ones that it may use at first."""

    def __init__(self) -> None:
        self._cpus = sorted(os.sched_getaffinity(0))

    def move(self, place: str, servers: Iterable[int]) -> None:
        """Move the clients, which are in this process, and the servers (process ids)."""
        _move(os.getpid(), self._cpus[-1])
        for server in servers:
            _move(server, self._cpus[-1] if place == ONE else self._cpus[0])

    def restore(self) -> None:
        """Let this process run everywhere again."""
        for thread in _threads(os.getpid()):
            os.sched_setaffinity(thread, self._cpus)


def _move(process: int, cpu: int) -> None:
    for thread in _threads(process):
        try:
            os.sched_setaffinity(thread, {cpu})
        except ProcessLookupError:
            pass  # it has just ended


def _threads(process: int) -> list[int]:
    return [int(each.name) for each in Path(f"/proc/{process}/task").iterdir()]
