"""Clients of the ledger, which go on whatever happens to it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from itertools import islice
from typing import Any

import mpipc
from tests.soak.declarations import Ledger

AMOUNT = 1000  # the largest
_BYTES = 20_000  # of one echo, at most


class Client(threading.Thread):
    """Makes one effect after the other, until it is told to stop; each once."""

    def __init__(self, address: str, name: str, pace: float, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.counts: Counter[str] = Counter()
        self.amounts: dict[int, int] = {}
        """All effects that there must be, by their numbers."""

        self.error: BaseException | None = None
        self._address = address
        self._pace = pace
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._account: Any = None

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        try:
            with mpipc.reconnecting(self._address, Ledger, wait=60) as ledger:
                self._account = ledger.account(self.name)
                while not self._stopping.is_set():
                    self._do_something(ledger)
                    time.sleep(self._chance.random() * 2 * self._pace)
        except BaseException as error:
            self.error = error

    def _do_something(self, ledger: Any) -> None:
        kind = self._chance.choice(["apply", "agree", "disagree", "echo", "numbers", "reconnect"])
        self.counts[kind] += 1
        try:
            if kind == "echo":
                data = self._chance.randbytes(self._chance.randrange(_BYTES))
                assert ledger.echo(data) == data
            elif kind == "numbers":
                # Often only some of them: the rest is never sent.
                wanted = sorted(self.amounts)[:500]
                assert list(islice(self._account.numbers(), len(wanted))) == wanted
            elif kind == "reconnect":
                with mpipc.connect(self._address, Ledger) as another:
                    assert another.account(self.name).applied(-1) is False
            else:
                self._make_effect(ledger, kind)
        except (mpipc.Disconnected, mpipc.Unreachable, mpipc.Timeout):
            self.counts["disconnected"] += 1
            self._account = self._again(ledger)

    def _make_effect(self, ledger: Any, kind: str) -> None:
        number = len(self.amounts)
        amount = self._chance.randrange(1, AMOUNT)
        total = sum(self.amounts.values())
        try:
            if kind == "apply":
                assert self._account.apply(number, amount) == total + amount
            elif kind == "agree":
                after = total + amount
                agreed = self._account.apply_agreed(number, amount, lambda it: bool(it == after))
                assert agreed == after
            else:
                assert self._account.apply_agreed(number, amount, lambda _: False) == total
                return
        except (mpipc.Disconnected, mpipc.Unreachable, mpipc.Timeout):
            # Nobody knows whether it was made. Ask, once there is a server again.
            self.counts["disconnected"] += 1
            self._account = self._again(ledger)
            if not self._account.applied(number):
                self.counts["not made"] += 1
                return
            self.counts["made, not acknowledged"] += 1
        self.amounts[number] = amount

    def _again(self, ledger: Any) -> Any:
        """The account, over a connection that there is."""
        while True:
            try:
                return ledger.account(self.name)
            except (mpipc.Disconnected, mpipc.Unreachable):
                self.counts["disconnected"] += 1
