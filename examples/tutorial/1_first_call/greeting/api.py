"""What the two programs agree on."""

from abc import ABC, abstractmethod

import mpipc


@mpipc.interface(root=True)
class Greeter(ABC):
    @abstractmethod
    def greet(self, name: str) -> str:
        """Return a greeting for somebody."""
