"""The wallet: python -m examples.bitcoin.wallet [options]

Connects to a node, asks about its chain, listens for tips and mines blocks.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from datetime import timedelta
from queue import Empty, SimpleQueue

import mpipc
from examples.bitcoin import console
from examples.bitcoin.console import say
from examples.bitcoin.headers import Header, grind, show
from examples.bitcoin.interfaces.init import NodeInit
from examples.bitcoin.options import Options, Parser, log_ipc
from interfaces.common import BlockRef
from interfaces.mining import BlockCreateOptions, Mining
from interfaces.values import BlockHash

_RETRY_SECONDS = 0.1
_TIP_SECONDS = 10.0
_POLL = timedelta(seconds=1)


def connect(options: Options) -> AbstractContextManager[NodeInit]:
    """A connection to the node; waits for it to come up."""
    deadline = time.monotonic() + options.wait
    waiting = False
    while True:
        try:
            return mpipc.connect(options.ipcconnect, NodeInit, datadir=options.datadir, name="node")
        except mpipc.AddressError as error:
            if time.monotonic() >= deadline:
                raise
            if not waiting:
                say(f"waiting up to {options.wait:g} s for a node: {error}")
                waiting = True
            time.sleep(_RETRY_SECONDS)


def mine(mining: Mining) -> BlockHash:
    """Mine one block, return its hash: the node makes the template, this process does the work."""
    while True:
        template = mining.create_new_block(BlockCreateOptions())
        if template is None:
            raise mpipc.Disconnected("the node is shutting down")
        header = Header.unpack(grind(template.get_block_header()))
        coinbase = template.get_coinbase_tx()
        if template.submit_solution(header.version, header.time, header.nonce, coinbase):
            say(f"mined {show(header.hash)} with nonce {header.nonce}")
            return header.hash
        say("somebody else was faster: once more")


def wait_until_heard(hash: bytes, heard: SimpleQueue[bytes]) -> None:
    """Wait until the tip callback was told about a block."""
    try:
        while heard.get(timeout=_TIP_SECONDS) != hash:
            pass
    except Empty:
        raise mpipc.Timeout(f"the node did not announce {show(hash)}") from None


def follow(mining: Mining) -> None:
    """Stay until the node stops; the callback does the rest."""
    tip = mining.get_tip()
    while tip is not None:
        tip = mining.wait_tip_changed(tip.hash, _POLL)
    say("the node has stopped")


def parse() -> Options:
    parser = Parser("wallet", "Ask a node about its chain, listen for its tips and mine.")
    parser.option("ipcconnect", "ADDR", "the node: unix, unix:PATH or tcp:HOST:PORT", "unix")
    parser.option("wait", "SECONDS", "how long to wait for the node", 10.0, type=float)
    parser.option("height", "N", "ask for the hash of the block at height N", 0, type=int)
    parser.option("mine", "N", "mine N blocks", 3, type=int)
    parser.option(
        "follow", None, "keep listening for tips until Ctrl-C", False, action="store_true"
    )
    return parser.parse()


def main() -> None:
    options = parse()
    console.introduce("wallet")
    log_ipc(options)
    heard: SimpleQueue[bytes] = SimpleQueue()

    def on_tip(tip: BlockRef) -> None:
        say(f"heard of block {tip.height}: {show(tip.hash)}")
        heard.put(tip.hash)

    with connect(options) as init:
        chain, mining = init.make_chain(), init.make_mining()
        say(f"the node's height is {chain.get_height()}")
        say(f"block {options.height} is {show(chain.get_block_hash(options.height))}")
        handler = chain.handle_tips(on_tip)
        for _ in range(options.mine):
            wait_until_heard(mine(mining), heard)
        if options.follow:
            follow(mining)
        handler.disconnect()


if __name__ == "__main__":
    console.run(main)
