"""The node: python -m examples.bitcoin.node [options]

Keeps the chain and serves Chain, Mining and Echo to every process that connects.
"""

from __future__ import annotations

from contextlib import ExitStack, closing

import mpipc
from examples.bitcoin import console
from examples.bitcoin.chainstate import ChainState, SubscriptionHandle, TipCallback
from examples.bitcoin.console import say, trace
from examples.bitcoin.headers import show
from examples.bitcoin.interfaces.chain import Chain, TipHandler
from examples.bitcoin.interfaces.init import NodeInit
from examples.bitcoin.mining import NodeMining
from examples.bitcoin.options import Options, Parser, log_ipc
from interfaces.common import BlockRef
from interfaces.echo import Echo
from interfaces.mining import Mining


class NodeChain(Chain):
    def __init__(self, chain: ChainState) -> None:
        self._chain = chain

    def get_height(self) -> int | None:
        height = self._chain.store.tip().height
        trace(f"get_height() -> {height}")
        return height

    def get_block_hash(self, height: int) -> bytes:
        hash = self._chain.store.hash_at(height)
        if hash is None:
            raise LookupError(f"there is no block at height {height}")
        trace(f"get_block_hash({height}) -> {show(hash)}")
        return hash

    def get_block_header(self, hash: bytes) -> bytes | None:
        return self._chain.store.header(hash)

    def get_tip(self) -> BlockRef | None:
        return self._chain.store.tip()

    def handle_tips(self, callback: TipCallback) -> TipHandler:
        trace("handle_tips(callback)")
        return SubscriptionHandle(self._chain.subscribe(callback))


class NodeEcho(Echo):
    def echo(self, echo: str) -> str:
        return echo


class Node(NodeInit):
    """What a connection starts with. In one process with its user it is a plain object."""

    def __init__(self, chain: ChainState) -> None:
        self._chain = chain

    def make_echo(self) -> Echo:
        return NodeEcho()

    def make_mining(self) -> Mining:
        return NodeMining(self._chain)

    def make_chain(self) -> Chain:
        return NodeChain(self._chain)


def parse() -> Options:
    parser = Parser("node", "Keep a regtest chain and serve it to other processes.")
    parser.option(
        "ipcbind",
        "ADDR",
        "listen on unix, unix:PATH or tcp:HOST:PORT (default: unix); repeatable",
        action="append",
    )
    parser.option(
        "ipcfd", "N", "serve the process that spawned this one, on descriptor N", type=int
    )
    return parser.parse()


def main() -> None:
    options = parse()
    console.introduce("node", trace="calls" in options.debug)
    log_ipc(options)
    with ExitStack() as stack:
        chain = stack.enter_context(closing(ChainState(options.datadir)))
        node = Node(chain)
        if options.ipcfd is not None:
            mpipc.serve_spawned(node)
            return
        for address in options.ipcbind or ["unix"]:
            server = mpipc.serve(address, node, datadir=options.datadir, name="node")
            stack.enter_context(server)
            say(f"listening on {server.address}, height {chain.store.tip().height}")
        server.serve_forever()


if __name__ == "__main__":
    console.run(main, terminated=0)
