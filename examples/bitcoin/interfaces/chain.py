"""The chain as a wallet sees it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import mpipc
from interfaces.common import BlockRef
from mpipc import Int32


@mpipc.interface
class TipHandler(ABC):
    """A registered callback. Letting go of it disconnects it too."""

    @abstractmethod
    def disconnect(self) -> None:
        """Tell the callback about no further tip."""


@mpipc.interface
class Chain(ABC):
    """Access to the best chain. Hashes are 32 bytes in internal byte order."""

    @abstractmethod
    def get_height(self) -> Int32 | None:
        """Height of the tip, or None when there is no block at all."""

    @abstractmethod
    def get_block_hash(self, height: Int32) -> bytes:
        """Hash of the block at a height, which must not be above the tip's."""

    @abstractmethod
    def get_block_header(self, hash: bytes) -> bytes | None:
        """The 80-byte header of a block, or None when it is not known."""

    @abstractmethod
    def get_tip(self) -> BlockRef | None:
        """The tip, or None when there is no block at all."""

    @abstractmethod
    def handle_tips(self, callback: Callable[[BlockRef], None]) -> TipHandler:
        """Call back for every new tip, in order, until the handler is disconnected."""
