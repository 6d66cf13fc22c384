"""A server, an honest client, and hostile ones."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import mpipc
from tests.hostile import attacks
from tests.runtime.declarations import Root
from tests.runtime.support import PATIENCE, ROOT, ServerProcess, eventually, resident

_PAUSE = 0.002  # seconds between two calls of the honest client


class Waits(NamedTuple):
    """Microseconds that the honest client waited for an answer."""

    calls: int
    median: float
    worst_percent: float

    @classmethod
    def of(cls, seconds: list[float]) -> Waits:
        ordered = sorted(each * 1e6 for each in seconds)
        return cls(len(ordered), statistics.median(ordered), ordered[len(ordered) * 99 // 100])


class Report(NamedTuple):
    quiet: Waits
    attacked: Waits
    connections: Counter[str]
    messages: Counter[str]
    resident: tuple[int, int]
    """KiB that the server takes, before and after."""

    def __str__(self) -> str:
        lines = [f"{'attack':34} connections    messages"]
        for name in attacks.ATTACKS:
            lines.append(f"{name:34} {self.connections[name]:11,} {self.messages[name]:11,}")
        lines.append(
            f"{'all':34} {self.connections.total():11,} {self.messages.total():11,}\n\n"
            f"honest client     {'calls':>9} {'median µs':>10} {'99 % µs':>10}"
        )
        for name, waits in (("nobody else", self.quiet), ("under attack", self.attacked)):
            lines.append(
                f"{name:17} {waits.calls:9,} {waits.median:10.0f} {waits.worst_percent:10.0f}"
            )
        ratio = self.attacked.median / self.quiet.median
        lines.append(
            f"\nunder attack it waits {ratio:.2f} times as long (median)\n"
            "resident memory of the server: "
            f"{self.resident[0]:,} KiB, then {self.resident[1]:,} KiB"
        )
        return "\n".join(lines)


class Campaign:
    """Attacks for `seconds`, by `attackers` clients at a time, as `seed` has it."""

    _gates: Any

    def __init__(self, directory: Path, seconds: float, attackers: int, seed: int) -> None:
        self._seconds = seconds
        self._attackers = attackers
        self._seed = seed
        self._connections: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        limits = "--threads", "50", "--exports", "5000"
        self._server = ServerProcess(f"unix:{directory}/s", directory / "log", limits)

    def run(self) -> Report:
        """Raises AssertionError when the honest client or the server comes to harm."""
        try:
            with self._server.connect() as root:
                values, threads, self._gates = root.values(), root.threads(), root.gates()
                usual = threads.count()
                quiet = self._waits(values, self._seconds / 4)
                # The first attack of each kind loads what the server needs for it.
                with self._attack(0):
                    pass
                before = resident(self._server.pid)
                with self._attack(self._seconds):
                    attacked = self._waits(values, self._seconds)
                eventually(lambda: self._settled(threads, usual), threads.names)
                after = resident(self._server.pid)
            assert "Traceback" not in self._server.errors, self._server.errors
            assert self._server.process.poll() is None
        finally:
            self._server.stop()
        return Report(
            Waits.of(quiet), Waits.of(attacked), self._connections, self._messages, (before, after)
        )

    def _waits(self, values: Any, seconds: float) -> list[float]:
        """What an honest client waits for its answers, which all must be right."""
        waits = []
        until = time.monotonic() + seconds
        while (begin := time.monotonic()) < until:
            assert values.small(1, 2) == 3
            waits.append(time.monotonic() - begin)
            if len(waits) % 10 == 0:
                self._let_through()
            if len(waits) % 500 == 0:
                with mpipc.connect(self._server.address, Root) as newcomer:
                    assert newcomer.values().small(3, 4) == 7
            time.sleep(_PAUSE)
        return waits

    def _settled(self, threads: Any, usual: int) -> bool:
        self._let_through()
        # It keeps one more, to clean up.
        return bool(threads.count() <= usual + 1)

    def _let_through(self) -> None:
        """Calls run to their end, also when nobody waits for them: let them come to it."""
        self._gates.let_through("")

    @contextmanager
    def _attack(self, seconds: float) -> Iterator[None]:
        """In another process: attackers and honest clients must not wait for each other."""
        options = [self._server.address, str(seconds), str(self._attackers), str(self._seed)]
        command = [sys.executable, "-m", "tests.hostile.attackers", *options]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as attackers:
            try:
                yield
                output = attackers.communicate(timeout=PATIENCE)[0]
            finally:
                attackers.kill()
        assert attackers.returncode == 0
        connections, messages = json.loads(output)
        self._connections.update(connections)
        self._messages.update(messages)
