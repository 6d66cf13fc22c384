"""A wallet that is loaded: its parts, and what they do together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from btclib.tx import Tx

import mpipc
from examples.bitcoin.common.bitcoin import (
    fee_of,
    pack_fee_rate,
    parse_transaction,
    spent_by,
    transaction_bytes,
    txid_of,
    unpack_fee_rate,
)
from examples.bitcoin.common.console import say
from examples.bitcoin.common.destinations import destination_of, script_of
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.wallet.encryption import seal
from examples.bitcoin.wallet.failures import WalletError
from examples.bitcoin.wallet.follower import Follower
from examples.bitcoin.wallet.keys import Account, Branch, new_seed
from examples.bitcoin.wallet.ledger import Entry, Ledger
from examples.bitcoin.wallet.spending import (
    FALLBACK_FEE_RATE,
    CannotSpend,
    Draft,
    Payment,
    draft,
    sign,
    unsigned_psbt,
)
from examples.bitcoin.wallet.store import Store
from examples.bitcoin.wallet.vault import Vault
from interfaces.chain import Chain
from interfaces.enums import AddressPurpose, ChangeType
from interfaces.values import Txid
from interfaces.wallet import CoinControl, TxDestination

_DEFAULT_TARGET = 6
_FINAL = 0xFFFFFFFE
_MIN_RELAY_FEE_RATE = 1_000

OnProgress = Callable[[str, int], None]
OnBook = Callable[[TxDestination, str, bool, AddressPurpose, ChangeType], None]
OnTransaction = Callable[[Txid, ChangeType], None]


def create_file(path: Path, passphrase: bytes) -> None:
    """Make a new wallet, encrypted where the passphrase is not empty. Raises StoreError."""
    seed = new_seed()
    account = Account.from_seed(seed)
    secret = {"sealed_seed": seal(seed, passphrase)} if passphrase else {"seed": seed}
    Store.create(
        path,
        {
            **secret,
            "fingerprint": account.fingerprint,
            "xpub": account.xpub,
            "born": int(time.time()),
            "load_on_start": 1,
        },
    )


@dataclass(frozen=True)
class Bump:
    """A transaction that can replace another one, not signed."""

    draft: Draft
    old_fee: int


class OpenWallet:
    """A wallet, for as long as it is loaded. Any thread may use it."""

    def __init__(self, name: str, path: Path) -> None:
        """Open its file. Raises StoreError."""
        self.name = name
        self.unloaded = Subscribers[Callable[[], None]]("that a wallet is unloaded")
        self.progress = Subscribers[OnProgress]("progress")
        self.status = Subscribers[Callable[[], None]]("locking")
        self.book = Subscribers[OnBook]("the address book")
        self.transactions = Subscribers[OnTransaction]("transactions")
        self.store = Store(path)
        account = Account(self.store.meta("fingerprint"), self.store.meta("xpub"))
        self.ledger = Ledger(self.store, account)
        self.vault = Vault(self.store, lambda: self.status.tell(lambda callback: callback()))
        self._spending = threading.RLock()
        self._known: set[Txid] = {entry.txid for entry in self.ledger.entries()}
        self.follower = Follower(name, self.ledger, self._changed, self._progressed)

    def close(self) -> None:
        """Let go of its file, and tell those who have it."""
        self.follower.close()
        with self._spending:
            self.vault.close()
            self.store.close()
        self.unloaded.tell(lambda callback: callback())
        for each in (self.progress, self.status, self.book, self.transactions):
            each.close()

    def attach(self, chain: Chain) -> None:
        """There is a node now."""
        self.follower.attach(chain)

    def detach(self) -> None:
        """There is none any more."""
        self.follower.detach()

    def set_load_on_start(self, load: bool) -> None:
        """Whether the wallet is loaded whenever the process starts."""
        with self.store.writing():
            self.store.set_meta("load_on_start", int(load))

    def _changed(self, txids: Sequence[Txid]) -> None:
        for txid in txids:
            kind = ChangeType.UPDATED if txid in self._known else ChangeType.NEW
            self._known.add(txid)
            self.transactions.tell(lambda callback, t=txid, k=kind: callback(t, k))  # type: ignore[misc]

    def _progressed(self, title: str, percent: int) -> None:
        self.progress.tell(lambda callback: callback(title, percent))

    # ---------------------------------------------------------------------------- addresses

    def new_script(self, label: str) -> bytes:
        """The script of a new address, which is in the address book and on disk."""
        with self.store.writing():
            script = self.ledger.next_script(Branch.RECEIVE)
            self.set_label(script, label, AddressPurpose.RECEIVE)
        return script

    def set_label(self, script: bytes, label: str, purpose: AddressPurpose) -> None:
        """Add an entry to the address book, or change it."""
        with self.store.writing():
            old = self.store.row("SELECT * FROM address_book WHERE script = ?", script)
            self.store.write(
                "INSERT OR REPLACE INTO address_book VALUES (?, ?, ?)", script, label, purpose
            )
        self._tell_book(script, label, purpose, ChangeType.UPDATED if old else ChangeType.NEW)

    def remove_label(self, script: bytes) -> bool:
        """Remove an entry of the address book. Returns whether there was one."""
        with self.store.writing():
            old = self.store.row("SELECT * FROM address_book WHERE script = ?", script)
            self.store.write("DELETE FROM address_book WHERE script = ?", script)
        if old is not None:
            purpose = AddressPurpose(old["purpose"])
            self._tell_book(script, old["label"], purpose, ChangeType.DELETED)
        return old is not None

    def _tell_book(
        self, script: bytes, label: str, purpose: AddressPurpose, kind: ChangeType
    ) -> None:
        destination, mine = destination_of(script), self.ledger.position(script) is not None
        self.book.tell(lambda callback: callback(destination, label, mine, purpose, kind))

    # --------------------------------------------------------------------------------- fees

    def required_rate(self) -> int:
        """The least that a transaction must pay, in satoshis for 1000 virtual bytes."""
        chain = self.follower.chain
        if chain is None:
            return _MIN_RELAY_FEE_RATE
        try:
            found = unpack_fee_rate(chain.relay_min_fee()), unpack_fee_rate(chain.mempool_min_fee())
        except mpipc.IpcError:
            return _MIN_RELAY_FEE_RATE
        return max(found)

    def fee_rate(self, control: CoinControl) -> int:
        """What a transaction pays, in satoshis for 1000 virtual bytes. Raises CannotSpend."""
        required = self.required_rate()
        if control.fee_rate is not None:
            rate = unpack_fee_rate(control.fee_rate)
            if rate < required and not control.override_fee_rate:
                raise CannotSpend(f"a fee rate of {rate}, where {required} is required")
            return rate
        return max(required, self._estimate(control.confirm_target or _DEFAULT_TARGET))

    def _estimate(self, target: int) -> int:
        chain = self.follower.chain
        try:
            found = chain and chain.estimate_smart_fee(target, conservative=False).result
        except mpipc.IpcError:
            found = None
        return (found and unpack_fee_rate(found)) or FALLBACK_FEE_RATE

    # ----------------------------------------------------------------------------- spending

    def draft(
        self, payments: Sequence[Payment], control: CoinControl, change_position: int | None = None
    ) -> Draft:
        """Make a transaction, but do not sign it. Raises CannotSpend, InvalidAddress."""
        rate = self.fee_rate(control)
        with self._spending:
            change = self._change_script(control)
            return draft(self.ledger, payments, change, rate, control, change_position)

    def _change_script(self, control: CoinControl) -> bytes:
        if control.dest_change is not None:
            return script_of(control.dest_change)
        return self.ledger.change_script()

    def pay(self, id: str, payment: Payment, control: CoinControl) -> Txid:
        """Make a payment, once for each id, however often it is asked for: also after a crash.

        The transaction is on disk before the node gets it. It does not matter whether there is a
        node. Raises CannotSpend, Locked, WalletError.
        """
        rate = None if self.ledger.payment(id) else self.fee_rate(control)
        with self._spending:
            done = self.ledger.payment(id)
            if done is not None:
                txid, script, amount = done
                if (script, amount) != (payment.script, payment.amount):
                    raise WalletError(f"another payment has the id {id!r}")
            else:
                assert rate is not None
                signer = self.vault.signer()
                change = self._change_script(control)
                made = draft(self.ledger, [payment], change, rate, control)
                raw = transaction_bytes(sign(made.psbt, signer))
                with self.store.writing():
                    txid = self._keep(raw)
                    self.ledger.add_payment(id, txid, payment.script, payment.amount)
        if not self.ledger.in_mempool(txid):
            self._hand_in(txid)
        return txid

    def commit(self, raw: bytes, notes: dict[str, str], order_form: list[tuple[str, str]]) -> Txid:
        """Keep a transaction and send it. Raises ValueError, WalletError."""
        with self._spending, self.store.writing():
            txid = self._keep(raw)
            self.ledger.note(txid, notes, order_form)
        self._hand_in(txid)
        return txid

    def _keep(self, raw: bytes) -> Txid:
        txid = self.ledger.add(raw) or txid_of(parse_transaction(raw))
        if self.ledger.entry(txid) is None:
            raise WalletError("the transaction has nothing to do with this wallet")
        return txid

    def _hand_in(self, txid: Txid) -> None:
        why = self.follower.submit(txid)
        if why is not None:
            say(f"the node does not accept {txid}: {why}")
        self._changed([txid])

    # ----------------------------------------------------------------------------- replacing

    def why_not_bumpable(self, txid: Txid) -> str | None:
        """Why a transaction cannot be replaced by one that pays more, None where it can."""
        entry = self.ledger.entry(txid)
        if entry is None:
            return "the wallet has no such transaction"
        if entry.height is not None:
            return "the transaction is confirmed"
        if not entry.is_live:
            return "the transaction has been given up"
        if not self.ledger.is_from_me(entry):
            return "the transaction has inputs of others"
        if all(tx_in.sequence >= _FINAL for tx_in in entry.tx.vin):
            return "the transaction does not say that it can be replaced"
        if self.ledger.has_descendants(txid):
            return "another transaction of the wallet spends its outputs"
        return None

    def fee(self, entry: Entry) -> int:
        """What a transaction of the wallet alone pays."""
        return self.ledger.debit(entry) - sum(tx_out.value for tx_out in entry.tx.vout)

    def bump(self, txid: Txid, control: CoinControl) -> Bump:
        """Make a transaction that pays more than another one in its place. Raises CannotSpend."""
        why = self.why_not_bumpable(txid)
        entry = self.ledger.entry(txid)
        if why is not None or entry is None:
            raise CannotSpend(str(why))
        old_fee, step = self.fee(entry), max(self.required_rate(), _MIN_RELAY_FEE_RATE)
        least = -(-old_fee * 1000 // entry.tx.vsize) + step
        if control.fee_rate is None:
            rate = max(least, self.fee_rate(control))
            control = msgspec.structs.replace(control, fee_rate=pack_fee_rate(rate))
        rate = self.fee_rate(control)
        if rate < least:
            raise CannotSpend(f"a fee rate of {rate}, where {least} is required to replace it")
        payments, change = [], self.ledger.change_script()
        for tx_out in entry.tx.vout:
            script = tx_out.script_pub_key.script
            position = self.ledger.position(script)
            if position is not None and position.branch is Branch.CHANGE:
                change = script
            else:
                payments.append(Payment(script, tx_out.value))
        forced = [coin for i in entry.tx.vin if (coin := self.ledger.coin(spent_by(i)))]
        # A replacement must not spend other unconfirmed outputs (BIP 125).
        control = msgspec.structs.replace(control, min_depth=max(1, control.min_depth))
        with self._spending:
            made = draft(self.ledger, payments, change, rate, control, forced=forced)
        if made.fee < old_fee + fee_of(step, entry.tx.vsize):
            raise CannotSpend(f"a fee of {made.fee}, where the old one is {old_fee}")
        return Bump(made, old_fee)

    def sign(self, tx: Tx) -> Tx:
        """Sign a transaction that spends coins of the wallet alone. Raises Locked, CannotSpend."""
        return sign(unsigned_psbt(self.ledger, tx), self.vault.signer())

    def commit_bump(self, txid: Txid, raw: bytes) -> Txid:
        """Keep a transaction in place of another one and send it. Raises CannotSpend."""
        with self._spending, self.store.writing():
            why = self.why_not_bumpable(txid)
            old = self.ledger.entry(txid)
            if why is not None or old is None:
                raise CannotSpend(str(why))
            new = self._keep(raw)
            self.ledger.note(new, {**old.notes, "replaces_txid": str(txid)}, old.order_form)
            self.ledger.note(txid, {**old.notes, "replaced_by_txid": str(new)}, old.order_form)
            self.ledger.replace(txid, new)
        self._hand_in(new)
        self._changed([txid])
        return new

    def abandon(self, txid: Txid) -> bool:
        """Give up a transaction that no block and no mempool has. Returns whether that worked."""
        if not self.can_be_abandoned(txid):
            return False
        self._changed(self.ledger.abandon(txid))
        return True

    def can_be_abandoned(self, txid: Txid) -> bool:
        """Whether a transaction is neither confirmed nor in the mempool."""
        entry = self.ledger.entry(txid)
        return entry is not None and (
            entry.height is None and not entry.abandoned and not self.ledger.in_mempool(txid)
        )
