"""An interface that is used with and without IPC."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import mpipc
from mpipc import Int64


@mpipc.interface
class Subscription(ABC):
    @abstractmethod
    def cancel(self) -> None: ...


@mpipc.interface(root=True)
class Thermometer(ABC):
    @abstractmethod
    def celsius(self) -> float: ...

    @abstractmethod
    def process(self) -> Int64:
        """The id of the process that it is in."""

    @abstractmethod
    def subscribe(self, alarm: Callable[[float], None]) -> Subscription:
        """Call `alarm` when the temperature has changed."""
