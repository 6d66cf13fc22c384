"""An interface with two mistakes."""

from abc import ABC, abstractmethod

import mpipc


@mpipc.interface
class Savings(ABC):
    @abstractmethod
    def deposit(self, *amounts: int) -> None: ...

    @abstractmethod
    def last_booking(self) -> object: ...
