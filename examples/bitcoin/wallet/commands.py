"""The commands that the wallet process offers as JSON-RPC.

Amounts are in satoshis, fee rates in satoshis for 1000 virtual bytes. Hashes are written as people
see them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import msgspec

import mpipc
from examples.bitcoin.wallet.failures import WalletError
from interfaces.values import Amount
from mpipc import Int32, Int64, UInt32


class Balances(msgspec.Struct, frozen=True):
    """What a wallet holds."""

    balance: Amount
    """What can be spent."""

    unconfirmed: Amount
    """What others have sent and no block confirms."""

    immature: Amount
    """Outputs of coinbase transactions that cannot be spent yet."""

    outside_mempool: Amount
    """What depends on transactions that the node does not have."""


class WalletInfo(msgspec.Struct, frozen=True):
    """The state of a wallet."""

    name: str
    height: Int32
    """Of the last block that it has looked through."""

    block: str
    is_synced: bool
    """Whether it knows what the node knows."""

    is_encrypted: bool
    is_locked: bool
    transactions: Int32


class Transaction(msgspec.Struct, frozen=True):
    """A transaction in a wallet."""

    txid: str
    amount: Int64
    """What the wallet gained by it; what it lost is negative, and has the fee in it."""

    confirmations: Int32
    """Less than 0: so many blocks confirm a conflicting transaction."""

    height: Int32 | None
    received: Int64
    """Seconds since 1970."""

    in_mempool: bool
    is_coinbase: bool
    is_abandoned: bool
    replaced_by: str | None
    notes: dict[str, str]
    hex: str


class Unspent(msgspec.Struct, frozen=True):
    """A coin."""

    txid: str
    index: UInt32
    address: str
    amount: Amount
    confirmations: Int32
    is_mature: bool
    is_safe: bool
    """Whether it is confirmed, or from this wallet alone and in the mempool."""

    is_locked: bool


class Address(msgspec.Struct, frozen=True):
    """An entry of the address book."""

    address: str
    label: str
    is_mine: bool


@mpipc.interface
class WalletCommands(ABC):
    """Commands for wallets by their names; the default wallet's is empty. Those that Bitcoin Core
    has, too, are called as there."""

    @mpipc.method(name="createwallet", raises=WalletError)
    @abstractmethod
    def create_wallet(self, wallet: str, passphrase: str = "") -> None:
        """Make a wallet and load it; it is encrypted where the passphrase is not empty."""

    @mpipc.method(name="loadwallet", raises=WalletError)
    @abstractmethod
    def load_wallet(self, wallet: str) -> None:
        """Load a wallet, now and whenever the process starts."""

    @mpipc.method(name="unloadwallet", raises=WalletError)
    @abstractmethod
    def unload_wallet(self, wallet: str) -> None:
        """Unload a wallet, also for the next start."""

    @mpipc.method(name="listwallets")
    @abstractmethod
    def list_wallets(self) -> list[str]:
        """The wallets that are loaded."""

    @mpipc.method(name="listwalletdir")
    @abstractmethod
    def list_wallet_dir(self) -> list[str]:
        """The wallets that there are."""

    @mpipc.method(name="getwalletinfo", raises=WalletError)
    @abstractmethod
    def get_wallet_info(self, wallet: str) -> WalletInfo:
        """The state of a wallet."""

    @mpipc.method(name="backupwallet", raises=WalletError)
    @abstractmethod
    def backup_wallet(self, wallet: str, destination: str) -> None:
        """Copy a wallet to a new file."""

    @mpipc.method(name="restorewallet", raises=WalletError)
    @abstractmethod
    def restore_wallet(self, wallet: str, backup_file: str) -> None:
        """Make a wallet from a backup and load it."""

    # --------------------------------------------------------------------------- encryption

    @mpipc.method(name="encryptwallet", raises=WalletError)
    @abstractmethod
    def encrypt_wallet(self, wallet: str, passphrase: str) -> None:
        """Encrypt a wallet, and lock it."""

    @mpipc.method(name="walletpassphrase", raises=WalletError)
    @abstractmethod
    def unlock_wallet(self, wallet: str, passphrase: str, seconds: UInt32) -> None:
        """Let a wallet sign for so many seconds."""

    @mpipc.method(name="walletlock", raises=WalletError)
    @abstractmethod
    def lock_wallet(self, wallet: str) -> None:
        """Let a wallet sign no more until it is unlocked."""

    @mpipc.method(name="walletpassphrasechange", raises=WalletError)
    @abstractmethod
    def change_passphrase(self, wallet: str, old: str, new: str) -> None:
        """Change the passphrase of a wallet."""

    # ---------------------------------------------------------------------------- addresses

    @mpipc.method(name="getnewaddress", raises=WalletError)
    @abstractmethod
    def get_new_address(self, wallet: str, label: str = "") -> str:
        """Make an address to receive at."""

    @mpipc.method(name="setlabel", raises=WalletError)
    @abstractmethod
    def set_label(self, wallet: str, address: str, label: str) -> None:
        """Give an address a label in the address book, whoever's it is."""

    @mpipc.method(name="listaddresses", raises=WalletError)
    @abstractmethod
    def list_addresses(self, wallet: str) -> list[Address]:
        """The address book."""

    # ----------------------------------------------------------------------------- balances

    @mpipc.method(name="getbalances", raises=WalletError)
    @abstractmethod
    def get_balances(self, wallet: str) -> Balances:
        """What a wallet holds, by what the node knows now, where there is a node."""

    @mpipc.method(name="listunspent", raises=WalletError)
    @abstractmethod
    def list_unspent(self, wallet: str) -> list[Unspent]:
        """The coins of a wallet."""

    @mpipc.method(name="lockunspent", raises=WalletError)
    @abstractmethod
    def lock_unspent(self, wallet: str, txid: str, index: UInt32, locked: bool = True) -> None:
        """Do not spend a coin, also after a restart; or allow it again."""

    @mpipc.method(name="listtransactions", raises=WalletError)
    @abstractmethod
    def list_transactions(self, wallet: str) -> list[Transaction]:
        """The transactions of a wallet, the latest last."""

    @mpipc.method(name="gettransaction", raises=WalletError)
    @abstractmethod
    def get_transaction(self, wallet: str, txid: str) -> Transaction:
        """A transaction of a wallet."""

    # ----------------------------------------------------------------------------- spending

    @mpipc.method(raises=WalletError)
    @abstractmethod
    def send(
        self,
        wallet: str,
        payment_id: str,
        address: str,
        amount: Amount,
        fee_rate: Int64 | None = None,
        subtract_fee: bool = False,
    ) -> str:
        """Pay to an address; returns the transaction's id.

        `payment_id` is a text that the caller makes up for this payment. Whoever asks again with
        the same one, because the answer did not come, gets the id of the same transaction: nothing
        is paid twice, also when the wallet was killed in between.
        """

    @mpipc.method(name="bumpfee", raises=WalletError)
    @abstractmethod
    def bump_fee(self, wallet: str, txid: str, fee_rate: Int64 | None = None) -> str:
        """Replace a transaction that waits by one that pays more; returns the new one's id."""

    @mpipc.method(name="abandontransaction", raises=WalletError)
    @abstractmethod
    def abandon_transaction(self, wallet: str, txid: str) -> None:
        """Give up a transaction that neither a block nor the mempool has."""

    # ------------------------------------------------------------------------------- chain

    @mpipc.method(name="rescanblockchain", raises=WalletError)
    @abstractmethod
    def rescan(self, wallet: str, start_height: Annotated[Int32, msgspec.Meta(ge=0)] = 0) -> Int32:
        """Look through the chain again; returns the height of the last block that was looked
        at."""

    @mpipc.method(name="abortrescan", raises=WalletError)
    @abstractmethod
    def abort_rescan(self, wallet: str) -> None:
        """Stop looking."""
