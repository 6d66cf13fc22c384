"""Chains for tests: mined in this process, on a chain state or through Mining."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from btclib.block import Block
from btclib.block.block import merkle_root_and_mutated_from_transactions
from btclib.block.build import build_block, build_coinbase
from btclib.block.mining import mine as grind
from btclib.tx import Tx

from examples.bitcoin.common.bitcoin import block_bytes, parse_block, parse_transaction, txid_of
from examples.bitcoin.mine import mine
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.mining import MiningOfNode
from interfaces.values import OutPoint
from tests.bitcoin.support import Key

ALICE, BOB = Key(1001), Key(1002)
SUBSIDY = 50_0000_0000
MATURE = 103
"""Height of the chain that `prepare` makes: the first three rewards can be spent."""


def prepare(datadir: Path) -> None:
    """Make a chain whose rewards belong to Alice."""
    state = Chainstate(datadir)
    for _ in range(MATURE):
        mine(MiningOfNode(state), ALICE.script)
    state.close()


def reward(state: Chainstate, height: int) -> tuple[OutPoint, int]:
    """The output that the coinbase of a block pays, and its amount."""
    block = parse_block(state.block_data(state.blocks.active[height]))
    coinbase = block.transactions[0]
    return OutPoint.of(txid_of(coinbase), 0), coinbase.vout[0].value


def payment(state: Chainstate, height: int = 1, fee: int = 10_000, **more: int) -> bytes:
    """Alice pays Bob the reward of a block."""
    outpoint, amount = reward(state, height)
    return ALICE.pay([(outpoint, amount)], [(BOB.script, amount - fee)], **more)


def block_on(
    parent: KnownBlock, transactions: list[bytes] | None = None, *, fees: int = 0, nonce: int = 0
) -> Block:
    """A solved block. Another `nonce` makes another block."""
    extra = nonce.to_bytes(4, "little")
    coinbase = build_coinbase(
        parent.height + 1, BOB.script, fees=fees, halving_interval=150, extra_nonce=extra
    )
    txs = [coinbase, *map(parse_transaction, transactions or [])]
    time = datetime.fromtimestamp(parent.time, timezone.utc) + timedelta(seconds=1)
    return solved(build_block(bytes(parent.hash)[::-1], txs, time, parent.bits))


def solved(block: Block, **header: object) -> Block:
    """The same block, with other fields in its header, and the nonce that it takes."""
    found = grind(replace(block.header, **header))  # type: ignore[arg-type]
    assert found is not None
    return Block(found, block.transactions, check_validity=False)


def with_transactions(block: Block, transactions: list[Tx]) -> Block:
    """A block with other transactions, and a header that fits them."""
    root, _ = merkle_root_and_mutated_from_transactions(transactions)
    return solved(Block(block.header, transactions, check_validity=False), merkle_root=root)


def submit(state: Chainstate, block: Block) -> KnownBlock:
    return state.submit(block_bytes(block))


def extend(state: Chainstate, parent: KnownBlock, count: int, *, nonce: int = 0) -> KnownBlock:
    """Build empty blocks on a block. Returns the last one."""
    for _ in range(count):
        parent = submit(state, block_on(parent, nonce=nonce))
    return parent


def coins_of(state: Chainstate) -> dict[bytes, bytes]:
    """All unspent outputs, for comparing."""
    with state.lock:
        return dict(state.store.coins())
