"""The wallet as a user interface has it: WalletLoader and Wallet, through a connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from btclib.ecc import bms
from btclib.tx import Tx
from btclib_wallet.psbt.psbt import Psbt, extract_tx

import mpipc
from examples.bitcoin.common.bitcoin import address_of, pack_fee_rate, parse_transaction, txid_of
from examples.bitcoin.common.destinations import destination_of, script_at, script_of
from examples.bitcoin.mine import mine
from interfaces.common import GlobalArgs, Pair, PSBTFillOptions, Settings
from interfaces.enums import (
    AddressPurpose,
    ChangeType,
    OutputType,
    SigningResult,
    WalletFlags,
)
from interfaces.proposed import ProposedInit
from interfaces.values import OutPoint, Passphrase, SecretText, Txid
from interfaces.wallet import CoinControl, Recipient, TxDestination, Wallet, WalletLoader
from tests.bitcoin.support import Program

COIN = 100_000_000
NOBODY = script_at("bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202")
SECONDS = 50.0


class Processes:
    """A node and a wallet, and connections to both."""

    def __init__(self, directory: Path) -> None:
        self.datadir = directory / "data"
        self._programs = [
            Program(name, directory / f"{name}.log", f"-datadir={self.datadir}", "-debug=ipc")
            for name in ("node", "wallet")
        ]
        self.logs = [program.log for program in self._programs]
        for program in self._programs:
            program.wait_for("listening on")
        self._node = mpipc.connect("unix", ProposedInit, datadir=self.datadir, name="node")
        self._wallet = mpipc.connect("unix", ProposedInit, datadir=self.datadir, name="wallet")
        self.chain, self.mining = self._node.make_chain(), self._node.make_mining()
        nothing = GlobalArgs(Settings({}, {}, {}, {}), "")
        self.loader = self._wallet.make_wallet_loader(nothing, self.chain)
        self.bank = self.create("bank")
        address = new_address(self.bank)
        for _ in range(40):
            mine(self.mining, script_of(address))
        self.mine(100)

    def create(self, name: str, passphrase: str = "") -> Wallet:
        made = self.loader.create_wallet(name, SecretText(passphrase), WalletFlags.DESCRIPTORS)
        assert made.result.error is None and made.result.value is not None
        wallet: Wallet = made.result.value
        return wallet

    def funded(self, name: str, amount: int = COIN) -> Wallet:
        """A wallet with one coin."""
        wallet = self.create(name)
        pay(self.bank, new_address(wallet), amount)
        self.mine(1)
        until(lambda: wallet.get_balance() == amount)
        return wallet

    def mine(self, blocks: int) -> None:
        """Mine blocks, and wait until the bank knows them."""
        for _ in range(blocks):
            tip = mine(self.mining, NOBODY)
        until(lambda: self.bank.try_get_balances().block_hash == tip)

    def close(self) -> None:
        for root in (self._node, self._wallet):
            mpipc.close(root)
        for program in self._programs:
            program.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def new_address(wallet: Wallet, label: str = "") -> TxDestination:
    found = wallet.get_new_destination(OutputType.BECH32, label)
    assert found.value is not None
    return found.value


def pay(wallet: Wallet, to: TxDestination, amount: int) -> Txid:
    made = wallet.create_transaction([Recipient(to, amount)], CoinControl(), True)
    assert made.error is None and made.value is not None, made.error
    wallet.commit_transaction(made.value.tx, {"comment": "thanks"}, [Pair("a", "b")])
    return txid_of(parse_transaction(made.value.tx))


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    processes = Processes(tmp_path_factory.mktemp("wallet"))
    yield processes
    processes.close()


@pytest.fixture
def loader(processes: Processes) -> WalletLoader:
    loader: WalletLoader = processes.loader
    return loader


def test_wallets_are_made_loaded_and_unloaded(processes: Processes, loader: WalletLoader) -> None:
    loaded: list[str] = []
    handler = loader.handle_load_wallet(lambda wallet: loaded.append(wallet.get_wallet_name()))
    wallet = processes.create("one")
    until(lambda: loaded == ["one"])
    assert "one" in [each.get_wallet_name() for each in loader.get_wallets()]
    assert loader.list_wallet_dir()["one"] == "sqlite"
    assert not loader.is_encrypted("one")
    unloaded: list[bool] = []
    kept = wallet.handle_unload(lambda: unloaded.append(True))
    wallet.remove()
    until(lambda: unloaded == [True])
    assert "one" not in [each.get_wallet_name() for each in loader.get_wallets()]
    with pytest.raises(mpipc.RemoteError):
        wallet.get_balance()
    again = loader.load_wallet("one").result.value
    assert again is not None and again.get_balance() == 0
    for name in ("one", "a/b"):
        made = loader.create_wallet(name, SecretText(""), WalletFlags.NONE)
        assert made.result.value is None and made.result.error is not None
    assert loader.load_wallet("none").result.error is not None
    blank = loader.create_wallet("blank", SecretText(""), WalletFlags.BLANK_WALLET)
    assert blank.result.error is not None
    kept.disconnect()
    handler.disconnect()


def test_a_payment_and_all_about_it(processes: Processes) -> None:
    wallet = processes.funded("payer")
    told: list[tuple[Txid, ChangeType]] = []
    handler = wallet.handle_transaction_changed(lambda txid, kind: told.append((txid, kind)))
    to = destination_of(NOBODY)
    before = wallet.get_balance()
    txid = pay(wallet, to, COIN // 4)
    until(lambda: (txid, ChangeType.NEW) in told)
    found = wallet.get_wallet_tx(txid)
    assert found.tx is not None and found.value_map == {"comment": "thanks"}
    fee = before - COIN // 4 - wallet.get_balance()
    assert found.debit == before and found.credit == found.change == wallet.get_balance()
    assert 0 < fee < 1000 and not found.is_coinbase
    assert sorted(found.txout_is_mine) == [False, True] == sorted(found.txout_is_change)
    assert to in found.txout_address
    until(lambda: wallet.get_wallet_tx_details(txid).in_mempool)
    assert wallet.get_wallet_tx_details(txid).order_form == [Pair("a", "b")]
    assert wallet.transaction_can_be_bumped(txid) and not wallet.transaction_can_be_abandoned(txid)
    processes.mine(1)
    until(lambda: wallet.try_get_tx_status(txid).tx_status.depth_in_main_chain == 1)
    assert wallet.try_get_tx_status(txid).tx_status.is_in_main_chain
    assert (txid, ChangeType.UPDATED) in told
    assert not wallet.transaction_can_be_bumped(txid)
    assert wallet.get_tx(txid) == found.tx
    tx = parse_transaction(found.tx)
    assert wallet.txin_is_mine(tx.vin[0].serialize()) and wallet.get_debit(tx.vin[0].serialize())
    outputs = [tx_out.serialize() for tx_out in tx.vout]
    assert [wallet.txout_is_mine(each) for each in outputs] == found.txout_is_mine
    assert sum(map(wallet.get_credit, outputs)) == found.credit
    nobodys = Txid(bytes(32))
    assert wallet.get_tx(nobodys) is None and wallet.get_wallet_tx(nobodys).tx is None
    assert not wallet.try_get_tx_status(nobodys).result
    assert txid in [
        txid_of(parse_transaction(each.tx)) for each in wallet.get_wallet_txs() if each.tx
    ]
    handler.disconnect()


def test_a_payment_is_replaced_by_one_that_pays_more(processes: Processes) -> None:
    wallet = processes.funded("bumper")
    txid = pay(wallet, destination_of(NOBODY), COIN // 2)
    until(lambda: processes.chain.is_in_mempool(txid))
    bumped = wallet.create_bump_transaction(txid, CoinControl())
    assert bumped.result and bumped.new_fee > bumped.old_fee
    signed = wallet.sign_bump_transaction(bumped.mtx)
    assert signed.result
    committed = wallet.commit_bump_transaction(txid, signed.mtx)
    assert committed.result
    assert processes.chain.is_in_mempool(committed.bumped_txid)
    until(lambda: not processes.chain.is_in_mempool(txid))
    assert not wallet.create_bump_transaction(txid, CoinControl()).result
    low = CoinControl(fee_rate=pack_fee_rate(1001))
    assert not wallet.create_bump_transaction(committed.bumped_txid, low).result
    processes.mine(1)
    until(lambda: wallet.try_get_tx_status(txid).tx_status.depth_in_main_chain == -1)


def test_coins_and_locks(processes: Processes) -> None:
    wallet = processes.funded("coins", 3 * COIN)
    ((address, coins),) = wallet.list_coins().items()
    ((outpoint, coin),) = coins.items()
    assert wallet.is_spendable(address) and coin.depth_in_main_chain > 0 and not coin.is_spent
    assert wallet.get_coins([outpoint, OutPoint.of(bytes(32), 0)])[0] == coin
    assert wallet.get_coins([OutPoint.of(bytes(32), 0)])[0].depth_in_main_chain == -1
    assert wallet.get_available_balance(CoinControl()) == 3 * COIN
    assert wallet.lock_coin(outpoint, False) and wallet.is_locked_coin(outpoint)
    assert wallet.list_locked_coins() == [outpoint]
    assert wallet.get_available_balance(CoinControl()) == 0 and wallet.get_balance() == 3 * COIN
    recipients = [Recipient(destination_of(NOBODY), COIN)]
    failed = wallet.create_transaction(recipients, CoinControl(), False)
    assert failed.error is not None and "insufficient funds" in failed.error.original
    # Who chooses a coin may spend it all the same.
    chosen = CoinControl(set_selected=[outpoint])
    made = wallet.create_transaction(recipients, chosen, False, 1).value
    assert made is not None and made.change_pos == 1
    assert wallet.unlock_coin(outpoint) and not wallet.is_locked_coin(outpoint)


def test_the_address_book(processes: Processes) -> None:
    wallet = processes.create("book")
    told: list[tuple[str, bool, ChangeType]] = []
    handler = wallet.handle_address_book_changed(
        lambda address, label, mine, purpose, kind: told.append((label, mine, kind))
    )
    mine_, other = new_address(wallet, "mine"), destination_of(NOBODY)
    assert wallet.set_address_book(other, "other", AddressPurpose.SEND)
    assert wallet.set_address_book(other, "another", AddressPurpose.SEND)
    assert wallet.get_address(other).name == "another"
    assert {entry.dest: (entry.name, entry.is_mine) for entry in wallet.get_addresses()} == {
        mine_: ("mine", True),
        other: ("another", False),
    }
    assert wallet.del_address_book(other) and not wallet.get_address(other).result
    assert not wallet.del_address_book(other) and not wallet.del_address_book(mine_)
    assert not wallet.set_address_book(TxDestination(), "nobody", AddressPurpose.SEND)
    until(lambda: len(told) == 4)
    assert told == [
        ("mine", True, ChangeType.NEW),
        ("other", False, ChangeType.NEW),
        ("another", False, ChangeType.UPDATED),
        ("another", False, ChangeType.DELETED),
    ]
    assert wallet.set_address_receive_request(mine_, b"1", b"please")
    assert wallet.get_address_receive_requests() == [b"please"]
    assert wallet.set_address_receive_request(mine_, b"1", b"")
    assert wallet.get_address_receive_requests() == []
    handler.disconnect()


def test_a_signed_message_is_good_for_who_checks_it(processes: Processes) -> None:
    wallet = processes.create("signer")
    keyhash = new_address(wallet).witness_v0_key_hash
    assert keyhash is not None
    signed = wallet.sign_message("It is me.", keyhash)
    assert signed.result is SigningResult.OK
    p2pkh = address_of(b"\x76\xa9\x14" + keyhash + b"\x88\xac")
    assert bms.verify(b"It is me.", p2pkh, signed.signature)
    found = wallet.get_pub_key(b"", keyhash)
    assert found.result and len(found.pub_key) == 33
    strange = wallet.sign_message("It is me.", bytes(20))
    assert strange.result is SigningResult.PRIVATE_KEY_NOT_AVAILABLE


def test_passphrases_are_in_no_log(processes: Processes, loader: WalletLoader) -> None:
    wallet = processes.create("secret", "open sesame")
    told: list[bool] = []
    handler = wallet.handle_status_changed(lambda: told.append(True))
    assert wallet.is_crypted() and wallet.is_locked() and loader.is_encrypted("secret")
    keyhash = new_address(wallet).witness_v0_key_hash
    assert keyhash is not None
    locked = wallet.sign_message("me", keyhash).result
    assert locked is SigningResult.PRIVATE_KEY_NOT_AVAILABLE
    assert not wallet.unlock(Passphrase(b"open barley"))
    assert wallet.unlock(Passphrase(b"open sesame")) and not wallet.is_locked()
    assert wallet.sign_message("me", keyhash).result is SigningResult.OK
    change = wallet.change_wallet_passphrase
    assert change(Passphrase(b"open sesame"), Passphrase(b"open rye"))
    assert wallet.lock() and wallet.is_locked()
    until(lambda: len(told) == 2)
    plain = processes.create("plain")
    assert not plain.is_crypted() and plain.encrypt_wallet(Passphrase(b"open wheat"))
    assert plain.is_locked()
    for log in processes.logs:
        text = log.read_text()
        assert "open " not in text
    assert "Wallet.unlock(<secret>)" in processes.logs[1].read_text()
    handler.disconnect()


def test_psbts_are_filled_and_signed(processes: Processes) -> None:
    wallet = processes.funded("psbt")
    recipients = [Recipient(destination_of(NOBODY), COIN // 2)]
    made = wallet.create_transaction(recipients, CoinControl(), False).value
    assert made is not None
    empty = Psbt.from_tx(Tx.parse(made.tx)).serialize()
    looked = wallet.fill_psbt(PSBTFillOptions(sign=False), 0, True, empty)
    assert looked.n_signed == 0 and not looked.complete
    filled = wallet.fill_psbt(PSBTFillOptions(), 0, True, empty)
    assert filled.n_signed == 1 and filled.complete and filled.result is None
    tx = extract_tx(Psbt.parse(filled.psbtx))
    wallet.commit_transaction(tx.serialize(include_witness=True), {}, [])
    assert processes.chain.is_in_mempool(txid_of(tx))


def test_a_backup_is_another_wallet_with_the_same_coins(
    processes: Processes, loader: WalletLoader, tmp_path: Path
) -> None:
    wallet = processes.funded("backed up")
    assert wallet.backup_wallet(str(tmp_path / "backup"))
    assert not wallet.backup_wallet(str(tmp_path / "backup"))  # it overwrites nothing
    found = loader.restore_wallet(bytes(tmp_path / "backup"), "restored").result.value
    assert found is not None
    until(lambda: found.get_balance() == COIN)
    nothing = loader.restore_wallet(bytes(tmp_path / "nothing"), "other").result
    assert nothing.error is not None


def test_what_a_wallet_says_of_itself(processes: Processes, loader: WalletLoader) -> None:
    wallet = processes.create("modest")
    assert wallet.hd_enabled() and wallet.can_get_addresses()
    assert not (wallet.private_keys_disabled() or wallet.taproot_enabled())
    assert not wallet.has_external_signer()
    assert wallet.get_default_address_type() is OutputType.BECH32
    assert wallet.get_new_destination(OutputType.LEGACY, "").error is not None
    assert wallet.display_address(destination_of(NOBODY)).error is not None
    assert wallet.get_confirm_target() == 6 and wallet.get_default_max_tx_fee() == COIN // 10
    assert wallet.get_required_fee(1000) == 1000
    assert wallet.get_minimum_fee(1000, CoinControl()).result >= 1000
    assert loader.migrate_wallet("modest", SecretText("")).error is not None
    assert loader.verify() and loader.load()
    assert Path(loader.get_wallet_dir()) == processes.datadir / "wallets"
    with pytest.raises(mpipc.RemoteError, match="does not offer"):
        wallet.handle_can_get_addresses_changed(lambda: None)
