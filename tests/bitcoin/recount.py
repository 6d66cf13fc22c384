"""What belongs to whom, counted again from the blocks of a node."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from btclib.tx import TxOut

from examples.bitcoin.common.bitcoin import parse_block, spent_by, txid_of
from interfaces.values import OutPoint
from tests.bitcoin.rpc import Rpc

SUBSIDY = 50_0000_0000
HALVING = 150


def unspent(node: Rpc) -> dict[OutPoint, TxOut]:
    """All unspent outputs of the chain; each output is spent once at most."""
    found: dict[OutPoint, TxOut] = {}
    for height in range(1, node.getblockcount() + 1):
        data = bytes.fromhex(node.getrawblock(node.getblockhash(height)))
        for tx in parse_block(data).transactions:
            if not tx.is_coinbase:
                for tx_in in tx.vin:
                    del found[spent_by(tx_in)]
            for number, tx_out in enumerate(tx.vout):
                found[OutPoint.of(txid_of(tx), number)] = tx_out
    return found


def issued(node: Rpc) -> int:
    """How many satoshis there can be."""
    height: int = node.getblockcount()
    return sum(SUBSIDY >> (each // HALVING) for each in range(1, height + 1))


def scripts_of(wallet: Rpc, name: str, backup: Path) -> set[bytes]:
    """All scripts that a wallet watches, from a copy of its file."""
    wallet.backupwallet(name, str(backup))
    db = sqlite3.connect(backup)
    scripts = {row[0] for row in db.execute("SELECT script FROM scripts")}
    db.close()
    return scripts


def total(coins: Iterable[TxOut], scripts: set[bytes]) -> int:
    """What the outputs with these scripts hold."""
    return sum(coin.value for coin in coins if coin.script_pub_key.script in scripts)
