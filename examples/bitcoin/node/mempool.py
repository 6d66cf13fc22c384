"""Transactions that wait for a block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from btclib.tx import Tx
from btclib.tx.coin import Coin
from btclib.tx.tx_context import is_final

from examples.bitcoin.common.bitcoin import fee_of, spent_by, transaction_bytes, txid_of
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.validation import Invalid, Scripts, Spending, check_spending
from interfaces.values import OutPoint, Txid

MIN_FEE_RATE = 1000
"""Satoshis for 1000 virtual bytes, below which no transaction is taken."""

INCREMENTAL_FEE_RATE = 1000
"""What a transaction must pay more than those that it replaces."""

DUST_FEE_RATE = 3000
MAX_CONNECTED = 25
"""How many unconfirmed ancestors, and descendants, a transaction may have, itself included."""

MAX_REPLACED = 100
MAX_BYTES = 50_000_000
MEMPOOL_HEIGHT = 0x7FFFFFFF
"""The height of a coin that is in no block yet."""


@dataclass(eq=False)
class Entry:
    """A transaction in the mempool. `parents` and `children` are those directly connected."""

    tx: Tx
    txid: Txid
    data: bytes
    fee: int
    vsize: int
    weight: int
    sig_op_cost: int
    parents: set[Entry] = field(default_factory=set)
    children: set[Entry] = field(default_factory=set)

    @classmethod
    def of(cls, spending: Spending) -> Entry:
        tx = spending.tx
        data = transaction_bytes(tx)
        return cls(
            tx, txid_of(tx), data, spending.fee, tx.vsize, tx.weight, spending.sig_op_cost
        )  # fmt: skip

    def ancestors(self) -> set[Entry]:
        """Itself, and all that it depends on."""
        return _closure(self, lambda entry: entry.parents)

    def descendants(self) -> set[Entry]:
        """Itself, and all that depend on it."""
        return _closure(self, lambda entry: entry.children)


class Mempool:
    """Takes transactions that could be in the next block, each output spent once at most."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self.entries: dict[bytes, Entry] = {}
        self._spent: dict[bytes, Entry] = {}
        self.bytes = 0
        self.sequence = 0
        """Counts changes."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def coin(self, outpoint: OutPoint) -> Coin | None:
        """An output of a transaction in the mempool, spent or not."""
        entry = self.entries.get(outpoint.txid)
        if entry is None or outpoint.index >= len(entry.tx.vout):
            return None
        return Coin(entry.tx.vout[outpoint.index], MEMPOOL_HEIGHT, False)

    def spender(self, outpoint: OutPoint) -> Entry | None:
        """The transaction that spends an output."""
        return self._spent.get(outpoint)

    # ---------------------------------------------------------------------------------- taking

    def check(
        self, tx: Tx, confirmed: Callable[[OutPoint], Coin | None], tip: KnownBlock
    ) -> tuple[Entry, set[Entry]]:
        """The entry that a transaction would become, and those that it would replace; `confirmed`
        finds the unspent outputs of the chain. Raises Invalid."""
        if tx.is_coinbase:
            raise Invalid("coinbase")
        if not is_final(tx, tip.height + 1, tip.mtp):
            raise Invalid("non-final")
        if txid_of(tx) in self.entries:
            raise Invalid("txn-already-in-mempool")

        def find(outpoint: OutPoint) -> Coin | None:
            # As if an unconfirmed parent were in the next block, which it may be.
            found = self.coin(outpoint)
            return Coin(found.tx_out, tip.height + 1, False) if found else confirmed(outpoint)

        entry = Entry.of(check_spending(tx, find, tip, self._scripts))
        if entry.fee < fee_of(MIN_FEE_RATE, entry.vsize):
            raise Invalid("min relay fee not met", f"{entry.fee} for {entry.vsize} vbytes")
        replaced = self._replaced(entry)
        self._link(entry)
        self._check_connected(entry, replaced)
        if self.bytes + len(entry.data) - sum(len(each.data) for each in replaced) > MAX_BYTES:
            raise Invalid("mempool full")
        return entry, replaced

    def _replaced(self, entry: Entry) -> set[Entry]:
        """The transactions that spend what this one does, with all that depend on them, which it
        must pay for (BIP 125, where everything may be replaced)."""
        direct = {
            self._spent[outpoint]
            for outpoint in map(spent_by, entry.tx.vin)
            if outpoint in self._spent
        }
        replaced = {each for conflict in direct for each in conflict.descendants()}
        if not replaced:
            return replaced
        if len(replaced) > MAX_REPLACED:
            raise Invalid("too many potential replacements")
        if any(entry.fee * each.vsize <= each.fee * entry.vsize for each in direct):
            raise Invalid("insufficient fee", "the rate is no higher than what it replaces has")
        least = sum(each.fee for each in replaced) + fee_of(INCREMENTAL_FEE_RATE, entry.vsize)
        if entry.fee < least:
            raise Invalid("insufficient fee", f"{entry.fee}, less than {least}")
        if any(spent_by(each).txid in {r.txid for r in replaced} for each in entry.tx.vin):
            raise Invalid("bad-txns-spends-conflicting-tx")
        return replaced

    def _link(self, entry: Entry) -> None:
        found = (self.entries.get(spent_by(tx_in).txid) for tx_in in entry.tx.vin)
        entry.parents = {parent for parent in found if parent is not None}

    def _check_connected(self, entry: Entry, replaced: set[Entry]) -> None:
        ancestors = entry.ancestors()
        if len(ancestors) > MAX_CONNECTED:
            raise Invalid("too-long-mempool-chain", f"{len(ancestors)} ancestors")
        for each in ancestors - {entry}:
            if len(each.descendants() - replaced) + 1 > MAX_CONNECTED:
                raise Invalid("too-long-mempool-chain", f"too many descendants of {each.txid}")

    def add(self, entry: Entry) -> None:
        """Take in what `check` found good."""
        self._link(entry)
        for parent in entry.parents:
            parent.children.add(entry)
        # After a reorganisation its children may have been here before it.
        for index in range(len(entry.tx.vout)):
            child = self._spent.get(OutPoint.of(entry.txid, index))
            if child is not None:
                entry.children.add(child)
                child.parents.add(entry)
        self.entries[entry.txid] = entry
        for tx_in in entry.tx.vin:
            self._spent[spent_by(tx_in)] = entry
        self.bytes += len(entry.data)
        self.sequence += 1

    def remove(self, entries: Iterable[Entry]) -> None:
        """Take out these, and nothing that depends on them."""
        for entry in entries:
            del self.entries[entry.txid]
            for tx_in in entry.tx.vin:
                del self._spent[spent_by(tx_in)]
            for parent in entry.parents:
                parent.children.discard(entry)
            for child in entry.children:
                child.parents.discard(entry)
            self.bytes -= len(entry.data)
        self.sequence += 1

    def conflicts(self, tx: Tx) -> set[Entry]:
        """What can no longer be in any block after this transaction was in one."""
        txid = txid_of(tx)
        direct = {
            self._spent[outpoint]
            for outpoint in map(spent_by, tx.vin)
            if outpoint in self._spent and self._spent[outpoint].txid != txid
        }
        return {each for conflict in direct for each in conflict.descendants()}

    # -------------------------------------------------------------------------------- choosing

    def choose(self, max_weight: int, max_sig_op_cost: int) -> list[Entry]:
        """Transactions for a block: those that pay most, each with what it depends on before
        it."""
        ancestors = {entry: entry.ancestors() for entry in self}

        def rate(entry: Entry) -> float:
            group = ancestors[entry]
            return sum(each.fee for each in group) / sum(each.vsize for each in group)

        chosen: dict[Entry, None] = {}
        weight = cost = 0
        for entry in sorted(ancestors, key=rate, reverse=True):
            group = ancestors[entry] - chosen.keys()
            more_weight = sum(each.weight for each in group)
            more_cost = sum(each.sig_op_cost for each in group)
            if weight + more_weight <= max_weight and cost + more_cost <= max_sig_op_cost:
                weight, cost = weight + more_weight, cost + more_cost
                chosen.update(dict.fromkeys(sorted(group, key=lambda each: len(ancestors[each]))))
        return list(chosen)


def _closure(entry: Entry, neighbours: Callable[[Entry], set[Entry]]) -> set[Entry]:
    found, waiting = {entry}, [entry]
    while waiting:
        new = neighbours(waiting.pop()) - found
        found |= new
        waiting.extend(new)
    return found
