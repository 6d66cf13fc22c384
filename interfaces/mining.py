"""Block templates for miners: make one, wait for a better one, hand in a solution.

Hashes are 32 bytes in internal byte order; headers, blocks and transactions are serialized as in
the peer-to-peer protocol.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Annotated

import msgspec

import mpipc
from interfaces.common import BlockRef
from interfaces.values import Block, BlockHash, Transaction
from mpipc import Field, Int32, Int64, UInt32, UInt64

__schema__ = mpipc.SchemaFile(
    id=0xC77D03DF6A41B505,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/mining.h"],
    include_types=["ipc/capnp/mining-types.h"],
)

MAX_MONEY = 21_000_000 * 100_000_000
"""All bitcoins there will ever be, in satoshis: the fee threshold that is never reached."""


@mpipc.struct(wrap="node::BlockCreateOptions")
class BlockCreateOptions(msgspec.Struct, frozen=True):
    """What a new block template is made of."""

    use_mempool: bool = True
    """Whether transactions are taken from the mempool; without them the block is empty."""

    block_reserved_weight: UInt64 = 8000
    """Weight kept free for the header, the transaction count and the coinbase transaction."""

    coinbase_output_max_additional_sigops: UInt64 = 400
    """Signature operations kept free for outputs that the miner adds to the coinbase."""


@mpipc.struct(wrap="node::BlockWaitOptions")
class BlockWaitOptions(msgspec.Struct, frozen=True):
    """When to stop waiting for a better block template."""

    timeout: Annotated[timedelta, Field(cxx_name="timeout")] = timedelta.max
    """How long to wait at most; `timedelta.max` waits forever."""

    fee_threshold: Int64 = MAX_MONEY
    """Stop as soon as the fees have grown by this many satoshis."""


@mpipc.struct(wrap="node::BlockCheckOptions")
class BlockCheckOptions(msgspec.Struct, frozen=True):
    """Which parts of a block are checked."""

    check_merkle_root: bool = True
    """Whether the header must have the right merkle root."""

    check_pow: bool = True
    """Whether the header must have enough work."""


class CheckedBlock(mpipc.Results):
    """What `Mining.check_block` found: `reason` is short and stable, `debug` says more."""

    reason: str
    debug: str
    result: bool


@mpipc.interface(wrap="interfaces::BlockTemplate")
class BlockTemplate(ABC):
    """A block that lacks only its proof of work."""

    @mpipc.method(1)
    @abstractmethod
    def get_block_header(self) -> bytes:
        """The header, not yet with the miner's changes."""

    @mpipc.method(2)
    @abstractmethod
    def get_block(self) -> Block:
        """The whole block, with a placeholder as coinbase transaction."""

    @mpipc.method(3)
    @abstractmethod
    def get_tx_fees(self) -> list[Int64]:
        """The fee of each transaction in satoshis, without the coinbase."""

    @mpipc.method(4)
    @abstractmethod
    def get_tx_sigops(self) -> list[Int64]:
        """The signature operation cost of each transaction, without the coinbase."""

    @mpipc.method(5)
    @abstractmethod
    def get_coinbase_tx(self) -> Transaction:
        """The placeholder coinbase transaction."""

    @mpipc.method(6)
    @abstractmethod
    def get_coinbase_commitment(self) -> bytes:
        """The script of the output that commits to the witnesses; empty when there is none."""

    @mpipc.method(7)
    @abstractmethod
    def get_witness_commitment_index(self) -> Int32:
        """Which coinbase output commits to the witnesses; -1 when none does."""

    @mpipc.method(8)
    @abstractmethod
    def get_coinbase_merkle_path(self) -> list[bytes]:
        """The hashes that lead from the coinbase transaction to the merkle root, lowest first."""

    @mpipc.method(9)
    @abstractmethod
    def submit_solution(
        self, version: UInt32, timestamp: UInt32, nonce: UInt32, coinbase: Transaction
    ) -> bool:
        """Complete the block with these header fields and this coinbase transaction, and process
        it. Returns whether it was accepted."""

    @mpipc.method(10)
    @abstractmethod
    def wait_next(self, options: BlockWaitOptions) -> BlockTemplate | None:
        """Wait for a new tip or for higher fees. Returns the better template, or None when the
        time is over first."""


@mpipc.interface(wrap="interfaces::Mining", destroy=False)
class Mining(ABC):
    """What a miner or a pool needs of a node."""

    @mpipc.method(0)
    @abstractmethod
    def is_test_chain(self) -> bool:
        """Whether the node follows a test network."""

    @mpipc.method(1)
    @abstractmethod
    def is_initial_block_download(self) -> bool:
        """Whether the node is still catching up with the chain."""

    @mpipc.method(2)
    @abstractmethod
    def get_tip(self) -> Annotated[BlockRef | None, Field(has_flag=True)]:
        """The tip of the chain, or None when there is no block at all."""

    @mpipc.method(3)
    @abstractmethod
    def wait_tip_changed(self, current_tip: BlockHash, timeout: timedelta) -> BlockRef | None:
        """Wait until the tip is another block than `current_tip`. Returns the tip, also when the
        time is over first, and None when the node shuts down."""

    @mpipc.method(4, context=False)
    @abstractmethod
    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate | None:
        """Make a block template on the tip, or None when the node shuts down first."""

    @mpipc.method(5, context=False)
    @abstractmethod
    def check_block(self, block: Block, options: BlockCheckOptions) -> CheckedBlock:
        """Check a block on top of the tip without processing it."""
