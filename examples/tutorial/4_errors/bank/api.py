"""A method that declares what it raises, and some that do not."""

from abc import ABC, abstractmethod

import mpipc
from mpipc import UInt32


class NotEnoughMoney(Exception):
    pass


@mpipc.interface(root=True)
class Account(ABC):
    @mpipc.method(raises=NotEnoughMoney)
    @abstractmethod
    def withdraw(self, amount: UInt32) -> UInt32:
        """Return what is left."""

    @abstractmethod
    def booking(self, number: UInt32) -> str: ...

    @abstractmethod
    def audit(self, seconds: float) -> None:
        """Take a while."""
