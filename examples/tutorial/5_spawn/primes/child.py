"""Counts primes for the process that spawned it."""

import sys

import mpipc
from primes.api import Counter


class SlowCounter(Counter):
    def count_primes(self, start: int, stop: int) -> int:
        return sum(all(n % d for d in range(2, n)) for n in range(max(start, 2), stop))


def main() -> None:
    if not mpipc.serve_spawned(SlowCounter()):
        sys.exit("this program is started by primes.parent")
    print("child: the parent is gone")


if __name__ == "__main__":
    main()
