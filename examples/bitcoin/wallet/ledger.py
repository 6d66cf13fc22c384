"""What a wallet knows: its scripts, its transactions, and which blocks it has looked through.

It follows a chain that is told to it block by block, and forgets nothing of what was its own: a
transaction whose block is disconnected is unconfirmed again.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from btclib.block import Block
from btclib.tx import Tx

from examples.bitcoin.common.bitcoin import (
    locator_heights,
    pack_locator,
    parse_transaction,
    spent_by,
    transaction_bytes,
    txid_of,
)
from examples.bitcoin.wallet.keys import GAP_LIMIT, Account, Branch, Position
from examples.bitcoin.wallet.store import Store
from interfaces.common import BlockRef
from interfaces.values import BlockHash, OutPoint, Txid
from interfaces.wallet import WalletBalances

_MATURITY = 101
"""Confirmations that a coinbase transaction needs until the wallet spends its outputs."""


@dataclass(frozen=True)
class Entry:
    """A transaction in the wallet."""

    txid: Txid
    raw: bytes
    is_coinbase: bool
    received: int
    height: int | None
    conflict_height: int | None
    abandoned: bool
    replaced_by: Txid | None
    notes: dict[str, str]
    order_form: list[tuple[str, str]]

    @classmethod
    def of(cls, row: sqlite3.Row) -> Entry:
        replaced_by = row["replaced_by"]
        return cls(
            Txid(row["txid"]), row["raw"], bool(row["is_coinbase"]), row["received"],
            row["height"], row["conflict_height"], bool(row["abandoned"]),
            replaced_by and Txid(replaced_by),
            json.loads(row["notes"]), [(k, v) for k, v in json.loads(row["order_form"])],
        )  # fmt: skip

    @cached_property
    def tx(self) -> Tx:
        return Tx.parse(self.raw, check_validity=False)

    @property
    def is_live(self) -> bool:
        """Whether it is confirmed, or can be."""
        gone = self.conflict_height is not None or self.abandoned or self.is_coinbase
        return self.height is not None or not (gone or self.replaced_by)

    def depth(self, tip: int) -> int:
        """Number of confirmations; less than 0: those of a conflicting transaction."""
        if self.height is not None:
            return tip - self.height + 1
        return 0 if self.conflict_height is None else self.conflict_height - tip - 1

    def blocks_to_maturity(self, tip: int) -> int:
        return max(0, _MATURITY - self.depth(tip)) if self.is_coinbase else 0


@dataclass(frozen=True)
class OwnCoin:
    """An output to the wallet that nothing spends."""

    outpoint: OutPoint
    amount: int
    script: bytes
    depth: int
    received: int
    is_mature: bool
    is_safe: bool
    """Whether it is confirmed, or the wallet's own and in the mempool."""

    in_mempool: bool
    is_locked: bool


class Ledger:
    """A wallet's file, and what is known about the mempool."""

    def __init__(self, store: Store, account: Account) -> None:
        self.store = store
        self.account = account
        self._mempool: set[Txid] = set()
        with store.writing():
            rows = store.rows("SELECT * FROM scripts")
            self._scripts = {
                row["script"]: Position(Branch(row["branch"]), row["number"]) for row in rows
            }
            self._passing_locks: set[OutPoint] = set()
            for branch in Branch:
                self._watch(branch)

    # ---------------------------------------------------------------------------- addresses

    def position(self, script: bytes) -> Position | None:
        """Where the key to a script is, None for a script of others."""
        return self._scripts.get(script)

    def next_script(self, branch: Branch) -> bytes:
        """The script of an address that nobody has had. It is stored when this returns."""
        with self.store.writing():
            number = self._next(branch)
            self._set_next(branch, number + 1)
            return self.account.script(Position(branch, number))

    def change_script(self) -> bytes:
        """The script of an address for change. It is taken once a transaction has it."""
        with self.store.lock:
            return self.account.script(Position(Branch.CHANGE, self._next(Branch.CHANGE)))

    def _next(self, branch: Branch) -> int:
        return self.store.meta(f"next_{branch.name}") or 0

    def _set_next(self, branch: Branch, number: int) -> None:
        self.store.set_meta(f"next_{branch.name}", number)
        self._watch(branch)

    def _watch(self, branch: Branch) -> None:
        """Watch as many scripts as the gap limit asks for."""
        have = self.store.value("SELECT count(*) FROM scripts WHERE branch = ?", branch)
        for number in range(have, self._next(branch) + GAP_LIMIT):
            position = Position(branch, number)
            script = self.account.script(position)
            self.store.write("INSERT INTO scripts VALUES (?, ?, ?)", script, branch, number)
            self._scripts[script] = position

    # -------------------------------------------------------------------------------- chain

    @property
    def tip(self) -> BlockRef | None:
        """The last block that was looked through, None before the first."""
        row = self.store.row("SELECT hash, height FROM blocks ORDER BY height DESC LIMIT 1")
        return None if row is None else BlockRef(BlockHash(row["hash"]), row["height"])

    @property
    def height(self) -> int:
        """Its height, 0 before the first."""
        return self.store.value("SELECT max(height) FROM blocks") or 0

    def block_at(self, height: int) -> BlockHash | None:
        """A block that was looked through."""
        found = self.store.value("SELECT hash FROM blocks WHERE height = ?", height)
        return found and BlockHash(found)

    @property
    def first_height(self) -> int:
        """Where the wallet began to look."""
        return (self.store.value("SELECT min(height) FROM blocks WHERE height > 0") or 0) + 1

    def begin(self, genesis: bytes, before: BlockRef) -> None:
        """Begin behind a block: the wallet is younger."""
        with self.store.writing():
            self.store.write("INSERT INTO blocks VALUES (0, ?)", genesis)
            if before.height > 0:
                self.store.write("INSERT INTO blocks VALUES (?, ?)", before.height, before.hash)

    def locator(self) -> bytes:
        """Blocks from the tip back, for a node to find where its chain leaves this one."""
        hashes = (self.block_at(height) for height in locator_heights(self.height))
        return pack_locator(hash for hash in hashes if hash is not None)

    def connect(self, height: int, hash: bytes, block: Block) -> list[Txid]:
        """Take a block in that follows the tip. Returns the transactions that it changes."""
        with self.store.writing():
            self.store.write("INSERT INTO blocks VALUES (?, ?)", height, hash)
            return self.look_through(height, block)

    def look_through(self, height: int, block: Block) -> list[Txid]:
        """Look through a block that was connected. Returns the transactions that it changes."""
        changed: dict[Txid, None] = {}
        with self.store.writing():
            watched = -1
            while watched != len(self._scripts):  # else: there are more scripts now to look for
                watched = len(self._scripts)
                for tx in block.transactions:
                    changed.update(dict.fromkeys(self._take_in_block(tx, height)))
        return list(changed)

    def disconnect_above(self, height: int) -> list[Txid]:
        """Forget the blocks above a height. Returns the transactions that are unconfirmed now."""
        with self.store.writing():
            rows = self.store.rows(
                "SELECT txid FROM transactions WHERE height > ?1 OR conflict_height > ?1", height
            )
            self.store.write("DELETE FROM blocks WHERE height > ?", height)
            self.store.write("UPDATE transactions SET height = NULL WHERE height > ?", height)
            self.store.write(
                "UPDATE transactions SET conflict_height = NULL WHERE conflict_height > ?", height
            )
        return [Txid(row["txid"]) for row in rows]

    def _take_in_block(self, tx: Tx, height: int) -> list[Txid]:
        txid = txid_of(tx)
        self._mempool.discard(txid)
        changed = []
        spent = [] if tx.is_coinbase else [spent_by(tx_in) for tx_in in tx.vin]
        for outpoint in spent:
            for row in self.store.rows(
                "SELECT txid FROM inputs JOIN transactions USING (txid)"
                " WHERE outpoint = ? AND txid != ? AND height IS NULL",
                outpoint, txid,
            ):  # fmt: skip
                changed += self._spread("conflict_height", height, Txid(row["txid"]))
        if self._concerns(tx, spent) or self.entry(txid) is not None:
            self._insert(tx, txid, spent)
            self.store.write(
                "UPDATE transactions SET height = ?, conflict_height = NULL WHERE txid = ?",
                height, txid,
            )  # fmt: skip
            changed.append(txid)
        return changed

    def _spread(self, column: str, value: object, txid: Txid) -> list[Txid]:
        """Mark an unconfirmed transaction and those that spend its outputs."""
        marked = [txid]
        for each in marked:
            self.store.write(
                f"UPDATE transactions SET {column} = ? WHERE txid = ? AND height IS NULL",
                value, each,
            )  # fmt: skip
            rows = self.store.rows(
                "SELECT DISTINCT inputs.txid FROM inputs JOIN outputs USING (outpoint)"
                " JOIN transactions ON transactions.txid = inputs.txid"
                " WHERE outputs.txid = ? AND height IS NULL",
                each,
            )
            marked += [found for row in rows if (found := Txid(row["txid"])) not in marked]
        return marked

    # ------------------------------------------------------------------------- transactions

    def _concerns(self, tx: Tx, spent: Iterable[OutPoint]) -> bool:
        """Whether a transaction pays to the wallet or spends from it."""
        if any(tx_out.script_pub_key.script in self._scripts for tx_out in tx.vout):
            return True
        return any(self.own_output(outpoint) is not None for outpoint in spent)

    def own_output(self, outpoint: bytes) -> sqlite3.Row | None:
        """An output to the wallet, spent or not."""
        return self.store.row("SELECT * FROM outputs WHERE outpoint = ?", outpoint)

    def _insert(self, tx: Tx, txid: Txid, spent: Iterable[OutPoint]) -> bool:
        """Add a transaction, or what is missing of it. Returns whether it is new."""
        added = self.store.write(
            "INSERT OR IGNORE INTO transactions (txid, raw, is_coinbase, received)"
            " VALUES (?, ?, ?, ?)",
            txid, transaction_bytes(tx), tx.is_coinbase, int(time.time()),
        )  # fmt: skip
        for outpoint in spent:
            self.store.write("INSERT OR IGNORE INTO inputs VALUES (?, ?)", outpoint, txid)
        for number, tx_out in enumerate(tx.vout):
            script = tx_out.script_pub_key.script
            position = self._scripts.get(script)
            if position is None:
                continue
            self.store.write(
                "INSERT OR IGNORE INTO outputs VALUES (?, ?, ?, ?, ?)",
                OutPoint.of(txid, number), txid, number, tx_out.value, script,
            )  # fmt: skip
            if position.number >= self._next(position.branch):
                self._set_next(position.branch, position.number + 1)
        return added > 0

    def add(self, raw: bytes) -> Txid | None:
        """Take in an unconfirmed transaction. Returns its id; None where it is known already, or
        nothing to the wallet. Raises ValueError."""
        tx = parse_transaction(raw)
        txid, spent = txid_of(tx), [spent_by(tx_in) for tx_in in tx.vin]
        with self.store.writing():
            if not self._concerns(tx, spent) or not self._insert(tx, txid, spent):
                return None
        return txid

    def note(self, txid: Txid, notes: dict[str, str], order_form: list[tuple[str, str]]) -> None:
        """Keep notes about a transaction."""
        with self.store.writing():
            self.store.write(
                "UPDATE transactions SET notes = ?, order_form = ? WHERE txid = ?",
                json.dumps(notes), json.dumps(order_form), txid,
            )  # fmt: skip

    def entry(self, txid: bytes) -> Entry | None:
        """A transaction of the wallet."""
        row = self.store.row("SELECT * FROM transactions WHERE txid = ?", txid)
        return None if row is None else Entry.of(row)

    def entries(self) -> list[Entry]:
        """All of them, in the order in which they became known."""
        rows = self.store.rows("SELECT * FROM transactions ORDER BY sequence")
        return [Entry.of(row) for row in rows]

    def unconfirmed(self) -> list[Entry]:
        """Those that wait for a block; each behind those whose outputs it spends."""
        rows = self.store.rows("SELECT * FROM live WHERE height IS NULL ORDER BY sequence")
        return [Entry.of(row) for row in rows]

    def debit(self, entry: Entry) -> int:
        """What a transaction takes from the wallet."""
        query = "SELECT sum(amount) FROM inputs JOIN outputs USING (outpoint) WHERE inputs.txid = ?"
        return self.store.value(query, entry.txid) or 0

    def is_from_me(self, entry: Entry) -> bool:
        """Whether all of its inputs spend coins of the wallet."""
        mine = self.store.value(
            "SELECT count(*) FROM inputs JOIN outputs USING (outpoint) WHERE inputs.txid = ?",
            entry.txid,
        )
        return not entry.is_coinbase and mine == len(entry.tx.vin)

    def is_trusted(self, entry: Entry) -> bool:
        """Whether it is confirmed; or from this wallet alone, as what it spends, and in the
        mempool."""
        if entry.height is not None:
            return True
        if entry.txid not in self._mempool or not self.is_from_me(entry):
            return False
        parents = (self.entry(spent_by(tx_in).txid) for tx_in in entry.tx.vin)
        return all(parent is not None and self.is_trusted(parent) for parent in parents)

    def has_descendants(self, txid: Txid) -> bool:
        """Whether live transactions of the wallet spend its outputs."""
        query = (
            "SELECT 1 FROM inputs JOIN live USING (txid) JOIN outputs USING (outpoint)"
            " WHERE outputs.txid = ?"
        )
        return self.store.value(query, txid) is not None

    def abandon(self, txid: Txid) -> list[Txid]:
        """Give a transaction up, and those that spend its outputs. Returns all of them."""
        with self.store.writing():
            return self._spread("abandoned", 1, txid)

    def replace(self, txid: Txid, replacement: Txid) -> None:
        """Give a transaction up for another one."""
        with self.store.writing():
            self._spread("replaced_by", replacement, txid)
            self.store.write(
                "UPDATE transactions SET replaced_by = NULL WHERE txid = ?", replacement
            )

    # ----------------------------------------------------------------------------- payments

    def payment(self, id: str) -> tuple[Txid, bytes, int] | None:
        """A payment that was made: its transaction, its script and its amount."""
        row = self.store.row("SELECT * FROM payments WHERE id = ?", id)
        return None if row is None else (Txid(row["txid"]), row["script"], row["amount"])

    def add_payment(self, id: str, txid: Txid, script: bytes, amount: int) -> None:
        """Remember that a payment was made."""
        with self.store.writing():
            self.store.write("INSERT INTO payments VALUES (?, ?, ?, ?)", id, txid, script, amount)

    # ------------------------------------------------------------------------------ mempool

    def in_mempool(self, txid: Txid) -> bool:
        """Whether the node has a transaction in its mempool, as far as it has told."""
        return txid in self._mempool

    def entered_mempool(self, txid: Txid) -> None:
        self._mempool.add(txid)

    def left_mempool(self, txid: Txid) -> None:
        self._mempool.discard(txid)

    def set_mempool(self, txids: set[Txid]) -> None:
        """The node's mempool, as a whole."""
        self._mempool = txids

    # -------------------------------------------------------------------------------- coins

    def coins(self) -> list[OwnCoin]:
        """Outputs to the wallet that nothing spends."""
        with self.store.lock:
            tip = self.height
            locked = set(self.locked_coins())
            trusted: dict[bytes, bool] = {}
            found = []
            for row in self.store.rows("SELECT * FROM coins ORDER BY received, outpoint"):
                txid, height, outpoint = row["txid"], row["height"], OutPoint(row["outpoint"])
                if height is None and txid not in trusted:
                    entry = self.entry(txid)
                    trusted[txid] = entry is not None and self.is_trusted(entry)
                depth = 0 if height is None else tip - height + 1
                found.append(
                    OwnCoin(
                        outpoint,
                        row["amount"],
                        row["script"],
                        depth,
                        row["received"],
                        is_mature=not row["is_coinbase"] or depth >= _MATURITY,
                        is_safe=height is not None or trusted[txid],
                        in_mempool=txid in self._mempool,
                        is_locked=outpoint in locked,
                    )
                )
            return found

    def coin(self, outpoint: OutPoint) -> OwnCoin | None:
        """An output to the wallet, spent or not."""
        with self.store.lock:
            row, entry = self.own_output(outpoint), self.entry(outpoint.txid)
            if row is None or entry is None:
                return None
            depth = entry.depth(self.height)
            return OwnCoin(
                outpoint, row["amount"], row["script"], depth, entry.received,
                is_mature=entry.blocks_to_maturity(self.height) == 0,
                is_safe=self.is_trusted(entry),
                in_mempool=entry.txid in self._mempool,
                is_locked=outpoint in self.locked_coins(),
            )  # fmt: skip

    def balances(self) -> WalletBalances:
        """What the wallet holds, locked coins included."""
        trusted = unconfirmed = immature = elsewhere = 0
        for coin in self.coins():
            if not coin.is_mature:
                immature += coin.amount
            elif coin.is_safe:
                trusted += coin.amount
            elif coin.in_mempool:
                unconfirmed += coin.amount
            else:
                elsewhere += coin.amount
        return WalletBalances(trusted, unconfirmed, immature, 0, elsewhere)

    def is_spent(self, outpoint: bytes) -> bool:
        """Whether a live transaction of the wallet spends an output."""
        query = "SELECT 1 FROM inputs JOIN live USING (txid) WHERE outpoint = ?"
        return self.store.value(query, outpoint) is not None

    def lock_coin(self, outpoint: OutPoint, *, keep: bool) -> None:
        """Do not spend a coin; `keep`: also not after a restart."""
        with self.store.writing():
            self._passing_locks.add(outpoint)
            if keep:
                self.store.write("INSERT OR IGNORE INTO locked_coins VALUES (?)", outpoint)

    def unlock_coin(self, outpoint: OutPoint) -> None:
        """Allow a coin to be spent again."""
        with self.store.writing():
            self._passing_locks.discard(outpoint)
            self.store.write("DELETE FROM locked_coins WHERE outpoint = ?", outpoint)

    def locked_coins(self) -> list[OutPoint]:
        """The coins that are not to be spent."""
        with self.store.lock:
            kept = {OutPoint(row[0]) for row in self.store.rows("SELECT * FROM locked_coins")}
            return sorted(kept | self._passing_locks)
