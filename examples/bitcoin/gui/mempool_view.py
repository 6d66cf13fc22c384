"""What the page shows of the mempool, kept up with what the node tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue

import msgspec

from examples.bitcoin.common.bitcoin import parse_transaction, txid_of
from examples.bitcoin.gui.board import drained
from examples.bitcoin.gui.peers import Peer
from interfaces.chain import BlockInfo, Chain, ChainNotifications, ChainstateRole
from interfaces.enums import MemPoolRemovalReason
from interfaces.node import Node

_SHOWN = 25


class MempoolLine(msgspec.Struct, frozen=True):
    txid: str
    vsize: int
    amount: int
    """Satoshis of all outputs."""


class Mempool(msgspec.Struct, frozen=True):
    """The topic `mempool`: how many transactions there are, and some of them."""

    size: int
    usage: int
    """Bytes of memory."""

    transactions: list[MempoolLine]


class MempoolView(ChainNotifications):
    """The newest transactions. All are asked for once, and again when a block has taken some away;
    what comes one by one is not.

    `changed` is called in any thread when there is something new, also of the chain.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._told: SimpleQueue[tuple[bytes, bool]] = SimpleQueue()
        self._whole = False
        self._newest: dict[bytes, MempoolLine] = {}

    async def look(self, node: Node, chain: Chain, peer: Peer) -> Mempool:
        """What there is now."""
        for data, added in drained(self._told):
            if added:
                self._newest[data] = self._newest.get(data) or _line(data)
            else:
                self._newest.pop(data, None)
        size, usage = await asyncio.gather(
            peer.call(node.get_mempool_size), peer.call(node.get_mempool_dynamic_usage)
        )
        if not self._whole or len(self._newest) < min(size, _SHOWN):
            self._whole = True
            found = _Collected()
            await peer.call(chain.request_mempool_transactions, found)
            newest = found.transactions[-_SHOWN:]
            self._newest = {data: self._newest.get(data) or _line(data) for data in newest}
        else:
            self._newest = dict([*self._newest.items()][-_SHOWN:])
        return Mempool(size, usage, [*self._newest.values()][::-1])

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        self._told.put((tx, True))
        self._changed()

    def transaction_removed_from_mempool(self, tx: bytes, reason: MemPoolRemovalReason) -> None:
        self._told.put((tx, False))
        self._changed()

    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        self._whole = False
        self._changed()

    def block_disconnected(self, block: BlockInfo) -> None:
        self._whole = False
        self._changed()

    def updated_block_tip(self) -> None:
        self._changed()

    def chain_state_flushed(self, role: ChainstateRole, locator: bytes) -> None:
        pass


class _Collected(MempoolView):
    """The transactions that the node tells about."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.transactions: list[bytes] = []

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        self.transactions.append(tx)


def _line(data: bytes) -> MempoolLine:
    tx = parse_transaction(data)
    return MempoolLine(str(txid_of(tx)), tx.vsize, sum(each.value for each in tx.vout))
