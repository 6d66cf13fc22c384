"""Somebody who is told what happens to a chain, and writes it down."""

from __future__ import annotations

from examples.bitcoin.common.bitcoin import parse_block, parse_transaction, txid_of
from interfaces.chain import BlockInfo, ChainNotifications, ChainstateRole
from interfaces.enums import MemPoolRemovalReason


class Recorder(ChainNotifications):
    """`told` has a tuple for each event. Blocks go by height, transactions by id."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.chain: list[bytes] = []
        """Hashes of the blocks that are connected, as far as it was told."""

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        self.told.append(("added", str(txid_of(parse_transaction(tx)))))

    def transaction_removed_from_mempool(self, tx: bytes, reason: MemPoolRemovalReason) -> None:
        self.told.append(("removed", str(txid_of(parse_transaction(tx))), reason.name))

    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        assert block.data is not None and parse_block(block.data)
        assert not self.chain or block.prev_hash == self.chain[-1]
        self.chain.append(block.hash)
        self.told.append(("connected", block.height))

    def block_disconnected(self, block: BlockInfo) -> None:
        if self.chain:
            assert self.chain.pop() == block.hash
        self.told.append(("disconnected", block.height))

    def updated_block_tip(self) -> None:
        self.told.append(("tip",))

    def chain_state_flushed(self, role: ChainstateRole, locator: bytes) -> None:
        pass
