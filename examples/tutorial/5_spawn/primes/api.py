"""What the parent asks its child."""

from abc import ABC, abstractmethod

import mpipc
from mpipc import UInt32


@mpipc.interface(root=True)
class Counter(ABC):
    @abstractmethod
    def count_primes(self, start: UInt32, stop: UInt32) -> UInt32:
        """How many primes there are from `start` to `stop` - 1."""
