"""How long to wait before something is tried again."""

from __future__ import annotations

import random

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Waits that grow with each failure in a row, in seconds.

    `first`     the wait after the first failure.
    `factor`    how much longer each further one is.
    `most`      no wait is longer.
    `jitter`    the part of a wait that is random, from 0 to 1: those that have failed together do
                not come back together.
    `attempts`  failures in a row after which it is given up; None: never.
    `steady`    what has worked for so long begins anew when it fails.

    Raises ValueError for numbers that make no sense.
    """

    first: float = 0.1
    factor: float = 2.0
    most: float = 30.0
    jitter: float = 0.25
    attempts: int | None = None
    steady: float = 10.0

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.most and self.factor >= 1 and self.steady >= 0):
            raise ValueError(f"{self}: waits must be longer than 0, and must not get shorter")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter={self.jitter}: a part is from 0 to 1")
        if self.attempts is not None and self.attempts < 1:
            raise ValueError(f"attempts={self.attempts}: at least one, or None")

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; 0 after none."""
        if failures < 1:
            return 0.0
        # Not the power itself, which overflows after a thousand failures.
        whole = self.first
        for _ in range(failures - 1):
            whole *= self.factor
            if whole >= self.most or self.factor == 1:
                break
        return min(whole, self.most) * (1 - self.jitter * random.random())

    def exhausted(self, failures: int) -> bool:
        """Whether it is to be given up after so many failures in a row."""
        return self.attempts is not None and failures >= self.attempts
