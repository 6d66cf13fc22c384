"""Wallets: addresses, coins, transactions; and what loads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec

import mpipc
from interfaces.chain import ChainClient
from interfaces.common import (
    BilingualStr,
    FeeCalculation,
    Pair,
    PSBTFillOptions,
    Result,
    ResultVoid,
)
from interfaces.enums import (
    AddressPurpose,
    ChangeType,
    FeeEstimateMode,
    FeeReason,
    OutputType,
    PSBTError,
    SigningResult,
    WalletFlags,
)
from interfaces.handler import Handler
from interfaces.values import (
    Amount,
    BlockHash,
    FeeRate,
    HiddenPassphrase,
    HiddenText,
    KeyId,
    OutPoint,
    Psbt,
    PublicKey,
    Script,
    Transaction,
    Txid,
    TxIn,
    TxOut,
    UnixTime,
)
from mpipc import Field, Int32, UInt32, UInt64

__schema__ = mpipc.SchemaFile(
    id=0xE234CCE74FEEA00C,
    cxx_namespace="ipc::capnp::messages",
    include=["ipc/capnp/wallet.h"],
    include_types=["ipc/capnp/wallet-types.h"],
)

# --------------------------------------------------------------------------- keys and destinations


@mpipc.struct
class Key(msgspec.Struct, frozen=True):
    """A private key."""

    secret: Annotated[bytes, Field(secret=True)]
    is_compressed: bool
    """Whether its public key is written in compressed form."""


@mpipc.struct
class WitnessUnknown(msgspec.Struct, frozen=True):
    """A witness program of a version that nobody knows yet."""

    version: UInt32
    program: bytes


@mpipc.struct
class TxDestination(msgspec.Struct, frozen=True):
    """What an address stands for: one of these, or none where a script has no address."""

    pub_key: PublicKey | None = None
    pk_hash: KeyId | None = None
    script_hash: bytes | None = None
    witness_v0_script_hash: bytes | None = None
    witness_v0_key_hash: bytes | None = None
    witness_v1_taproot: bytes | None = None
    witness_unknown: WitnessUnknown | None = None


@mpipc.struct(wrap="interfaces::WalletAddress")
class WalletAddress(msgspec.Struct, frozen=True):
    """An entry of the address book."""

    dest: TxDestination
    is_mine: bool
    name: str
    purpose: AddressPurpose


# -------------------------------------------------------------------------------- transactions


@mpipc.struct(wrap="wallet::CRecipient")
class Recipient(msgspec.Struct, frozen=True):
    """Who gets how much."""

    dest: TxDestination
    amount: Annotated[Amount, Field(cxx_name="nAmount")]
    subtract_fee_from_amount: Annotated[bool, Field(cxx_name="fSubtractFeeFromAmount")] = False
    """Whether the recipient pays the fee, or a share of it."""


@mpipc.struct
class CoinControl(msgspec.Struct, frozen=True):
    """How a transaction is made."""

    dest_change: Annotated[TxDestination | None, Field(0)] = None
    """Where the change goes; None: to a new address."""

    change_type: Annotated[OutputType | None, Field(2, flag_ordinal=1)] = None
    """The kind of that new address."""

    include_unsafe_inputs: Annotated[bool, Field(3)] = False
    """Whether to spend what others have sent and may still replace."""

    allow_other_inputs: Annotated[bool, Field(4)] = True
    """Whether to spend more than `set_selected`."""

    allow_watch_only: Annotated[bool, Field(5)] = False
    override_fee_rate: Annotated[bool, Field(6)] = False
    """Whether `fee_rate` counts even where it is too low or too high."""

    fee_rate: Annotated[FeeRate | None, Field(8, has_flag=True, flag_ordinal=7)] = None
    """None: the wallet decides."""

    confirm_target: Annotated[Int32 | None, Field(10, flag_ordinal=9)] = None
    """Within how many blocks the transaction should be confirmed; None: the wallet decides."""

    signal_rbf: Annotated[bool | None, Field(12, flag_ordinal=11)] = None
    """Whether it says that it may be replaced; None: the wallet decides."""

    avoid_partial_spends: Annotated[bool, Field(13)] = False
    """Whether to spend all coins of an address or none."""

    avoid_address_reuse: Annotated[bool, Field(14)] = False
    """Whether to leave coins alone whose address has been spent from."""

    fee_mode: Annotated[FeeEstimateMode, Field(15)] = FeeEstimateMode.UNSET
    min_depth: Annotated[Int32, Field(16)] = 0
    """How many confirmations a coin needs, to be spent."""

    max_depth: Annotated[Int32, Field(17)] = 9_999_999
    lock_time: Annotated[UInt32 | None, Field(19, has_flag=UInt32, flag_ordinal=18)] = None
    version: Annotated[UInt32 | None, Field(21, has_flag=UInt32, flag_ordinal=20)] = None
    max_tx_weight: Annotated[UInt32 | None, Field(23, has_flag=UInt32, flag_ordinal=22)] = None
    set_selected: Annotated[list[OutPoint], Field(24)] = []
    """Coins that are to be spent."""


@mpipc.struct(wrap="wallet::CreatedTransactionResult")
class CreatedTransactionResult(msgspec.Struct, frozen=True):
    """A transaction that was made."""

    tx: Transaction
    fee: Amount
    fee_calc: FeeCalculation
    change_pos: UInt32 | None
    """Which of its outputs is the change; None: there is none."""


@mpipc.struct(wrap="interfaces::WalletTx")
class WalletTx(msgspec.Struct, frozen=True):
    """A transaction in a wallet. The lists have an item for each input or output."""

    tx: Transaction | None
    """None: the wallet has no such transaction, and the rest says nothing."""

    txin_is_mine: list[bool]
    txout_is_mine: list[bool]
    txout_is_change: list[bool]
    txout_address: list[TxDestination]
    txout_address_is_mine: list[bool]
    credit: Amount
    """What the wallet got."""

    debit: Amount
    """What the wallet spent."""

    change: Amount
    """What of `credit` is change."""

    time: UnixTime
    value_map: Annotated[dict[str, str], Pair]
    """What the wallet has noted: `comment`, `to` and others."""

    is_coinbase: bool


@mpipc.struct(wrap="interfaces::WalletTxStatus")
class WalletTxStatus(msgspec.Struct, frozen=True):
    """What has become of a transaction in a wallet."""

    block_height: Int32
    """Height of its block; the largest Int32 where it has none."""

    blocks_to_maturity: Int32
    """How many blocks it takes until the outputs of a coinbase transaction can be spent."""

    depth_in_main_chain: Int32
    """Number of confirmations; less than 0: so many blocks confirm a conflicting transaction."""

    time_received: UInt32
    """Seconds since 1970."""

    lock_time: UInt32
    is_trusted: bool
    is_abandoned: bool
    is_coinbase: bool
    is_in_main_chain: bool


@mpipc.struct(wrap="interfaces::WalletTxOut")
class WalletTxOut(msgspec.Struct, frozen=True):
    """An output of a transaction in a wallet."""

    txout: TxOut
    time: UnixTime
    depth_in_main_chain: Int32
    """Number of confirmations; -1 where the wallet has no such transaction."""

    is_spent: bool


@mpipc.struct(wrap="interfaces::WalletBalances")
class WalletBalances(msgspec.Struct, frozen=True):
    """What a wallet holds."""

    balance: Amount
    """What can be spent."""

    unconfirmed_balance: Amount
    """What others have sent and no block confirms."""

    immature_balance: Amount
    """Outputs of coinbase transactions that cannot be spent yet."""

    used_balance: Amount
    """What is at addresses that have been spent from, in a wallet that avoids them."""

    nonmempool_balance: Amount
    """What depends on transactions of the wallet that are not in the mempool."""


@mpipc.struct(wrap="interfaces::WalletMigrationResult")
class WalletMigrationResult(msgspec.Struct, frozen=True):
    """What became of a wallet of the old format."""

    wallet: Wallet
    watchonly_wallet_name: str | None
    """A wallet for what was only watched."""

    solvables_wallet_name: str | None
    """A wallet for scripts that could be spent from, but were not watched."""

    backup_path: str
    """The old wallet, as it was."""


# ------------------------------------------------------------------------------------- callbacks

LoadWalletCallback = Annotated[
    Callable[["Annotated[Wallet, Field(name='wallet')]"], None],
    mpipc.interface(
        name="LoadWalletCallback", wrap="ProxyCallback<interfaces::WalletLoader::LoadWalletFn>"
    ),
]
"""A wallet was loaded."""

UnloadCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="UnloadWalletCallback", wrap="ProxyCallback<interfaces::Wallet::UnloadFn>"
    ),
]
"""The wallet is being unloaded: let go of it."""

ShowProgressCallback = Annotated[
    Callable[[Annotated[str, Field(name="title")], Annotated[Int32, Field(name="progress")]], None],
    mpipc.interface(
        name="ShowWalletProgressCallback",
        wrap="ProxyCallback<interfaces::Wallet::ShowProgressFn>",
    ),
]
"""How far something is, in percent."""

StatusChangedCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="StatusChangedCallback", wrap="ProxyCallback<interfaces::Wallet::StatusChangedFn>"
    ),
]
"""The wallet was locked, unlocked or encrypted."""

AddressBookChangedCallback = Annotated[
    Callable[
        [
            Annotated[TxDestination, Field(name="address")],
            Annotated[str, Field(name="label")],
            Annotated[bool, Field(name="isMine")],
            Annotated[AddressPurpose, Field(name="purpose")],
            Annotated[ChangeType, Field(name="status")],
        ],
        None,
    ],
    mpipc.interface(
        name="AddressBookChangedCallback",
        wrap="ProxyCallback<interfaces::Wallet::AddressBookChangedFn>",
    ),
]
"""An entry of the address book is new, changed or gone."""

TransactionChangedCallback = Annotated[
    Callable[
        [Annotated[Txid, Field(name="txid")], Annotated[ChangeType, Field(name="status")]], None
    ],
    mpipc.interface(
        name="TransactionChangedCallback",
        wrap="ProxyCallback<interfaces::Wallet::TransactionChangedFn>",
    ),
]
"""A transaction is new, changed or gone."""

CanGetAddressesChangedCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="CanGetAddressesChangedCallback",
        wrap="ProxyCallback<interfaces::Wallet::CanGetAddressesChangedFn>",
    ),
]
"""The wallet can make addresses now, or no more."""

# --------------------------------------------------------------------------------------- results


class FoundPublicKey(mpipc.Results):
    """A public key; `result` says whether the wallet knows it."""

    pub_key: PublicKey
    result: bool


class SignedMessage(mpipc.Results):
    """A signature, in Base64, where `result` is OK."""

    signature: str
    result: SigningResult


class FoundAddress(mpipc.Results):
    """An entry of the address book; `result` says whether there is one."""

    name: str
    purpose: AddressPurpose
    result: bool


class BumpTransaction(mpipc.Results):
    """A transaction that pays more than another one, where `result` says so; else `errors`."""

    errors: list[BilingualStr]
    old_fee: Amount
    new_fee: Amount
    mtx: Transaction
    result: bool


class SignedTransaction(mpipc.Results):
    """A transaction; `result` says whether it was signed."""

    mtx: Transaction
    result: bool


class CommittedTransaction(mpipc.Results):
    """The new transaction, where `result` says that there is one; else `errors`."""

    errors: list[BilingualStr]
    bumped_txid: Txid
    result: bool


class TxStatus(mpipc.Results):
    """What became of a transaction; `result` says whether the wallet could tell at once."""

    tx_status: WalletTxStatus
    num_blocks: Int32
    """Height of the tip."""

    block_time: UnixTime
    result: bool


class TxDetails(mpipc.Results):
    """All about a transaction."""

    tx_status: WalletTxStatus
    order_form: list[Pair[str, str]]
    in_mempool: bool
    num_blocks: Int32
    """Height of the tip."""

    result: WalletTx


class FilledPsbt(mpipc.Results):
    """A transaction with signatures added."""

    n_signed: UInt64
    """How many inputs were signed."""

    psbtx: Psbt
    complete: bool
    """Whether it has all signatures now."""

    result: PSBTError | None


class Balances(mpipc.Results):
    """What a wallet held at a block; `result` says whether the wallet could tell at once."""

    balances: WalletBalances
    block_hash: BlockHash
    result: bool


class MinimumFee(mpipc.Results):
    """A fee in satoshis, and how it was arrived at."""

    returned_target: Int32
    reason: FeeReason
    result: Amount


class LoadedWallet(mpipc.Results):
    """A wallet, or why there is none; and warnings in either case."""

    warning: list[BilingualStr]
    result: Result[Wallet]


# -------------------------------------------------------------------------------------- interfaces


@mpipc.interface(wrap="interfaces::Wallet")
class Wallet(ABC):
    """A wallet. Amounts and fees are in satoshis."""

    @mpipc.method(1)
    @abstractmethod
    def encrypt_wallet(self, wallet_passphrase: HiddenPassphrase) -> bool:
        """Encrypt its private keys. Returns whether that worked."""

    @mpipc.method(2)
    @abstractmethod
    def is_crypted(self) -> bool:
        """Whether its private keys are encrypted."""

    @mpipc.method(3)
    @abstractmethod
    def lock(self) -> bool:
        """Forget the passphrase. Returns whether that worked."""

    @mpipc.method(4)
    @abstractmethod
    def unlock(self, wallet_passphrase: HiddenPassphrase) -> bool:
        """Make its private keys usable. Returns whether the passphrase was right."""

    @mpipc.method(5)
    @abstractmethod
    def is_locked(self) -> bool:
        """Whether its private keys cannot be used without the passphrase."""

    @mpipc.method(6)
    @abstractmethod
    def change_wallet_passphrase(
        self, old_wallet_passphrase: HiddenPassphrase, new_wallet_passphrase: HiddenPassphrase
    ) -> bool:
        """Change the passphrase. Returns whether the old one was right."""

    @mpipc.method(7)
    @abstractmethod
    def abort_rescan(self) -> None:
        """Stop looking through the chain for transactions of the wallet."""

    @mpipc.method(8)
    @abstractmethod
    def backup_wallet(self, filename: str) -> bool:
        """Copy the wallet to a file. Returns whether that worked."""

    @mpipc.method(9)
    @abstractmethod
    def get_wallet_name(self) -> str:
        """Its name; the default wallet's is empty."""

    @mpipc.method(10)
    @abstractmethod
    def get_new_destination(self, output_type: OutputType, label: str) -> Result[TxDestination]:
        """Make an address to receive at."""

    @mpipc.method(11)
    @abstractmethod
    def get_pub_key(self, script: Script, address: KeyId) -> FoundPublicKey:
        """The public key with this hash, as far as it belongs to a script."""

    @mpipc.method(12)
    @abstractmethod
    def sign_message(self, message: str, pkhash: KeyId) -> SignedMessage:
        """Sign a text with the private key of an address."""

    @mpipc.method(13)
    @abstractmethod
    def is_spendable(self, dest: TxDestination) -> bool:
        """Whether the wallet can spend what is sent there."""

    @mpipc.method(14)
    @abstractmethod
    def set_address_book(self, dest: TxDestination, name: str, purpose: AddressPurpose) -> bool:
        """Add an entry to the address book, or change it. Returns whether that worked."""

    @mpipc.method(15)
    @abstractmethod
    def del_address_book(self, dest: TxDestination) -> bool:
        """Remove an entry of the address book. Returns whether that worked."""

    @mpipc.method(16)
    @abstractmethod
    def get_address(
        self, dest: TxDestination, want_name: bool = True, want_purpose: bool = True
    ) -> FoundAddress:
        """Look an entry of the address book up."""

    @mpipc.method(17)
    @abstractmethod
    def get_addresses(self) -> list[WalletAddress]:
        """The address book."""

    @mpipc.method(18)
    @abstractmethod
    def get_address_receive_requests(self) -> list[bytes]:
        """What `set_address_receive_request` has stored."""

    @mpipc.method(19)
    @abstractmethod
    def set_address_receive_request(self, dest: TxDestination, id: bytes, value: bytes) -> bool:
        """Store a request for a payment to an address; an empty `value` removes it. Returns
        whether that worked."""

    @mpipc.method(20)
    @abstractmethod
    def display_address(self, dest: TxDestination) -> ResultVoid:
        """Show an address on the device that signs."""

    @mpipc.method(21)
    @abstractmethod
    def lock_coin(self, output: OutPoint, write_to_db: bool) -> bool:
        """Do not spend a coin; `write_to_db`: also not after a restart. Returns whether that
        worked."""

    @mpipc.method(22)
    @abstractmethod
    def unlock_coin(self, output: OutPoint) -> bool:
        """Allow a coin to be spent again. Returns whether that worked."""

    @mpipc.method(23)
    @abstractmethod
    def is_locked_coin(self, output: OutPoint) -> bool:
        """Whether a coin is not to be spent."""

    @mpipc.method(24)
    @abstractmethod
    def list_locked_coins(self) -> Annotated[list[OutPoint], Field(name="outputs")]:
        """The coins that are not to be spent."""

    @mpipc.method(25)
    @abstractmethod
    def create_transaction(
        self,
        recipients: list[Recipient],
        coin_control: CoinControl,
        sign: bool,
        change_pos: UInt32 | None = None,
    ) -> Result[CreatedTransactionResult]:
        """Make a transaction, but do not send it. `change_pos` is where the change goes among the
        outputs; None: anywhere."""

    @mpipc.method(26)
    @abstractmethod
    def commit_transaction(
        self,
        tx: Transaction,
        value_map: Annotated[dict[str, str], Pair],
        order_form: list[Pair[str, str]],
    ) -> None:
        """Keep a transaction and send it, with notes about it."""

    @mpipc.method(27)
    @abstractmethod
    def transaction_can_be_abandoned(self, txid: Txid) -> bool:
        """Whether a transaction is neither confirmed nor in the mempool."""

    @mpipc.method(28)
    @abstractmethod
    def abandon_transaction(self, txid: Txid) -> bool:
        """Give a transaction up, so that its coins can be spent again. Returns whether that
        worked."""

    @mpipc.method(29)
    @abstractmethod
    def transaction_can_be_bumped(self, txid: Txid) -> bool:
        """Whether a transaction can be replaced by one that pays more."""

    @mpipc.method(30)
    @abstractmethod
    def create_bump_transaction(self, txid: Txid, coin_control: CoinControl) -> BumpTransaction:
        """Make a transaction that pays more than another one, in its place."""

    @mpipc.method(31)
    @abstractmethod
    def sign_bump_transaction(self, mtx: Transaction) -> SignedTransaction:
        """Sign it."""

    @mpipc.method(32)
    @abstractmethod
    def commit_bump_transaction(self, txid: Txid, mtx: Transaction) -> CommittedTransaction:
        """Send it, in place of the transaction `txid`."""

    @mpipc.method(33)
    @abstractmethod
    def get_tx(self, txid: Txid) -> Transaction | None:
        """A transaction, None where the wallet has no such one."""

    @mpipc.method(34)
    @abstractmethod
    def get_wallet_tx(self, txid: Txid) -> WalletTx:
        """A transaction, and what it means for the wallet."""

    @mpipc.method(35)
    @abstractmethod
    def get_wallet_txs(self) -> list[WalletTx]:
        """All transactions."""

    @mpipc.method(36)
    @abstractmethod
    def try_get_tx_status(self, txid: Txid) -> TxStatus:
        """What became of a transaction, unless the wallet is busy."""

    @mpipc.method(37)
    @abstractmethod
    def get_wallet_tx_details(self, txid: Txid) -> TxDetails:
        """All about a transaction."""

    @mpipc.method(38)
    @abstractmethod
    def get_balances(self) -> WalletBalances:
        """What the wallet holds."""

    @mpipc.method(39, name="fillPSBT")
    @abstractmethod
    def fill_psbt(
        self, options: PSBTFillOptions, n_signed: UInt64, want_n_signed: bool, psbtx: Psbt
    ) -> FilledPsbt:
        """Add to a partially signed transaction what the wallet can: signatures, and what others
        need to sign. `n_signed` is not looked at; `want_n_signed` asks for the one that comes
        back."""

    @mpipc.method(40)
    @abstractmethod
    def try_get_balances(self) -> Balances:
        """What the wallet holds, unless it is busy."""

    @mpipc.method(41)
    @abstractmethod
    def get_balance(self) -> Amount:
        """What can be spent."""

    @mpipc.method(42)
    @abstractmethod
    def get_available_balance(self, coin_control: CoinControl) -> Amount:
        """What a transaction of this kind could spend."""

    @mpipc.method(43)
    @abstractmethod
    def txin_is_mine(self, txin: TxIn) -> bool:
        """Whether an input spends a coin of the wallet."""

    @mpipc.method(44)
    @abstractmethod
    def txout_is_mine(self, txout: TxOut) -> bool:
        """Whether an output goes to the wallet."""

    @mpipc.method(45)
    @abstractmethod
    def get_debit(self, txin: TxIn) -> Amount:
        """What an input takes from the wallet."""

    @mpipc.method(46)
    @abstractmethod
    def get_credit(self, txout: TxOut) -> Amount:
        """What an output brings to the wallet."""

    @mpipc.method(47)
    @abstractmethod
    def list_coins(
        self,
    ) -> Annotated[dict[TxDestination, Annotated[dict[OutPoint, WalletTxOut], Pair]], Pair]:
        """The coins of each address, locked ones too. Change is listed with the address whose
        coins it comes from."""

    @mpipc.method(48)
    @abstractmethod
    def get_coins(self, outputs: list[OutPoint]) -> list[WalletTxOut]:
        """Outputs of the wallet's transactions."""

    @mpipc.method(49)
    @abstractmethod
    def get_required_fee(self, tx_bytes: UInt32) -> Amount:
        """The least that a transaction of a size must pay to be relayed, and by the wallet's
        settings."""

    @mpipc.method(50)
    @abstractmethod
    def get_minimum_fee(
        self,
        tx_bytes: UInt32,
        coin_control: CoinControl,
        want_returned_target: bool = False,
        want_reason: bool = False,
    ) -> MinimumFee:
        """What the wallet would pay for a transaction of a size. The flags ask for the other
        results."""

    @mpipc.method(51)
    @abstractmethod
    def get_confirm_target(self) -> UInt32:
        """Within how many blocks transactions should be confirmed, as the wallet is configured."""

    @mpipc.method(52)
    @abstractmethod
    def hd_enabled(self) -> bool:
        """Whether all keys come from one seed."""

    @mpipc.method(53)
    @abstractmethod
    def can_get_addresses(self) -> bool:
        """Whether the wallet can make addresses."""

    @mpipc.method(54)
    @abstractmethod
    def private_keys_disabled(self) -> bool:
        """Whether the wallet has no private keys by design."""

    @mpipc.method(55)
    @abstractmethod
    def taproot_enabled(self) -> bool:
        """Whether the wallet can make taproot addresses."""

    @mpipc.method(56)
    @abstractmethod
    def has_external_signer(self) -> bool:
        """Whether a device signs for the wallet."""

    @mpipc.method(57)
    @abstractmethod
    def get_default_address_type(self) -> OutputType:
        """The kind of address that is made where none is asked for."""

    @mpipc.method(58)
    @abstractmethod
    def get_default_max_tx_fee(self) -> Amount:
        """The most that a transaction may pay, as the wallet is configured."""

    @mpipc.method(59)
    @abstractmethod
    def remove(self) -> None:
        """Unload the wallet."""

    @mpipc.method(60)
    @abstractmethod
    def handle_unload(self, callback: UnloadCallback) -> Handler:
        """Tell `callback` when the wallet is unloaded."""

    @mpipc.method(61)
    @abstractmethod
    def handle_show_progress(self, callback: ShowProgressCallback) -> Handler:
        """Tell `callback` how far something is."""

    @mpipc.method(62)
    @abstractmethod
    def handle_status_changed(self, callback: StatusChangedCallback) -> Handler:
        """Tell `callback` when the wallet is locked, unlocked or encrypted."""

    @mpipc.method(63)
    @abstractmethod
    def handle_address_book_changed(self, callback: AddressBookChangedCallback) -> Handler:
        """Tell `callback` about changes of the address book."""

    @mpipc.method(64)
    @abstractmethod
    def handle_transaction_changed(self, callback: TransactionChangedCallback) -> Handler:
        """Tell `callback` about new and changed transactions."""

    @mpipc.method(65)
    @abstractmethod
    def handle_can_get_addresses_changed(self, callback: CanGetAddressesChangedCallback) -> Handler:
        """Tell `callback` when the wallet can make addresses, or no more."""


@mpipc.interface(wrap="interfaces::WalletLoader")
class WalletLoader(ChainClient):
    """The part of the program that has the wallets."""

    @mpipc.method(0)
    @abstractmethod
    def create_wallet(
        self, name: str, passphrase: HiddenText, flags: Annotated[WalletFlags, UInt64]
    ) -> LoadedWallet:
        """Make a wallet, encrypted where the passphrase is not empty."""

    @mpipc.method(1)
    @abstractmethod
    def load_wallet(self, name: str) -> LoadedWallet:
        """Load a wallet from the wallet directory."""

    @mpipc.method(2)
    @abstractmethod
    def get_wallet_dir(self) -> str:
        """The wallet directory."""

    @mpipc.method(3)
    @abstractmethod
    def restore_wallet(
        self, backup_file: bytes, name: str, load_after_restore: bool = True
    ) -> LoadedWallet:
        """Make a wallet from a backup. `backup_file` is its path."""

    @mpipc.method(4)
    @abstractmethod
    def migrate_wallet(self, name: str, passphrase: HiddenText) -> Result[WalletMigrationResult]:
        """Bring a wallet of the old format to the new one."""

    @mpipc.method(5)
    @abstractmethod
    def is_encrypted(self, name: str) -> bool:
        """Whether a wallet in the wallet directory is encrypted."""

    @mpipc.method(6)
    @abstractmethod
    def list_wallet_dir(self) -> Annotated[dict[str, str], Pair]:
        """The wallets in the wallet directory, and the format of each."""

    @mpipc.method(7)
    @abstractmethod
    def get_wallets(self) -> list[Wallet]:
        """The wallets that are loaded."""

    @mpipc.method(8)
    @abstractmethod
    def handle_load_wallet(self, callback: LoadWalletCallback) -> Handler:
        """Tell `callback` about every wallet that is loaded from now on."""
