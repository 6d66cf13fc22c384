"""What the commands do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import mpipc
from examples.bitcoin.common.bitcoin import address_of, pack_fee_rate
from examples.bitcoin.common.destinations import InvalidAddress, script_at
from examples.bitcoin.wallet.commands import (
    Address,
    Balances,
    Transaction,
    Unspent,
    WalletCommands,
    WalletInfo,
)
from examples.bitcoin.wallet.failures import (
    InsufficientFunds,
    InvalidAddressOrKey,
    InvalidParameter,
    PassphraseIncorrect,
    UnlockNeeded,
    WalletError,
    WrongEncryptionState,
)
from examples.bitcoin.wallet.ledger import Entry
from examples.bitcoin.wallet.open_wallet import OpenWallet
from examples.bitcoin.wallet.spending import CannotSpend, Payment
from examples.bitcoin.wallet.vault import Locked
from examples.bitcoin.wallet.wallets import Wallets
from interfaces.enums import AddressPurpose
from interfaces.values import OutPoint, Txid
from interfaces.wallet import CoinControl

_PATIENCE = 30.0
"""Seconds that a command waits for the wallet to know what the node knows."""

_LONGEST_PAYMENT_ID = 200
_NO_BLOCK = "00" * 32


class CommandServer(WalletCommands):
    """The commands for the wallets of a data directory."""

    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    def create_wallet(self, wallet: str, passphrase: str = "") -> None:
        self._wallets.create(wallet, passphrase.encode())

    def load_wallet(self, wallet: str) -> None:
        self._wallets.load(wallet)

    def unload_wallet(self, wallet: str) -> None:
        self._wallets.unload(wallet)

    def list_wallets(self) -> list[str]:
        return [each.name for each in self._wallets.open()]

    def list_wallet_dir(self) -> list[str]:
        return self._wallets.names()

    def get_wallet_info(self, wallet: str) -> WalletInfo:
        found = self._wallets.get(wallet)
        tip = found.ledger.tip
        return WalletInfo(
            wallet,
            0 if tip is None else tip.height,
            _NO_BLOCK if tip is None else str(tip.hash),
            found.follower.is_synced,
            found.vault.is_encrypted,
            found.vault.is_locked,
            found.store.value("SELECT count(*) FROM transactions"),
        )

    def backup_wallet(self, wallet: str, destination: str) -> None:
        try:
            self._wallets.get(wallet).store.backup(Path(destination))
        except (OSError, sqlite3.Error) as error:
            raise WalletError(f"cannot copy the wallet: {error}") from None

    def restore_wallet(self, wallet: str, backup_file: str) -> None:
        self._wallets.restore(Path(backup_file), wallet)
        self._wallets.load(wallet)

    # --------------------------------------------------------------------------- encryption

    def encrypt_wallet(self, wallet: str, passphrase: str) -> None:
        if not passphrase:
            raise InvalidParameter("the passphrase is empty")
        if not self._wallets.get(wallet).vault.encrypt(passphrase.encode()):
            raise WrongEncryptionState("the wallet is encrypted already")

    def unlock_wallet(self, wallet: str, passphrase: str, seconds: int) -> None:
        if not self._encrypted(wallet).vault.unlock(passphrase.encode(), seconds):
            raise PassphraseIncorrect("the passphrase is wrong")

    def lock_wallet(self, wallet: str) -> None:
        self._encrypted(wallet).vault.lock()

    def change_passphrase(self, wallet: str, old: str, new: str) -> None:
        if not new:
            raise InvalidParameter("the new passphrase is empty")
        if not self._encrypted(wallet).vault.change_passphrase(old.encode(), new.encode()):
            raise PassphraseIncorrect("the passphrase is wrong")

    def _encrypted(self, name: str) -> OpenWallet:
        wallet = self._wallets.get(name)
        if not wallet.vault.is_encrypted:
            raise WrongEncryptionState("the wallet is not encrypted")
        return wallet

    # ---------------------------------------------------------------------------- addresses

    def get_new_address(self, wallet: str, label: str = "") -> str:
        return address_of(self._wallets.get(wallet).new_script(label))

    def set_label(self, wallet: str, address: str, label: str) -> None:
        found, script = self._wallets.get(wallet), _script(address)
        mine = found.ledger.position(script) is not None
        found.set_label(script, label, AddressPurpose.RECEIVE if mine else AddressPurpose.SEND)

    def list_addresses(self, wallet: str) -> list[Address]:
        found = self._wallets.get(wallet)
        return [
            Address(
                address_of(row["script"]),
                row["label"],
                found.ledger.position(row["script"]) is not None,
            )
            for row in found.store.rows("SELECT * FROM address_book ORDER BY label, script")
        ]

    # ----------------------------------------------------------------------------- balances

    def get_balances(self, wallet: str) -> Balances:
        found = self._settled(wallet).ledger.balances()
        return Balances(
            found.balance,
            found.unconfirmed_balance,
            found.immature_balance,
            found.nonmempool_balance,
        )

    def _settled(self, name: str) -> OpenWallet:
        wallet = self._wallets.get(name)
        wallet.follower.settle(_PATIENCE)
        return wallet

    def list_unspent(self, wallet: str) -> list[Unspent]:
        return [
            Unspent(
                str(coin.outpoint.txid),
                coin.outpoint.index,
                address_of(coin.script),
                coin.amount,
                coin.depth,
                coin.is_mature,
                coin.is_safe,
                coin.is_locked,
            )
            for coin in self._settled(wallet).ledger.coins()
        ]

    def lock_unspent(self, wallet: str, txid: str, index: int, locked: bool = True) -> None:
        ledger, outpoint = self._wallets.get(wallet).ledger, OutPoint.of(_txid(txid), index)
        if ledger.coin(outpoint) is None:
            raise InvalidParameter("the wallet has no such coin")
        if locked:
            ledger.lock_coin(outpoint, keep=True)
        else:
            ledger.unlock_coin(outpoint)

    def list_transactions(self, wallet: str) -> list[Transaction]:
        found = self._settled(wallet)
        with found.store.lock:
            return [_shown(found, entry) for entry in found.ledger.entries()]

    def get_transaction(self, wallet: str, txid: str) -> Transaction:
        found = self._settled(wallet)
        entry = found.ledger.entry(_txid(txid))
        if entry is None:
            raise InvalidAddressOrKey("the wallet has no such transaction")
        return _shown(found, entry)

    # ----------------------------------------------------------------------------- spending

    def send(
        self,
        wallet: str,
        payment_id: str,
        address: str,
        amount: int,
        fee_rate: int | None = None,
        subtract_fee: bool = False,
    ) -> str:
        if not 0 < len(payment_id) <= _LONGEST_PAYMENT_ID:
            raise InvalidParameter(f"a payment's id has up to {_LONGEST_PAYMENT_ID} characters")
        payment = Payment(_script(address), amount, subtract_fee)
        found = self._settled(wallet)
        try:
            return str(found.pay(payment_id, payment, _control(fee_rate)))
        except Locked as error:
            raise UnlockNeeded(str(error)) from None
        except CannotSpend as error:
            raise InsufficientFunds(str(error)) from None

    def bump_fee(self, wallet: str, txid: str, fee_rate: int | None = None) -> str:
        found, old = self._settled(wallet), _txid(txid)
        try:
            signed = found.sign(found.bump(old, _control(fee_rate)).draft.tx)
            return str(found.commit_bump(old, signed.serialize(include_witness=True)))
        except Locked as error:
            raise UnlockNeeded(str(error)) from None
        except CannotSpend as error:
            raise WalletError(str(error)) from None

    def abandon_transaction(self, wallet: str, txid: str) -> None:
        if not self._settled(wallet).abandon(_txid(txid)):
            raise InvalidAddressOrKey("the transaction cannot be given up")

    # ------------------------------------------------------------------------------- chain

    def rescan(self, wallet: str, start_height: int = 0) -> int:
        try:
            last = self._settled(wallet).follower.rescan(start_height)
        except mpipc.IpcError as error:
            raise WalletError(f"the rescan was cut short: {error}") from None
        if last is None:
            raise WalletError("there is no node")
        return last

    def abort_rescan(self, wallet: str) -> None:
        self._wallets.get(wallet).follower.abort.set()


def _control(fee_rate: int | None) -> CoinControl:
    if fee_rate is None:
        return CoinControl()
    if fee_rate < 0:
        raise InvalidParameter("a fee rate is not negative")
    return CoinControl(fee_rate=pack_fee_rate(fee_rate))


def _script(address: str) -> bytes:
    try:
        return script_at(address)
    except InvalidAddress as error:
        raise InvalidAddressOrKey(str(error)) from None


def _txid(text: str) -> Txid:
    try:
        return Txid.from_hex(text)
    except ValueError:
        raise InvalidParameter(f"{text[:64]!r} is no transaction's id") from None


def _shown(wallet: OpenWallet, entry: Entry) -> Transaction:
    ledger = wallet.ledger
    credit = sum(
        tx_out.value
        for tx_out in entry.tx.vout
        if ledger.position(tx_out.script_pub_key.script) is not None
    )
    return Transaction(
        str(entry.txid),
        credit - ledger.debit(entry),
        entry.depth(ledger.height),
        entry.height,
        entry.received,
        ledger.in_mempool(entry.txid),
        entry.is_coinbase,
        entry.abandoned,
        None if entry.replaced_by is None else str(entry.replaced_by),
        entry.notes,
        entry.raw.hex(),
    )
