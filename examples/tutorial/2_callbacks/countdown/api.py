"""A method that calls back."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import mpipc
from mpipc import Int32


@mpipc.interface(root=True)
class Rocket(ABC):
    @abstractmethod
    def count_down(self, start: Int32, tick: Callable[[Int32], bool]) -> str:
        """Call `tick` with each number until it returns False; say how it ended."""
