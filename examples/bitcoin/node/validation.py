"""Bitcoin's rules for blocks and transactions, asked of the library one after the other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

from btclib.block import Block, BlockHeader
from btclib.block.block_context import BlockContext
from btclib.block.limits import MAX_BLOCK_SIGOPS_COST
from btclib.consensus import subsidy
from btclib.exceptions import BTClibException
from btclib.script.engine import sig_op_cost, verify_amounts, verify_transaction
from btclib.script.spendability import is_unspendable
from btclib.tx import Tx
from btclib.tx.coin import Coin
from btclib.tx.tx_context import (
    assert_coinbase_maturity,
    assert_coinbase_value,
    assert_sequence_locks,
    is_final,
)

from examples.bitcoin.common.bitcoin import (
    pack_coin,
    pack_undo,
    parse_block,
    spent_by,
    txid_of,
    unpack_coin,
    unpack_undo,
)
from examples.bitcoin.common.chainparams import PARAMS
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.store import Store
from interfaces.values import OutPoint


class Invalid(ValueError):
    """A block or a transaction that breaks a rule: `reason` as Bitcoin Core calls it, `debug` says
    more."""

    def __init__(self, reason: str, debug: str = "") -> None:
        super().__init__(f"{reason}: {debug}" if debug else reason)
        self.reason, self.debug = reason, debug


@contextmanager
def rule(reason: str) -> Iterator[None]:
    """Call what the library objects to by this name."""
    try:
        yield
    except BTClibException as error:
        raise Invalid(reason, str(error)) from None


def read_block(data: bytes) -> Block:
    """A block from its bytes. Raises Invalid."""
    try:
        return parse_block(data)
    except (BTClibException, ValueError) as error:
        raise Invalid("bad-blk-length", str(error)) from None


def check_header(header: BlockHeader, parent: KnownBlock, *, check_pow: bool = True) -> None:
    """The rules for a header on top of its parent. Raises Invalid."""
    if check_pow:
        with rule("high-hash"):
            header.assert_valid_pow(PARAMS.pow_limit_bits)
    if header.bits != parent.bits:  # regtest never asks for more work
        raise Invalid("bad-diffbits")
    if int(header.time.timestamp()) <= parent.mtp:
        raise Invalid("time-too-old")
    with rule("time-too-new"):
        header.assert_valid_time(datetime.now(timezone.utc))
    if header.version < _context(parent).min_version:
        raise Invalid("bad-version")


def check_block(block: Block, parent: KnownBlock, *, check_merkle_root: bool = True) -> None:
    """The rules for a block that need no other transaction than its own. Raises Invalid."""
    if check_merkle_root:
        with rule("bad-txnmrklroot"):
            block.assert_valid_merkle_root()
    with rule("bad-blk-length"):
        block.assert_valid_length()
    if not block.transactions[0].is_coinbase:
        raise Invalid("bad-cb-missing")
    if any(tx.is_coinbase for tx in block.transactions[1:]):
        raise Invalid("bad-cb-multiple")
    for tx in block.transactions:
        with rule("bad-txns"):
            tx.assert_valid()
    with rule("bad-blk-sigops"):
        block.assert_valid_sig_op_count()
    with rule("bad-cb-height"):
        block.assert_valid_coinbase_height(parent.height + 1)
    if not all(is_final(tx, parent.height + 1, parent.mtp) for tx in block.transactions):
        raise Invalid("bad-txns-nonfinal")
    with rule("bad-blk-weight"):
        block.assert_valid_weight()
    if block.is_segwit and block.witness_commitment is None:
        raise Invalid("unexpected-witness")
    with rule("bad-witness-merkle-match"):  # of these rules, all that is left to ask
        block.assert_valid_contextual(_context(parent))


def _context(parent: KnownBlock) -> BlockContext:
    now = datetime.now(timezone.utc)
    return BlockContext(parent.height + 1, now, PARAMS, parent.mtp)


@dataclass(frozen=True)
class Spending:
    """A transaction that may be part of a block on top of `parent`, with the coins it spends."""

    tx: Tx
    coins: list[Coin]
    fee: int
    sig_op_cost: int


class Scripts:
    """Remembers the transactions whose scripts were checked, to check none of them twice."""

    def __init__(self, remembered: int = 100_000) -> None:
        self._remembered = remembered
        self._checked: dict[bytes, None] = {}

    def check(self, tx: Tx, coins: list[Coin]) -> None:
        """Run the scripts of all inputs. Raises Invalid."""
        key = tx.hash  # covers the witnesses, too
        if key in self._checked:
            return
        with rule("mandatory-script-verify-flag-failed"):
            verify_transaction([coin.tx_out for coin in coins], tx, check_amounts=False)
        self._checked[key] = None
        while len(self._checked) > self._remembered:
            del self._checked[next(iter(self._checked))]


def check_spending(
    tx: Tx, find: Callable[[OutPoint], Coin | None], parent: KnownBlock, scripts: Scripts
) -> Spending:
    """The rules for a transaction in a block on top of `parent`, given the outputs that it may
    spend. Raises Invalid."""
    coins = []
    for tx_in in tx.vin:
        outpoint = spent_by(tx_in)
        coin = find(outpoint)
        if coin is None:
            raise Invalid("bad-txns-inputs-missingorspent", str(outpoint))
        coins.append(coin)
    height = parent.height + 1
    outputs = [coin.tx_out for coin in coins]
    with rule("bad-txns-premature-spend-of-coinbase"):
        assert_coinbase_maturity(coins, height)
    with rule("bad-txns-in-belowout"):
        verify_amounts(outputs, tx)
    with rule("bad-txns-nonfinal"):
        assert_sequence_locks(tx, coins, height, parent.mtp, lambda at: _mtp(parent, at))
    scripts.check(tx, coins)
    fee = sum(each.value for each in outputs) - sum(each.value for each in tx.vout)
    return Spending(tx, coins, fee, sig_op_cost(outputs, tx))


def _mtp(tip: KnownBlock, height: int) -> int:
    block = tip.ancestor(height)
    assert block is not None
    return block.mtp


def new_coins(tx: Tx, height: int) -> list[tuple[OutPoint, Coin]]:
    """The outputs of a transaction that can be spent."""
    txid = txid_of(tx)
    return [
        (OutPoint.of(txid, index), Coin(tx_out, height, tx.is_coinbase))
        for index, tx_out in enumerate(tx.vout)
        if not is_unspendable(tx_out.script_pub_key.script)
    ]


def connect_block(store: Store, block: Block, parent: KnownBlock, scripts: Scripts) -> bytes:
    """Spend what the block spends and add what it makes. Returns what it takes to disconnect it.

    To be called within a transaction of the store, which after Invalid has to be rolled back.
    """
    height = parent.height + 1
    fees = cost = 0
    undo = []
    for tx in block.transactions:
        if not tx.is_coinbase:
            spending = check_spending(tx, lambda each: _find(store, each), parent, scripts)
            store.remove_coins(spent_by(tx_in) for tx_in in tx.vin)
            undo.append(spending.coins)
            fees += spending.fee
            cost += spending.sig_op_cost
        try:
            store.add_coins((name, pack_coin(coin)) for name, coin in new_coins(tx, height))
        except sqlite3.IntegrityError:
            raise Invalid("bad-txns-BIP30") from None
    if cost > MAX_BLOCK_SIGOPS_COST:
        raise Invalid("bad-blk-sigops", str(cost))
    with rule("bad-cb-amount"):
        value = subsidy(height, PARAMS.subsidy_halving_interval)
        assert_coinbase_value(block.transactions[0], value, fees)
    return pack_undo(undo)


def disconnect_block(store: Store, block: Block, undo: bytes, height: int) -> None:
    """Undo `connect_block`."""
    for tx in reversed(block.transactions):
        store.remove_coins(name for name, _ in new_coins(tx, height))
    spent = iter(unpack_undo(undo))
    made_here = {txid_of(tx) for tx in block.transactions}
    for tx, coins in zip(block.transactions[1:], spent, strict=True):
        store.add_coins(
            (spent_by(tx_in), pack_coin(coin))
            for tx_in, coin in zip(tx.vin, coins, strict=True)
            if spent_by(tx_in).txid not in made_here
        )


def _find(store: Store, outpoint: OutPoint) -> Coin | None:
    packed = store.coin(outpoint)
    return None if packed is None else unpack_coin(packed)
