"""What a wallet has, kept up with what it tells: everything is asked for once, and then only what
has changed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from queue import SimpleQueue
from typing import TypeVar

import msgspec

from examples.bitcoin.common.bitcoin import address_of, parse_transaction, txid_of
from examples.bitcoin.common.destinations import script_of
from examples.bitcoin.gui.board import drained
from examples.bitcoin.gui.peers import Peer
from interfaces.enums import AddressPurpose, ChangeType
from interfaces.values import Txid
from interfaces.wallet import TxDestination, Wallet, WalletTx, WalletTxStatus

T = TypeVar("T")

_SHOWN = 50
_AT_ONCE = 50
"""Calls that wait for their answers at the same time."""

_NO_BLOCK = 2**31 - 1


class Payment(msgspec.Struct, frozen=True):
    """A transaction, as the wallet's owner sees it."""

    txid: str
    time: datetime
    amount: int
    """What the wallet has more; less than 0 where it has paid. With the fee."""

    fee: int | None
    """None: others have paid it."""

    addresses: list[str]
    """Whom it pays."""

    label: str
    coinbase: bool
    height: int | None
    """None: no block confirms it."""

    matures: int
    """How many blocks it takes until what was mined can be spent."""

    state: str
    """`confirmed`, `waiting`, `immature`, `conflicted` or `abandoned`."""


class History:
    """The transactions of a wallet, of which the newest are kept."""

    def __init__(self, wallet: Wallet, peer: Peer) -> None:
        self._wallet, self._peer = wallet, peer
        self._told: SimpleQueue[Txid] = SimpleQueue()
        self._all: set[Txid] | None = None
        self._newest: dict[Txid, Payment] = {}

    def tell(self, txid: Txid) -> None:
        """A transaction is new, or has changed. May be called in any thread."""
        self._told.put(txid)

    async def look(self) -> None:
        """Ask about what has changed, and about what changes with every block."""
        changed = dict.fromkeys(drained(self._told))
        if self._all is None or not await self._update(changed, self._all):
            await self._begin()
        passing = [
            txid for txid, each in self._newest.items()
            if each.state != "confirmed" and txid not in changed
        ]  # fmt: skip
        for some in _parts(passing):
            for txid, status in zip(some, await self._statuses(some), strict=True):
                self._newest[txid] = _with_status(self._newest[txid], status)

    def newest(self, labels: dict[str, str]) -> list[Payment]:
        """The newest ones, with the labels of those whom they pay."""
        return [_labelled(each, labels) for each in self._newest.values()]

    @property
    def older(self) -> int:
        """How many others there are."""
        return len(self._all or ()) - len(self._newest)

    async def _begin(self) -> None:
        found = await self._peer.call(self._wallet.get_wallet_txs)
        by_txid = await asyncio.to_thread(_by_txid, found)
        self._all, self._newest = set(by_txid), {}
        newest = sorted(by_txid, key=lambda txid: by_txid[txid].time)[-_SHOWN:]
        await self._take({txid: by_txid[txid] for txid in newest})

    async def _update(self, changed: Iterable[Txid], known: set[Txid]) -> bool:
        """Returns whether all that was known is still there."""
        # What is known and not shown is older than all that is shown.
        for some in _parts([each for each in changed if each in self._newest or each not in known]):
            calls = (self._peer.call(self._wallet.get_wallet_tx, txid) for txid in some)
            found = dict(zip(some, await asyncio.gather(*calls), strict=True))
            there = {txid: each for txid, each in found.items() if each.tx is not None}
            if not known.isdisjoint(found.keys() - there.keys()):
                return False
            known.update(there)
            await self._take(there)
        return True

    async def _take(self, found: dict[Txid, WalletTx]) -> None:
        """Show transactions, as far as they are among the newest."""
        for some in _parts(list(found)):
            for txid, status in zip(some, await self._statuses(some), strict=True):
                self._newest[txid] = _payment(txid, found[txid], status)
        newest = sorted(self._newest.items(), key=lambda each: _age(each[1]))
        self._newest = dict(newest[:_SHOWN])

    async def _statuses(self, txids: list[Txid]) -> list[WalletTxStatus]:
        calls = (self._peer.call(self._wallet.try_get_tx_status, txid) for txid in txids)
        return [each.tx_status for each in await asyncio.gather(*calls)]


class Book:
    """The labels of a wallet's address book."""

    def __init__(self, wallet: Wallet, peer: Peer) -> None:
        self._wallet, self._peer = wallet, peer
        self._told: SimpleQueue[tuple[str, str | None, bool]] = SimpleQueue()
        self._read = False
        self.labels: dict[str, str] = {}
        """Of each address in it."""

        self._own: dict[str, None] = {}

    def tell(
        self,
        dest: TxDestination,
        label: str,
        is_mine: bool,
        purpose: AddressPurpose,
        kind: ChangeType,
    ) -> None:
        """An entry is new, has changed or is gone. May be called in any thread."""
        own = is_mine and purpose is AddressPurpose.RECEIVE
        self._told.put((address_at(dest), None if kind is ChangeType.DELETED else label, own))

    async def look(self) -> None:
        """Take in what has changed. To be called once `tell` is called about changes."""
        if not self._read:
            for each in await self._peer.call(self._wallet.get_addresses):
                own = each.is_mine and each.purpose is AddressPurpose.RECEIVE
                self._enter(address_at(each.dest), each.name, own)
            self._read = True
        for change in drained(self._told):
            self._enter(*change)

    def _enter(self, address: str, label: str | None, own: bool) -> None:
        """Take an entry in; without a label, away."""
        if label is None:
            self.labels.pop(address, None)
            self._own.pop(address, None)
            return
        self.labels[address] = label
        if own:
            self._own[address] = None

    def own(self, label: str) -> str | None:
        """An address of the wallet's own that has a label."""
        return next((each for each in self._own if self.labels[each] == label), None)

    def newest(self) -> list[str]:
        """Addresses of the wallet's own, the last ones first."""
        return [*self._own][::-1][:_SHOWN]


def _by_txid(found: list[WalletTx]) -> dict[Txid, WalletTx]:
    return {txid_of(parse_transaction(each.tx)): each for each in found if each.tx is not None}


def _payment(txid: Txid, tx: WalletTx, status: WalletTxStatus) -> Payment:
    assert tx.tx is not None
    paid = sum(each.value for each in parse_transaction(tx.tx).vout)
    fee = tx.debit - paid if all(tx.txin_is_mine) and tx.txin_is_mine else None
    sends = tx.debit > 0
    outputs = zip(tx.txout_address, tx.txout_address_is_mine, tx.txout_is_change, strict=False)
    addresses = [address_at(each) for each, mine, change in outputs if not change and mine != sends]
    made = Payment(
        str(txid), tx.time, tx.credit - tx.debit, fee, addresses, "", tx.is_coinbase, None, 0, ""
    )
    return _with_status(made, status)


def _age(payment: Payment) -> tuple[float, float]:
    """What the newest has least of."""
    height = math.inf if payment.height is None else payment.height
    return -payment.time.timestamp(), -height


def _with_status(payment: Payment, status: WalletTxStatus) -> Payment:
    height = status.block_height if 0 <= status.block_height < _NO_BLOCK else None
    return msgspec.structs.replace(
        payment, height=height, matures=status.blocks_to_maturity, state=_state(status)
    )


def _labelled(payment: Payment, labels: dict[str, str]) -> Payment:
    found = next((labels[each] for each in payment.addresses if labels.get(each)), "")
    return msgspec.structs.replace(payment, label=found)


def _state(status: WalletTxStatus) -> str:
    if status.is_abandoned:
        return "abandoned"
    if status.depth_in_main_chain < 0:
        return "conflicted"
    if status.depth_in_main_chain == 0:
        return "waiting"
    return "immature" if status.blocks_to_maturity > 0 else "confirmed"


def address_at(destination: TxDestination) -> str:
    """The address of a destination, empty where it has none."""
    return address_of(script_of(destination)) if destination != TxDestination() else ""


def _parts(items: list[T]) -> Iterator[list[T]]:
    return (items[i : i + _AT_ONCE] for i in range(0, len(items), _AT_ONCE))
