"""`interfaces.wallet.Wallet`, as a wallet that is loaded offers it to other processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from btclib.tx import Tx, TxIn, TxOut
from btclib_wallet.psbt.psbt import Psbt, finalize

from examples.bitcoin.common.bitcoin import (
    InvalidBitcoin,
    fee_of,
    parse_transaction,
    spent_by,
    transaction_bytes,
)
from examples.bitcoin.common.destinations import InvalidAddress, destination_of, script_of
from examples.bitcoin.common.unsupported import unsupported
from examples.bitcoin.wallet.failures import WalletError
from examples.bitcoin.wallet.keys import Branch
from examples.bitcoin.wallet.ledger import Entry, OwnCoin
from examples.bitcoin.wallet.open_wallet import OpenWallet
from examples.bitcoin.wallet.spending import (
    MAX_FEE,
    CannotSpend,
    Payment,
    available,
    fill_input,
)
from examples.bitcoin.wallet.store import StoreError
from examples.bitcoin.wallet.vault import Locked
from interfaces.common import (
    BilingualStr,
    EstimationResult,
    EstimatorBucket,
    FeeCalculation,
    Pair,
    PSBTFillOptions,
    Result,
    ResultVoid,
)
from interfaces.enums import (
    AddressPurpose,
    FeeReason,
    OutputType,
    SigningResult,
)
from interfaces.handler import Handler
from interfaces.values import EPOCH, BlockHash, OutPoint, Txid
from interfaces.wallet import (
    AddressBookChangedCallback,
    Balances,
    BumpTransaction,
    CoinControl,
    CommittedTransaction,
    CreatedTransactionResult,
    FilledPsbt,
    FoundAddress,
    FoundPublicKey,
    MinimumFee,
    Recipient,
    ShowProgressCallback,
    SignedMessage,
    SignedTransaction,
    StatusChangedCallback,
    TransactionChangedCallback,
    TxDestination,
    TxDetails,
    TxStatus,
    UnloadCallback,
    Wallet,
    WalletAddress,
    WalletBalances,
    WalletTx,
    WalletTxOut,
    WalletTxStatus,
)

_NO_HEIGHT = 2**31 - 1
_NO_BUCKET = EstimatorBucket(0, 0, 0, 0, 0, 0)
_CONFIRM_TARGET = 6


def failed(error: object) -> BilingualStr:
    """What went wrong, for a user."""
    return BilingualStr(str(error), str(error))


class ServedWallet(Wallet):
    """A wallet for those who have it by its interface; `unload` unloads it."""

    def __init__(self, wallet: OpenWallet, unload: Callable[[str], None]) -> None:
        self._wallet = wallet
        self._ledger = wallet.ledger
        self._vault = wallet.vault
        self._unload = unload

    def get_wallet_name(self) -> str:
        return self._wallet.name

    def remove(self) -> None:
        self._unload(self._wallet.name)

    def backup_wallet(self, filename: str) -> bool:
        try:
            self._wallet.store.backup(Path(filename))
        except (OSError, sqlite3.Error, StoreError):
            return False
        return True

    # --------------------------------------------------------------------------- encryption

    def encrypt_wallet(self, wallet_passphrase: bytes) -> bool:
        return self._vault.encrypt(wallet_passphrase)

    def is_crypted(self) -> bool:
        return self._vault.is_encrypted

    def lock(self) -> bool:
        return self._vault.lock()

    def unlock(self, wallet_passphrase: bytes) -> bool:
        return self._vault.unlock(wallet_passphrase)

    def is_locked(self) -> bool:
        return self._vault.is_locked

    def change_wallet_passphrase(
        self, old_wallet_passphrase: bytes, new_wallet_passphrase: bytes
    ) -> bool:
        return self._vault.change_passphrase(old_wallet_passphrase, new_wallet_passphrase)

    # ---------------------------------------------------------------------------- addresses

    def get_new_destination(self, output_type: OutputType, label: str) -> Result[TxDestination]:
        if output_type is not OutputType.BECH32:
            return Result(error=failed(f"no addresses of type {output_type.name}"))
        return Result(destination_of(self._wallet.new_script(label)))

    def get_pub_key(self, script: bytes, address: bytes) -> FoundPublicKey:
        position = self._ledger.position(b"\x00\x14" + address)
        if position is None:
            return FoundPublicKey(b"", False)
        return FoundPublicKey(self._ledger.account.public_key(position), True)

    def sign_message(self, message: str, pkhash: bytes) -> SignedMessage:
        position = self._ledger.position(b"\x00\x14" + pkhash)
        if position is None:
            return SignedMessage("", SigningResult.PRIVATE_KEY_NOT_AVAILABLE)
        try:
            signer = self._vault.signer()
        except Locked:
            return SignedMessage("", SigningResult.PRIVATE_KEY_NOT_AVAILABLE)
        signature = signer.sign_message(message.encode(), position.path)
        return SignedMessage(signature, SigningResult.OK)

    def is_spendable(self, dest: TxDestination) -> bool:
        return self._is_mine(dest)

    def _is_mine(self, destination: TxDestination) -> bool:
        try:
            return self._ledger.position(script_of(destination)) is not None
        except InvalidAddress:
            return False

    def set_address_book(self, dest: TxDestination, name: str, purpose: AddressPurpose) -> bool:
        try:
            self._wallet.set_label(script_of(dest), name, purpose)
        except InvalidAddress:
            return False
        return True

    def del_address_book(self, dest: TxDestination) -> bool:
        # Who forgets an address of the wallet could not tell any more that it was given out.
        return not self._is_mine(dest) and self._wallet.remove_label(script_of(dest))

    def get_address(
        self, dest: TxDestination, want_name: bool = True, want_purpose: bool = True
    ) -> FoundAddress:
        try:
            script = script_of(dest)
        except InvalidAddress:
            script = b""
        row = self._wallet.store.row("SELECT * FROM address_book WHERE script = ?", script)
        if row is None:
            return FoundAddress("", AddressPurpose.RECEIVE, False)
        return FoundAddress(row["label"], AddressPurpose(row["purpose"]), True)

    def get_addresses(self) -> list[WalletAddress]:
        return [
            WalletAddress(
                destination_of(row["script"]),
                self._ledger.position(row["script"]) is not None,
                row["label"],
                AddressPurpose(row["purpose"]),
            )
            for row in self._wallet.store.rows("SELECT * FROM address_book ORDER BY label, script")
        ]

    def get_address_receive_requests(self) -> list[bytes]:
        rows = self._wallet.store.rows("SELECT value FROM receive_requests ORDER BY script, id")
        return [row["value"] for row in rows]

    def set_address_receive_request(self, dest: TxDestination, id: bytes, value: bytes) -> bool:
        try:
            script = script_of(dest)
        except InvalidAddress:
            return False
        store = self._wallet.store
        with store.writing():
            store.write("DELETE FROM receive_requests WHERE script = ? AND id = ?", script, id)
            if value:
                store.write("INSERT INTO receive_requests VALUES (?, ?, ?)", script, id, value)
        return True

    def display_address(self, dest: TxDestination) -> ResultVoid:
        return ResultVoid(failed("no device signs for this wallet"))

    # -------------------------------------------------------------------------------- coins

    def lock_coin(self, output: OutPoint, write_to_db: bool) -> bool:
        self._ledger.lock_coin(output, keep=write_to_db)
        return True

    def unlock_coin(self, output: OutPoint) -> bool:
        self._ledger.unlock_coin(output)
        return True

    def is_locked_coin(self, output: OutPoint) -> bool:
        return output in self._ledger.locked_coins()

    def list_locked_coins(self) -> list[OutPoint]:
        return self._ledger.locked_coins()

    def list_coins(self) -> dict[TxDestination, dict[OutPoint, WalletTxOut]]:
        found: dict[TxDestination, dict[OutPoint, WalletTxOut]] = {}
        for coin in self._ledger.coins():
            if coin.is_mature and coin.is_safe:
                group = found.setdefault(self._listed_under(coin), {})
                group[coin.outpoint] = self._tx_out(coin, is_spent=False)
        return found

    def _listed_under(self, coin: OwnCoin) -> TxDestination:
        """Its address; that of the first coin which it is change of."""
        script, outpoint = coin.script, coin.outpoint
        while True:
            position, entry = self._ledger.position(script), self._ledger.entry(outpoint.txid)
            if position is None or position.branch is Branch.RECEIVE or entry is None:
                return destination_of(script)
            outpoint = spent_by(entry.tx.vin[0])
            row = self._ledger.own_output(outpoint)
            if row is None:
                return destination_of(script)
            script = row["script"]

    def get_coins(self, outputs: list[OutPoint]) -> list[WalletTxOut]:
        found = []
        for outpoint in outputs:
            coin = self._ledger.coin(outpoint)
            if coin is None:
                nothing = TxOut(0, b"").serialize(check_validity=False)
                found.append(WalletTxOut(nothing, EPOCH, -1, False))
            else:
                found.append(self._tx_out(coin, self._ledger.is_spent(outpoint)))
        return found

    def _tx_out(self, coin: OwnCoin, is_spent: bool) -> WalletTxOut:
        data = TxOut(coin.amount, coin.script).serialize()
        return WalletTxOut(data, _moment(coin.received), coin.depth, is_spent)

    # ----------------------------------------------------------------------------- balances

    def get_balances(self) -> WalletBalances:
        return self._ledger.balances()

    def try_get_balances(self) -> Balances:
        with self._wallet.store.lock:
            tip = self._ledger.tip
            hash = BlockHash(bytes(32)) if tip is None else tip.hash
            return Balances(self._ledger.balances(), hash, True)

    def get_balance(self) -> int:
        return self._ledger.balances().balance

    def get_available_balance(self, coin_control: CoinControl) -> int:
        return sum(coin.amount for coin in available(self._ledger, coin_control))

    def txin_is_mine(self, txin: bytes) -> bool:
        return self._ledger.own_output(spent_by(TxIn.parse(txin))) is not None

    def txout_is_mine(self, txout: bytes) -> bool:
        return self._ledger.position(TxOut.parse(txout).script_pub_key.script) is not None

    def get_debit(self, txin: bytes) -> int:
        row = self._ledger.own_output(spent_by(TxIn.parse(txin)))
        return 0 if row is None else int(row["amount"])

    def get_credit(self, txout: bytes) -> int:
        return TxOut.parse(txout).value if self.txout_is_mine(txout) else 0

    # ----------------------------------------------------------------------------- spending

    def create_transaction(
        self,
        recipients: list[Recipient],
        coin_control: CoinControl,
        sign: bool,
        change_pos: int | None = None,
    ) -> Result[CreatedTransactionResult]:
        try:
            signer = self._vault.signer() if sign else None
            payments = [
                Payment(script_of(each.dest), each.amount, each.subtract_fee_from_amount)
                for each in recipients
            ]
            made = self._wallet.draft(payments, coin_control, change_pos)
            tx = made.tx if signer is None else self._wallet.sign(made.tx)
        except (CannotSpend, Locked, InvalidAddress) as error:
            return Result(error=failed(error))
        calculation = _calculation(self._ledger.height)
        return Result(
            CreatedTransactionResult(
                transaction_bytes(tx), made.fee, calculation, made.change_index
            )
        )

    def commit_transaction(
        self, tx: bytes, value_map: dict[str, str], order_form: list[Pair[str, str]]
    ) -> None:
        self._wallet.commit(tx, value_map, [(each.key, each.value) for each in order_form])

    def transaction_can_be_abandoned(self, txid: Txid) -> bool:
        return self._wallet.can_be_abandoned(txid)

    def abandon_transaction(self, txid: Txid) -> bool:
        return self._wallet.abandon(txid)

    def transaction_can_be_bumped(self, txid: Txid) -> bool:
        return self._wallet.why_not_bumpable(txid) is None

    def create_bump_transaction(self, txid: Txid, coin_control: CoinControl) -> BumpTransaction:
        try:
            made = self._wallet.bump(txid, coin_control)
        except CannotSpend as error:
            return BumpTransaction([failed(error)], 0, 0, b"", False)
        raw = transaction_bytes(made.draft.tx)
        return BumpTransaction([], made.old_fee, made.draft.fee, raw, True)

    def sign_bump_transaction(self, mtx: bytes) -> SignedTransaction:
        try:
            signed = self._wallet.sign(parse_transaction(mtx))
        except (CannotSpend, Locked):
            return SignedTransaction(mtx, False)
        return SignedTransaction(transaction_bytes(signed), True)

    def commit_bump_transaction(self, txid: Txid, mtx: bytes) -> CommittedTransaction:
        try:
            return CommittedTransaction([], self._wallet.commit_bump(txid, mtx), True)
        except (CannotSpend, WalletError) as error:
            return CommittedTransaction([failed(error)], txid, False)

    def fill_psbt(
        self, options: PSBTFillOptions, n_signed: int, want_n_signed: bool, psbtx: bytes
    ) -> FilledPsbt:
        psbt = Psbt.parse(psbtx)
        for psbt_in, tx_in in zip(psbt.inputs, psbt.tx.vin, strict=True):
            fill_input(self._ledger, psbt_in, spent_by(tx_in))
        before = sum(len(each.partial_sigs) for each in psbt.inputs)
        if options.sign and not self._vault.is_locked:
            psbt = self._vault.signer().sign_psbt(psbt)
        signed = sum(len(each.partial_sigs) for each in psbt.inputs) - before
        complete = True
        try:
            finished = finalize(psbt)
            psbt = finished if options.finalize else psbt
        except InvalidBitcoin:
            complete = False
        return FilledPsbt(signed if want_n_signed else 0, psbt.serialize(), complete, None)

    def get_required_fee(self, tx_bytes: int) -> int:
        return fee_of(self._wallet.required_rate(), tx_bytes)

    def get_minimum_fee(
        self,
        tx_bytes: int,
        coin_control: CoinControl,
        want_returned_target: bool = False,
        want_reason: bool = False,
    ) -> MinimumFee:
        rate = self._wallet.fee_rate(coin_control)
        return MinimumFee(_CONFIRM_TARGET, FeeReason.NONE, fee_of(rate, tx_bytes))

    def get_confirm_target(self) -> int:
        return _CONFIRM_TARGET

    def get_default_max_tx_fee(self) -> int:
        return MAX_FEE

    # ------------------------------------------------------------------------- transactions

    def get_tx(self, txid: Txid) -> bytes | None:
        entry = self._ledger.entry(txid)
        return None if entry is None else entry.raw

    def get_wallet_tx(self, txid: Txid) -> WalletTx:
        entry = self._ledger.entry(txid)
        if entry is None:
            return WalletTx(None, [], [], [], [], [], 0, 0, 0, EPOCH, {}, False)
        return self._wallet_tx(entry)

    def get_wallet_txs(self) -> list[WalletTx]:
        with self._wallet.store.lock:
            return [self._wallet_tx(entry) for entry in self._ledger.entries()]

    def _wallet_tx(self, entry: Entry) -> WalletTx:
        tx = entry.tx
        scripts = [tx_out.script_pub_key.script for tx_out in tx.vout]
        mine = [self._ledger.position(script) for script in scripts]
        change = [each is not None and each.branch is Branch.CHANGE for each in mine]
        own_inputs = [
            not entry.is_coinbase and self._ledger.own_output(spent_by(tx_in)) is not None
            for tx_in in tx.vin
        ]
        return WalletTx(
            entry.raw,
            own_inputs,
            [each is not None for each in mine],
            change,
            [destination_of(script) for script in scripts],
            [each is not None for each in mine],
            credit=_sum(tx, [each is not None for each in mine]),
            debit=self._ledger.debit(entry),
            change=_sum(tx, change),
            time=_moment(entry.received),
            value_map=entry.notes,
            is_coinbase=entry.is_coinbase,
        )

    def try_get_tx_status(self, txid: Txid) -> TxStatus:
        entry = self._ledger.entry(txid)
        if entry is None:
            nothing = WalletTxStatus(_NO_HEIGHT, 0, 0, 0, 0, False, False, False, False)
            return TxStatus(nothing, 0, EPOCH, False)
        return TxStatus(self._status(entry), self._ledger.height, _moment(entry.received), True)

    def get_wallet_tx_details(self, txid: Txid) -> TxDetails:
        with self._wallet.store.lock:
            status = self.try_get_tx_status(txid)
            entry = self._ledger.entry(txid)
            order_form = [] if entry is None else [Pair(k, v) for k, v in entry.order_form]
            return TxDetails(
                status.tx_status,
                order_form,
                self._ledger.in_mempool(txid),
                status.num_blocks,
                self.get_wallet_tx(txid),
            )

    def _status(self, entry: Entry) -> WalletTxStatus:
        tip = self._ledger.height
        return WalletTxStatus(
            _NO_HEIGHT if entry.height is None else entry.height,
            entry.blocks_to_maturity(tip),
            entry.depth(tip),
            entry.received,
            entry.tx.lock_time,
            self._ledger.is_trusted(entry),
            entry.abandoned,
            entry.is_coinbase,
            entry.height is not None,
        )

    # ----------------------------------------------------------------------- what it is like

    def abort_rescan(self) -> None:
        self._wallet.follower.abort.set()

    def hd_enabled(self) -> bool:
        return True

    def can_get_addresses(self) -> bool:
        return True

    def private_keys_disabled(self) -> bool:
        return False

    def taproot_enabled(self) -> bool:
        return False

    def has_external_signer(self) -> bool:
        return False

    def get_default_address_type(self) -> OutputType:
        return OutputType.BECH32

    # -------------------------------------------------------------------------- being told

    def handle_unload(self, callback: UnloadCallback) -> Handler:
        return self._wallet.unloaded.add(callback)

    def handle_show_progress(self, callback: ShowProgressCallback) -> Handler:
        return self._wallet.progress.add(callback)

    def handle_status_changed(self, callback: StatusChangedCallback) -> Handler:
        return self._wallet.status.add(callback)

    def handle_address_book_changed(self, callback: AddressBookChangedCallback) -> Handler:
        return self._wallet.book.add(callback)

    def handle_transaction_changed(self, callback: TransactionChangedCallback) -> Handler:
        return self._wallet.transactions.add(callback)

    handle_can_get_addresses_changed = unsupported(Wallet.handle_can_get_addresses_changed)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _sum(tx: Tx, which: Sequence[bool]) -> int:
    return sum(tx_out.value for tx_out, counts in zip(tx.vout, which, strict=True) if counts)


def _calculation(height: int) -> FeeCalculation:
    return FeeCalculation(
        EstimationResult(_NO_BUCKET, _NO_BUCKET, 0, 0), FeeReason.NONE, 0, 0, height
    )
