"""The index as a part of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from examples.bitcoin.common.chainparams import INDEX_RPC_PORT
from examples.bitcoin.common.init import PartialInit
from examples.bitcoin.common.link import Link, RemoteLink
from examples.bitcoin.common.options import Options, Parser
from examples.bitcoin.common.process import Part, Shutdown, run
from examples.bitcoin.index.commands import CommandsOfIndex
from examples.bitcoin.index.indexer import Indexer
from examples.bitcoin.index.interfaces.filters import BlockFilters, Filter, IndexInit
from examples.bitcoin.index.store import FilterStore
from interfaces.common import BlockRef
from interfaces.values import BlockHash


class FiltersOfIndex(BlockFilters):
    def __init__(self, indexer: Indexer) -> None:
        self._indexer, self._store = indexer, indexer.store

    def get_tip(self) -> BlockRef | None:
        return self._store.tip()

    def wait_for(self, block_hash: BlockHash, timeout: timedelta) -> bool:
        return self._indexer.wait_for(block_hash, timeout)

    def get_filter(self, block_hash: BlockHash) -> Filter | None:
        return self._store.filter(block_hash)

    def matches_any(self, block_hash: BlockHash, scripts: list[bytes]) -> bool | None:
        return self._store.matches_any(block_hash, scripts)


class InitOfIndex(PartialInit, IndexInit):
    """What a connection to the index starts with."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    def make_block_filters(self) -> BlockFilters:
        return FiltersOfIndex(self._indexer)


@contextmanager
def open_index(options: Options, shutdown: Shutdown, node: Link | None = None) -> Iterator[Part]:
    """Run the index of a node; by default of the one that the options name. Raises Failure."""
    link = node or RemoteLink(options.ipcconnect, datadir=options.datadir, name="node")
    with (
        closing(FilterStore(options.datadir)) as store,
        closing(Indexer(store)) as indexer,
        closing(link),
    ):
        link.follow(indexer.on_connect, indexer.on_disconnect)
        init = InitOfIndex(indexer)
        offered = {"blockFilters": init.make_block_filters()}
        yield Part(init, [CommandsOfIndex(store)], offered)


def parser() -> Parser:
    """The index's command line."""
    found = Parser("mpipc-index", "Keep compact filters of a node's blocks, and serve them.")
    found.listens()
    found.connects()
    found.offers_rpc(INDEX_RPC_PORT)
    return found


def main() -> None:
    """The program."""
    run("index", parser().parse(), open_index)
