"""The node's RPC commands: what `bitcoin-cli` has, declared like any other interface.

JSON-RPC, its OpenRPC document and `Node.execute_rpc` are derived from it.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec
from btclib.block import Block

import mpipc
from examples.bitcoin.common.bitcoin import (
    address_of,
    parse_block,
    script_of,
    txid_of,
)
from examples.bitcoin.common.chainparams import NETWORK
from examples.bitcoin.mine import NotMined, mine
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.chainstate import Chainstate, NotWritten
from examples.bitcoin.node.mining import MiningOfNode
from examples.bitcoin.node.validation import Invalid
from interfaces.values import Amount, BlockHash, OutPoint, Txid
from mpipc import Field, Int32, Int64, UInt32, UInt64


class NotFound(Exception):
    """There is no such block, transaction or address."""

    code = -5


class BadParameter(Exception):
    """A parameter that makes no sense."""

    code = -8


class Rejected(Exception):
    """A block or a transaction that breaks a rule."""

    code = -26


_NOT_WRITTEN = mpipc.Raises(NotWritten, "notWritten")


class ChainInfo(msgspec.Struct, frozen=True):
    """The state of the chain."""

    chain: str
    blocks: Int32
    bestblockhash: str
    time: Int64
    mediantime: Int64
    warnings: list[str]


class BlockView(msgspec.Struct, frozen=True):
    """A block, with the ids of its transactions."""

    hash: str
    confirmations: Int32
    height: Int32
    version: Int32
    merkleroot: str
    time: Int64
    mediantime: Int64
    nonce: UInt32
    bits: str
    previousblockhash: str | None
    nextblockhash: str | None
    size: UInt32
    weight: UInt32
    tx: list[str]


class MempoolInfo(msgspec.Struct, frozen=True):
    """The state of the mempool."""

    size: UInt64
    """How many transactions."""

    bytes: UInt64
    total_fee: Amount
    """Satoshis."""


class OutputView(msgspec.Struct, frozen=True):
    """An unspent output."""

    bestblock: str
    confirmations: Int32
    value: Amount
    """Satoshis."""

    script: Annotated[str, Field(name="scriptPubKey")]
    address: str
    coinbase: bool


@mpipc.interface
class NodeCommands(ABC):
    """Commands of a node. Hashes are as people write them, amounts in satoshis."""

    @mpipc.method(name="getblockchaininfo")
    @abstractmethod
    def get_blockchain_info(self) -> ChainInfo:
        """The state of the chain."""

    @mpipc.method(name="getblockcount")
    @abstractmethod
    def get_block_count(self) -> Int32:
        """Height of the tip."""

    @mpipc.method(name="getbestblockhash")
    @abstractmethod
    def get_best_block_hash(self) -> str:
        """Hash of the tip."""

    @mpipc.method(name="getblockhash", raises=BadParameter)
    @abstractmethod
    def get_block_hash(self, height: Int32) -> str:
        """Hash of the block at a height."""

    @mpipc.method(name="getblock", raises=NotFound)
    @abstractmethod
    def get_block(self, blockhash: str) -> BlockView:
        """A block."""

    @mpipc.method(name="getrawblock", raises=NotFound)
    @abstractmethod
    def get_raw_block(self, blockhash: str) -> bytes:
        """A block's bytes."""

    @mpipc.method(name="gettxout", raises=NotFound)
    @abstractmethod
    def get_tx_out(self, txid: str, n: UInt32, include_mempool: bool = True) -> OutputView | None:
        """An unspent output, null where there is none."""

    @mpipc.method(name="getmempoolinfo")
    @abstractmethod
    def get_mempool_info(self) -> MempoolInfo:
        """The state of the mempool."""

    @mpipc.method(name="getrawmempool")
    @abstractmethod
    def get_raw_mempool(self) -> list[str]:
        """The ids of the transactions in the mempool."""

    @mpipc.method(name="sendrawtransaction", raises=[Rejected, _NOT_WRITTEN])
    @abstractmethod
    def send_raw_transaction(self, transaction: bytes) -> str:
        """Hand a transaction in. Returns its id."""

    @mpipc.method(name="submitblock", raises=[Rejected, _NOT_WRITTEN])
    @abstractmethod
    def submit_block(self, block: bytes) -> None:
        """Hand a block in."""

    @mpipc.method(name="invalidateblock", raises=[NotFound, _NOT_WRITTEN])
    @abstractmethod
    def invalidate_block(self, blockhash: str) -> None:
        """Treat a block as if it broke a rule."""

    @mpipc.method(name="reconsiderblock", raises=[NotFound, _NOT_WRITTEN])
    @abstractmethod
    def reconsider_block(self, blockhash: str) -> None:
        """Undo `invalidateblock`."""

    @mpipc.method(
        name="generatetoaddress",
        raises=[NotFound, mpipc.Raises(Rejected, "rejected"), _NOT_WRITTEN],
    )
    @abstractmethod
    def generate_to_address(self, nblocks: UInt32, address: str) -> list[str]:
        """Mine blocks whose rewards go to an address. Returns their hashes."""

    @mpipc.method(name="uptime")
    @abstractmethod
    def uptime(self) -> UInt64:
        """Seconds since the start."""

    @mpipc.method(name="stop")
    @abstractmethod
    def stop(self) -> str:
        """Ask the node to end."""


class CommandsOfNode(NodeCommands):
    def __init__(
        self, state: Chainstate, warnings: Callable[[], list[str]], stop: Callable[[], None]
    ) -> None:
        self._state, self._warnings, self._stop = state, warnings, stop
        self._started = time.monotonic()

    def get_blockchain_info(self) -> ChainInfo:
        tip = self._state.tip
        return ChainInfo(
            NETWORK, tip.height, str(tip.hash), tip.time, tip.mtp, self._warnings()
        )  # fmt: skip

    def get_block_count(self) -> int:
        return self._state.tip.height

    def get_best_block_hash(self) -> str:
        return str(self._state.tip.hash)

    def get_block_hash(self, height: int) -> str:
        with self._state.lock:
            active = self._state.blocks.active
            if not 0 <= height < len(active):
                raise BadParameter(f"there is no block at height {height}")
            return str(active[height].hash)

    def get_block(self, blockhash: str) -> BlockView:
        with self._state.lock:
            known = self._known(blockhash)
            block = parse_block(self._state.block_data(known))
            blocks = self._state.blocks
            following = blocks.next(known)
            depth = blocks.tip.height - known.height + 1 if blocks.is_active(known) else -1
        return _view(block, known, depth, following)

    def get_raw_block(self, blockhash: str) -> bytes:
        return self._state.block_data(self._known(blockhash))

    def get_tx_out(self, txid: str, n: int, include_mempool: bool = True) -> OutputView | None:
        try:
            outpoint = OutPoint.of(Txid.from_hex(txid), n)
        except ValueError as error:
            raise NotFound(f"{txid}: {error}") from None
        state = self._state
        with state.lock:
            tip, coin = state.tip, state.coin(outpoint)
            confirmed = coin is not None
            if include_mempool and state.mempool.spender(outpoint) is not None:
                coin = None
            elif include_mempool and coin is None:
                coin = state.mempool.coin(outpoint)
        if coin is None:
            return None
        script = coin.tx_out.script_pub_key.script
        return OutputView(
            bestblock=str(tip.hash),
            confirmations=tip.height - coin.height + 1 if confirmed else 0,
            value=coin.tx_out.value,
            script=script.hex(),
            address=address_of(script),
            coinbase=coin.is_coinbase,
        )

    def get_mempool_info(self) -> MempoolInfo:
        with self._state.lock:
            mempool = self._state.mempool
            fees = sum(entry.fee for entry in mempool)
            return MempoolInfo(len(mempool), mempool.bytes, fees)

    def get_raw_mempool(self) -> list[str]:
        with self._state.lock:
            return [str(entry.txid) for entry in self._state.mempool]

    def send_raw_transaction(self, transaction: bytes) -> str:
        try:
            return str(self._state.accept(transaction).txid)
        except Invalid as error:
            raise Rejected(str(error)) from None

    def submit_block(self, block: bytes) -> None:
        try:
            self._state.submit(block)
        except Invalid as error:
            raise Rejected(str(error)) from None

    def invalidate_block(self, blockhash: str) -> None:
        self._state.invalidate(self._known(blockhash).hash)

    def reconsider_block(self, blockhash: str) -> None:
        self._state.reconsider(self._known(blockhash).hash)

    def generate_to_address(self, nblocks: int, address: str) -> list[str]:
        try:
            script = script_of(address)
        except ValueError as error:
            raise NotFound(f"{address}: {error}") from None
        mining = MiningOfNode(self._state)
        try:
            return [str(mine(mining, script)) for _ in range(nblocks)]
        except NotMined as error:
            raise Rejected(str(error)) from None

    def uptime(self) -> int:
        return int(time.monotonic() - self._started)

    def stop(self) -> str:
        self._stop()
        return "the node ends"

    def _known(self, blockhash: str) -> KnownBlock:
        try:
            return self._state.blocks.known[BlockHash.from_hex(blockhash)]
        except (ValueError, KeyError):
            raise NotFound(f"there is no such block: {blockhash}") from None


def _view(
    block: Block, known: KnownBlock, confirmations: int, following: KnownBlock | None
) -> BlockView:
    return BlockView(
        hash=str(known.hash),
        confirmations=confirmations,
        height=known.height,
        version=block.header.version,
        merkleroot=block.header.merkle_root.hex(),
        time=known.time,
        mediantime=known.mtp,
        nonce=block.header.nonce,
        bits=known.bits.hex(),
        previousblockhash=str(known.parent.hash) if known.parent else None,
        nextblockhash=str(following.hash) if following else None,
        size=block.size,
        weight=block.weight,
        tx=[str(txid_of(tx)) for tx in block.transactions],
    )
