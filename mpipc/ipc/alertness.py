"""Whether to look for a moment, before sleeping, if something has come.

To be woken up on another processor takes longer than the other end does to answer most calls.
"""

from __future__ import annotations

import math
import os

_SLEEPIEST = 1 << 8


class Alertness:
    """Who waits again and again looks only while that pays off. After each time in vain it sleeps
    at once the next times: two, then four, and so on.

    `sleepy`: how often it is to sleep at once from now on; whoever does so counts it down.
    `slept`: how often it was to, the last time; whoever found something while looking sets it to 1.
    """

    __slots__ = ("sleepy", "slept")

    def __init__(self) -> None:
        # With one processor, the other end can do nothing meanwhile.
        self.sleepy = 0.0 if len(os.sched_getaffinity(0)) > 1 else math.inf
        self.slept = 1

    def failed(self) -> None:
        """Nothing came while it was looked for."""
        self.sleepy = self.slept = min(2 * self.slept, _SLEEPIEST)
