"""The node as a part of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager

from examples.bitcoin.common.chainparams import NODE_RPC_PORT
from examples.bitcoin.common.console import say
from examples.bitcoin.common.init import PartialInit
from examples.bitcoin.common.link import Link, RemoteLink
from examples.bitcoin.common.options import Options, Parser, address
from examples.bitcoin.common.process import Part, Shutdown, run
from examples.bitcoin.index.interfaces.filters import IndexInit
from examples.bitcoin.node.chain import ChainOfNode
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.commands import CommandsOfNode
from examples.bitcoin.node.context import NodeContext
from examples.bitcoin.node.core import open_core
from examples.bitcoin.node.filters import Filters
from examples.bitcoin.node.mining import MiningOfNode
from examples.bitcoin.node.node import NodeOfNode
from examples.bitcoin.node.rpc import RpcCommands, RpcOfNode
from examples.bitcoin.node.settings import Settings
from interfaces.chain import Chain
from interfaces.mining import Mining
from interfaces.node import Node
from interfaces.rpc import Rpc


class InitOfNode(PartialInit):
    """What a connection to the node starts with. In one process with its user it is a plain
    object."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node

    def make_mining(self) -> Mining:
        return MiningOfNode(self._node.state)

    def make_chain(self) -> Chain:
        return ChainOfNode(self._node)

    def make_node(self) -> Node:
        return NodeOfNode(self._node)

    def make_rpc(self) -> Rpc:
        return RpcOfNode(self._node.commands)


class NodeOptions(Options):
    """What the node can be told."""

    blockfilters: str | None = None
    """Where an index is that has filters of blocks."""

    connect_core: str | None = None
    """Where the bitcoin-node is in front of which this one is."""


@contextmanager
def open_node(
    options: NodeOptions, shutdown: Shutdown, index: Link | None = None
) -> Iterator[Part]:
    """Run a node on a data directory that nobody else uses. It asks an index for filters of
    blocks; by default the one that the options name, if any. Raises Failure."""
    warnings: list[str] = []
    if index is None and options.blockfilters is not None:
        index = RemoteLink(
            options.blockfilters, datadir=options.datadir, name="index", interface=IndexInit
        )
    with (
        closing(Chainstate(options.datadir, shutdown.fail)) as state,
        closing(Filters(index)) as filters,
    ):
        own = CommandsOfNode(state, lambda: list(warnings), shutdown.request_soon)
        settings = Settings(options.datadir, vars(options))
        commands = RpcCommands(own)
        node = NodeContext(state, settings, shutdown, commands, filters, warnings=warnings)
        say(f"the chain has {state.tip.height} blocks, the mempool {len(state.mempool)}")
        init = InitOfNode(node)
        offered = {
            "chain": init.make_chain(), "mining": init.make_mining(), "node": init.make_node(),
        }  # fmt: skip
        yield Part(init, [own], offered)


def parser() -> Parser:
    """The node's command line."""
    found = Parser("mpipc-node", "Keep a regtest chain and serve it to other processes.")
    found.listens()
    found.offers_rpc(NODE_RPC_PORT)
    add_options(found)
    return found


def add_options(parser: Parser) -> None:
    """Add the options of the node alone."""
    parser.option(
        "blockfilters", "ADDR", "ask the index at this address for filters of blocks (unix without"
        " an address)", nargs="?", const="unix", type=address,
    )  # fmt: skip
    parser.option(
        "connect-core",
        "ADDR",
        "keep no chain, and serve what the bitcoin-node of Bitcoin Core at this address has",
        type=address,
    )


def main() -> None:
    """The program."""
    options = parser().parse_args(namespace=NodeOptions())
    run("node", options, lambda _, shutdown: _open(options, shutdown))


def _open(options: NodeOptions, shutdown: Shutdown) -> AbstractContextManager[Part]:
    if options.connect_core is not None:
        return open_core(options.connect_core, options, shutdown)
    return open_node(options, shutdown)
