"""python -m tests.hostile.attackers ADDRESS SECONDS COUNT SEED: hostile clients, COUNT at a time.
With no seconds: one of each kind.

Prints how many connections and messages of each kind there were, as JSON.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import suppress

from tests.hostile import attacks


class Attackers:
    def __init__(self, address: str, until: float) -> None:
        self.connections: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self._path = address.removeprefix("unix:")
        self._until = until
        self._lock = threading.Lock()

    def each_kind(self, seed: int) -> None:
        for name in attacks.ATTACKS:
            self._attack(name, random.Random(seed))

    def all_the_time(self, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self._until:
            self._attack(chance.choice(list(attacks.ATTACKS)), chance)

    def _attack(self, name: str, chance: random.Random) -> None:
        sent = 0
        with socket.socket(socket.AF_UNIX) as sock, suppress(OSError):
            sock.settimeout(1)
            sock.connect(self._path)
            sent = attacks.run(name, sock, chance)
        with self._lock:
            self.connections[name] += 1
            self.messages[name] += sent


def main() -> None:
    address, seconds, count, seed = sys.argv[1], *map(float, sys.argv[2:])
    attackers = Attackers(address, time.monotonic() + seconds)
    if not seconds:
        attackers.each_kind(int(seed))
    running = [
        threading.Thread(target=attackers.all_the_time, args=[int(seed) + number])
        for number in range(int(count) if seconds else 0)
    ]
    for each in running:
        each.start()
    for each in running:
        each.join()
    print(json.dumps([attackers.connections, attackers.messages]))


if __name__ == "__main__":
    main()
