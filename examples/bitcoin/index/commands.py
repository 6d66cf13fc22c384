"""The index's RPC commands."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec

import mpipc
from examples.bitcoin.index.store import FilterStore
from interfaces.values import BlockHash
from mpipc import Int32


class NoFilter(Exception):
    """There is no filter of this block."""

    code = -5


class IndexInfo(msgspec.Struct, frozen=True):
    """How far the index has come."""

    synced_to: Int32
    """Height of the last block with a filter; -1 for none."""

    bestblockhash: str


class FilterView(msgspec.Struct, frozen=True):
    """A block's filter, and what commits to it and to those before it."""

    filter: bytes
    header: str


@mpipc.interface
class IndexCommands(ABC):
    """Commands of the index. Hashes are as people write them."""

    @mpipc.method(name="getindexinfo")
    @abstractmethod
    def get_index_info(self) -> IndexInfo:
        """How far the index has come."""

    @mpipc.method(name="getblockfilter", raises=NoFilter)
    @abstractmethod
    def get_block_filter(self, blockhash: str) -> FilterView:
        """The basic filter of a block (BIP 158)."""


class CommandsOfIndex(IndexCommands):
    def __init__(self, store: FilterStore) -> None:
        self._store = store

    def get_index_info(self) -> IndexInfo:
        tip = self._store.tip()
        return IndexInfo(tip.height, str(tip.hash)) if tip else IndexInfo(-1, "")

    def get_block_filter(self, blockhash: str) -> FilterView:
        try:
            found = self._store.filter(BlockHash.from_hex(blockhash))
        except ValueError as error:
            raise NoFilter(f"{blockhash}: {error}") from None
        if found is None:
            raise NoFilter(f"there is no filter of {blockhash}")
        return FilterView(found.data, found.header[::-1].hex())
