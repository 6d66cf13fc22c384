"""Blocks that lack only their proof of work."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone

from btclib.block import Block, BlockHeader
from btclib.block.block import merkle_root_and_mutated_from_transactions
from btclib.block.build import build_block, build_coinbase
from btclib.block.limits import MAX_BLOCK_SIGOPS_COST, MAX_BLOCK_WEIGHT
from btclib.hashes import hash256
from btclib.tx import Tx

from examples.bitcoin.common.bitcoin import (
    block_bytes,
    parse_transaction,
    txid_of,
)
from examples.bitcoin.common.chainparams import PARAMS
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.mempool import Entry, Mempool
from interfaces.mining import BlockCreateOptions

_ANYONE = b"\x51"  # OP_TRUE; miners put their own script there
_COMMITMENT = bytes.fromhex("6a24aa21a9ed")
_EXTRA_NONCE = b"mpipc"


@dataclass(frozen=True)
class Template:
    """A block on top of `parent` with these transactions from the mempool."""

    parent: KnownBlock
    block: Block
    entries: list[Entry]
    sequence: int
    """The mempool's count of changes when this was made."""

    @property
    def fees(self) -> int:
        return sum(entry.fee for entry in self.entries)

    @property
    def commitment_index(self) -> int:
        """Which output of the coinbase commits to the witnesses; -1: none."""
        outputs = self.block.transactions[0].vout
        found = (
            index
            for index in reversed(range(len(outputs)))
            if outputs[index].script_pub_key.script.startswith(_COMMITMENT)
        )
        return next(found, -1)

    def merkle_path(self) -> list[bytes]:
        """What the coinbase's id is hashed with on the way to the merkle root, lowest first."""
        level: list[bytes] = [txid_of(tx) for tx in self.block.transactions]
        path = []
        while len(level) > 1:
            if len(level) % 2:
                level.append(level[-1])
            path.append(level[1])
            level = [hash256(a + b) for a, b in zip(level[::2], level[1::2], strict=True)]
        return path

    def solved(self, version: int, timestamp: int, nonce: int, coinbase: bytes) -> bytes:
        """The block with these header fields and this coinbase transaction. Raises ValueError."""
        transactions = [parse_transaction(coinbase), *self.block.transactions[1:]]
        root, _ = merkle_root_and_mutated_from_transactions(transactions)
        header = BlockHeader(
            version=version - (version >> 31 << 32),  # as C++ does, which has it signed
            previous_block_hash=self.block.header.previous_block_hash,
            merkle_root=root,
            time=datetime.fromtimestamp(timestamp, timezone.utc),
            bits=self.block.header.bits,
            nonce=nonce,
        )
        return block_bytes(Block(header, transactions, check_validity=False))


def build(parent: KnownBlock, mempool: Mempool, options: BlockCreateOptions) -> Template:
    """A template on top of the tip."""
    entries: list[Entry] = []
    if options.use_mempool:
        entries = mempool.choose(
            MAX_BLOCK_WEIGHT - options.block_reserved_weight,
            MAX_BLOCK_SIGOPS_COST - options.coinbase_output_max_additional_sigops,
        )
    coinbase = build_coinbase(
        parent.height + 1,
        _ANYONE,
        fees=sum(entry.fee for entry in entries),
        halving_interval=PARAMS.subsidy_halving_interval,
        extra_nonce=_EXTRA_NONCE,
    )
    transactions: list[Tx] = [coinbase, *(entry.tx for entry in entries)]
    now = datetime.fromtimestamp(max(int(time.time()), parent.mtp + 1), timezone.utc)
    block = build_block(bytes(parent.hash)[::-1], transactions, now, parent.bits)
    return Template(parent, block, entries, mempool.sequence)
