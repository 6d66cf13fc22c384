"""A supervised server, its clients, and somebody who kills it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import statistics
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import mpipc
from tests.runtime.support import ROOT, resident
from tests.soak.clients import Client
from tests.soak.declarations import Ledger

_PATIENCE = 20.0  # seconds
_SAMPLE = 1.0  # seconds between two looks at the memory
_GROWTH = 8 << 10  # KiB that this process may take more in the last quarter than in the second


class Soak:
    """`kills`: how many seconds there are between two of them, about."""

    def __init__(self, directory: Path, clients: int, pace: float, kills: float, seed: int) -> None:
        self._file = directory / "ledger.sqlite"
        self._kills = kills
        self._chance = random.Random(seed)
        self._events: Counter[str] = Counter()
        self._pid = 0
        self._memory: list[int] = []
        self._seconds = 0.0
        address = f"unix:{directory}/soak.sock"
        argv = [sys.executable, "-m", "tests.soak.server", "systemd", str(self._file)]
        server = mpipc.Component(
            "ledger",
            argv,
            Ledger,
            address=address,
            pass_socket=True,
            backoff=mpipc.Backoff(first=0.05, most=0.2),
            options={"cwd": ROOT},
        )
        self._supervisor = mpipc.Supervisor([server], on_event=self._noted)
        self._clients = [
            Client(address, f"client-{number}", pace, seed + number) for number in range(clients)
        ]

    def _noted(self, event: mpipc.ComponentEvent) -> None:
        self._events[event.kind] += 1
        if event.pid:
            self._pid = event.pid

    def run(self, seconds: float) -> list[str]:
        """Returns what is wrong."""
        begin = time.monotonic()
        before = threading.active_count(), len(os.listdir("/proc/self/fd"))
        with self._supervisor:
            for client in self._clients:
                client.start()
            next_kill = begin + self._chance.uniform(0, 2 * self._kills)
            while time.monotonic() < begin + seconds and not self._failed():
                time.sleep(_SAMPLE)
                self._memory.append(resident("self"))
                if time.monotonic() > next_kill:
                    with suppress(ProcessLookupError):
                        os.kill(self._pid, signal.SIGKILL)
                        self._events["killed"] += 1
                    next_kill = time.monotonic() + self._chance.uniform(0, 2 * self._kills)
            for client in self._clients:
                client.stop()
            for client in self._clients:
                client.join(60)
        self._seconds = time.monotonic() - begin
        return [
            *self._failed(),
            *(f"{client.name} hangs" for client in self._clients if client.is_alive()),
            *self._wrong_effects(),
            *self._leaks(before),
        ]

    def _failed(self) -> list[str]:
        return [f"{each.name}: {each.error!r}" for each in self._clients if each.error]

    def _wrong_effects(self) -> list[str]:
        problems = []
        with sqlite3.connect(self._file) as ledger:
            for client in self._clients:
                query = "select number, amount from effects where client = ?"
                rows = ledger.execute(query, (client.name,)).fetchall()
                doubled = [number for number, n in Counter(n for n, _ in rows).items() if n > 1]
                problems += [f"{client.name}: effect {number} was made twice" for number in doubled]
                if dict(rows) != client.amounts:
                    problems.append(f"{client.name}: {len(client.amounts)} effects, {len(rows)}")
        return problems

    def _leaks(self, before: tuple[int, int]) -> list[str]:
        problems = []
        quarter = len(self._memory) // 4
        if quarter > 10:
            grown = self._median(3 * quarter, 4 * quarter) - self._median(quarter, 2 * quarter)
            if grown > _GROWTH:
                problems.append(f"this process takes {grown:,} KiB more in the last quarter")
        # The last connections may still be ending. One thread cleans up as long as there is a
        # process.
        patience = time.monotonic() + _PATIENCE
        while True:
            after = threading.active_count(), len(os.listdir("/proc/self/fd"))
            if after[0] <= before[0] + 2 and after[1] <= before[1] + 4:
                break
            if time.monotonic() > patience:
                names = sorted(thread.name for thread in threading.enumerate())
                problems.append(f"threads and descriptors: {before} before, {after} after: {names}")
                break
            time.sleep(_SAMPLE)
        return problems

    def _median(self, begin: int, end: int) -> float:
        return statistics.median(self._memory[begin:end])

    def report(self) -> str:
        counts: Counter[str] = Counter()
        for client in self._clients:
            counts.update(client.counts)
        effects = sum(len(client.amounts) for client in self._clients)
        rows: list[tuple[str, Any]] = [
            ("seconds", f"{self._seconds:.0f}"),
            ("kills of the server", self._events["killed"]),
            ("starts of the server", self._events["ready"]),
            *((f"calls: {kind}", counts[kind]) for kind in ("apply", "agree", "disagree", "echo")),
            ("iterators", counts["numbers"]),
            ("more connections", counts["reconnect"]),
            ("calls that were cut off", counts["disconnected"]),
            ("  of these: made all the same", counts["made, not acknowledged"]),
            ("  of these: not made", counts["not made"]),
            ("effects, each in the ledger once", effects),
        ]
        if self._memory:
            rows.append(
                ("KiB of the clients' process", f"{self._memory[0]:,} to {self._memory[-1]:,}")
            )
        return "\n".join(f"{name:36} {value:>12}" for name, value in rows)
