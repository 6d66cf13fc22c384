"""Counts primes in two processes at once: python -m primes.parent"""

import sys
from concurrent.futures import ThreadPoolExecutor

import mpipc
from primes.api import Counter

CHILD = [sys.executable, "-m", "primes.child"]


def main() -> None:
    with (
        mpipc.spawn(CHILD, Counter) as low,
        mpipc.spawn(CHILD, Counter) as high,
        ThreadPoolExecutor() as threads,
    ):
        first = threads.submit(low.count_primes, 0, 3000)
        second = threads.submit(high.count_primes, 3000, 5000)
        print(first.result(), "+", second.result(), "primes below 5000")


if __name__ == "__main__":
    main()
