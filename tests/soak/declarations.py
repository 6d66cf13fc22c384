"""A ledger, and what its clients do there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import mpipc
from mpipc import Int64


@mpipc.interface
class Account(ABC):
    """An object of one client's, which ends with its connection."""

    @abstractmethod
    def apply(self, number: int, amount: Int64) -> int:
        """Write an effect down, for good. Returns the sum of the client's effects."""

    @abstractmethod
    def apply_agreed(self, number: int, amount: Int64, agree: Callable[[Int64], bool]) -> int:
        """As `apply`, once the client has agreed to the new sum."""

    @abstractmethod
    def applied(self, number: int) -> bool:
        """Whether there is such an effect."""

    @abstractmethod
    def numbers(self) -> Iterator[int]:
        """The numbers of all effects, in order."""


@mpipc.interface(root=True)
class Ledger(ABC):
    @abstractmethod
    def account(self, client: str) -> Account:
        """The account of a client."""

    @abstractmethod
    def resident(self) -> int:
        """KiB of memory that the process takes."""

    @abstractmethod
    def echo(self, data: bytes) -> bytes: ...
