"""What the page shows of the node: its chain and its mempool; and mining for a wallet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from io import BytesIO

import msgspec
from btclib import var_int

from examples.bitcoin.common.bitcoin import address_of, parse_block
from examples.bitcoin.gui.board import Board, Changes
from examples.bitcoin.gui.mempool_view import MempoolView
from examples.bitcoin.gui.peers import Peer
from examples.bitcoin.gui.refusals import NotRunning, Refused
from examples.bitcoin.mine import NotMined, mine
from interfaces.chain import Chain, FoundBlockParam
from interfaces.enums import ConnectionDirection
from interfaces.handler import Handler
from interfaces.mining import Mining
from interfaces.node import Node
from interfaces.values import BlockHash

_BREATH = 0.1
"""Seconds between two looks, while much is happening."""

_BLOCKS = 12
_OUTPUTS = 200
_HEADER = 80


class Tip(msgspec.Struct, frozen=True):
    """The topic `chain`."""

    height: int
    hash: str
    time: datetime
    catching_up: bool
    warnings: str
    peers: int


class BlockLine(msgspec.Struct, frozen=True):
    """An entry of the topic `blocks`."""

    hash: str
    height: int
    time: datetime
    size: int
    transactions: int


class Output(msgspec.Struct, frozen=True):
    address: str
    amount: int


class BlockTransaction(msgspec.Struct, frozen=True):
    txid: str
    vsize: int
    coinbase: bool
    inputs: int
    outputs: list[Output]


class BlockDetails(msgspec.Struct, frozen=True):
    """All about a block."""

    hash: str
    height: int
    in_chain: bool
    time: datetime
    previous: str
    merkle_root: str
    version: int
    bits: str
    nonce: int
    size: int
    weight: int
    transactions: list[BlockTransaction]


class NodeView:
    """Follows the node. `tip` is the hash of the last block that it has told about."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._chain: Chain | None = None
        self._mining: Mining | None = None
        self._peer: Peer | None = None
        self._blocks: dict[BlockHash, tuple[BlockLine, BlockHash]] = {}
        self.tip: BlockHash | None = None
        self.on_tip = Changes()

    async def follow(self, peer: Peer) -> None:
        """Show what the node has, and every change, until this is cancelled."""
        node: Node = await peer.call(peer.root.make_node)
        chain: Chain = await peer.call(peer.root.make_chain)
        changes = Changes()
        mempool = MempoolView(changes.tell)
        handlers: list[Handler] = [
            await peer.call(node.handle_notify_block_tip, changes.tell),
            await peer.call(node.handle_notify_alert_changed, changes.tell),
            await peer.call(chain.handle_notifications, mempool),
        ]
        self._chain, self._peer, self._mining = chain, peer, await peer.call(peer.root.make_mining)
        try:
            while True:
                await changes.wait()
                await self._show(node, chain, peer)
                self._board.show("mempool", await mempool.look(node, chain, peer))
                await asyncio.sleep(_BREATH)
        finally:
            self._chain = self._peer = self._mining = None
            await disconnect(peer, handlers)

    async def _show(self, node: Node, chain: Chain, peer: Peer) -> None:
        tip = await peer.call(node.get_best_block_hash)
        height, time, catching_up, warnings, peers = await asyncio.gather(
            peer.call(node.get_num_blocks),
            peer.call(node.get_last_block_time),
            peer.call(node.is_initial_block_download),
            peer.call(node.get_warnings),
            peer.call(node.get_node_count, ConnectionDirection.BOTH),
        )
        self._board.show(
            "chain", Tip(height, str(tip), time, catching_up, warnings.translated, peers)
        )
        self._board.show("blocks", await self._recent(tip, chain, peer))
        if tip != self.tip:
            self.tip = tip
            self.on_tip.tell()

    async def _recent(self, tip: BlockHash, chain: Chain, peer: Peer) -> list[BlockLine]:
        """The last blocks, the newest first. Only those are asked for that are new."""
        known, self._blocks = self._blocks, {}
        hash = tip
        while len(self._blocks) < _BLOCKS:
            if hash not in known:
                wanted = FoundBlockParam(want_height=True, want_time=True, want_data=True)
                found = (await peer.call(chain.find_block, hash, wanted)).block
                if not found.data:
                    break
                count = var_int.parse(BytesIO(found.data[_HEADER : _HEADER + 9]))
                line = BlockLine(str(hash), found.height, found.time, len(found.data), count)
                known[hash] = line, BlockHash(found.data[4:36])
            self._blocks[hash] = known[hash]
            hash = known[hash][1]
        return [line for line, _ in self._blocks.values()]

    async def block(self, hash: str) -> BlockDetails:
        """All about a block. Raises Refused, NotRunning."""
        chain, peer = self._chain, self._peer
        if chain is None or peer is None:
            raise NotRunning("The node is not running")
        try:
            wanted = BlockHash.from_hex(hash)
        except ValueError as error:
            raise Refused(f"That is no hash of a block: {error}") from None
        param = FoundBlockParam(
            want_height=True, want_time=True, want_in_active_chain=True, want_data=True
        )
        found = (await peer.call(chain.find_block, wanted, param)).block
        if not found.found or not found.data:
            raise Refused("The node has no such block")
        return await asyncio.to_thread(
            _details, hash, found.height, found.in_active_chain, found.data
        )

    async def mine(self, script: bytes, count: int) -> None:
        """Mine blocks that pay to a script. Raises Refused, NotRunning."""
        for _ in range(count):
            if self._mining is None:
                raise NotRunning("The node is not running")
            try:
                await asyncio.to_thread(mine, self._mining, script)
            except NotMined as error:
                raise Refused(f"No block was mined: {error}") from None


async def disconnect(peer: Peer, handlers: list[Handler]) -> None:
    """Give callbacks up, as far as anybody still has them."""
    waits: list[Awaitable[None]] = [peer.call(handler.disconnect) for handler in handlers]
    await asyncio.gather(*waits, return_exceptions=True)


def _details(hash: str, height: int, in_chain: bool, data: bytes) -> BlockDetails:
    block = parse_block(data)
    header = block.header
    return BlockDetails(
        hash, height, in_chain, header.time, header.previous_block_hash.hex(),
        header.merkle_root.hex(), header.version, header.bits.hex(), header.nonce,
        len(data), block.weight,
        [
            BlockTransaction(
                tx.id.hex(), tx.vsize, tx.is_coinbase, len(tx.vin),
                [
                    Output(address_of(out.script_pub_key.script), out.value)
                    for out in tx.vout[:_OUTPUTS]
                ],
            )
            for tx in block.transactions[:_OUTPUTS]
        ],
    )  # fmt: skip
