"""Wallets with coins, made without a node."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from btclib.block import Block, BlockHeader
from btclib.tx import OutPoint, Tx, TxIn, TxOut

from examples.bitcoin.wallet.keys import Account, Branch
from examples.bitcoin.wallet.ledger import Ledger
from examples.bitcoin.wallet.open_wallet import create_file
from examples.bitcoin.wallet.store import Store
from interfaces.common import BlockRef
from interfaces.values import BlockHash


def new_ledger(path: Path) -> Ledger:
    """A wallet that has seen the genesis block."""
    create_file(path, b"")
    store = Store(path)
    ledger = Ledger(store, Account(store.meta("fingerprint"), store.meta("xpub")))
    ledger.begin(bytes(32), BlockRef(BlockHash(bytes(32)), 0))
    return ledger


def block_of(transactions: list[Tx]) -> Block:
    """A block that nobody has mined."""
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    header = BlockHeader(
        1, bytes(32), bytes(32), moment, b"\x20\x7f\xff\xff", 0, check_validity=False
    )
    return Block(header, transactions, check_validity=False)


def payment_from_others(number: int, script: bytes, amount: int) -> Tx:
    """Somebody pays; each number is another transaction."""
    coin = OutPoint((number + 1).to_bytes(32, "big"), 0)
    return Tx(2, 0, [TxIn(coin, b"", 0)], [TxOut(amount, script)])


def receive(ledger: Ledger, amounts: list[int]) -> None:
    """Let a wallet have coins of these amounts, in a block."""
    transactions = [
        payment_from_others(number, ledger.next_script(Branch.RECEIVE), amount)
        for number, amount in enumerate(amounts)
    ]
    height = ledger.height + 1
    ledger.connect(height, height.to_bytes(32, "big"), block_of(transactions))
