"""Compact filters of blocks, by which a client finds out which blocks concern it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta

import msgspec

import mpipc
from interfaces.common import BlockRef
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash, Script


class Filter(msgspec.Struct, frozen=True):
    """A block's basic filter (BIP 158)."""

    data: bytes
    """The filter, as BIP 157 sends it."""

    header: bytes
    """The hash that commits to this filter and to those of all blocks before it."""


@mpipc.interface
class BlockFilters(ABC):
    """The filters of the blocks of the active chain."""

    @abstractmethod
    def get_tip(self) -> BlockRef | None:
        """The last block that there is a filter of; None where there is none yet."""

    @abstractmethod
    def wait_for(self, block_hash: BlockHash, timeout: timedelta) -> bool:
        """Wait until there is a filter of a block, at most so long. Returns whether there is."""

    @abstractmethod
    def get_filter(self, block_hash: BlockHash) -> Filter | None:
        """The filter of a block; None where there is none."""

    @abstractmethod
    def matches_any(self, block_hash: BlockHash, scripts: list[Script]) -> bool | None:
        """Whether a block may pay to, or spend from, one of these scripts; None where there is no
        filter of it."""


@mpipc.interface(root=True)
class IndexInit(ProposedInit):
    """What a connection to the index starts with."""

    @abstractmethod
    def make_block_filters(self) -> BlockFilters:
        """Make the interface of the filters."""
