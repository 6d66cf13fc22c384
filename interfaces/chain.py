"""What a node offers to its clients: the chain, the mempool, fees, settings and RPC commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec

import mpipc
from interfaces.common import BilingualStr, FeeCalculation, Pair, PairInt64, ResultVoid
from interfaces.enums import (
    BlockFilterType,
    JSONRPCVersion,
    MemPoolRemovalReason,
    RBFTransactionState,
    RPCMode,
    SettingsAction,
    TxBroadcast,
)
from interfaces.errors import RPCError, RPCTypeError
from interfaces.handler import Handler
from interfaces.values import (
    EPOCH,
    Amount,
    Block,
    BlockHash,
    BlockLocator,
    Coin,
    FeeRate,
    Json,
    OutPoint,
    SecretJson,
    Transaction,
    Txid,
    UnixTime,
)
from mpipc import Field, Int32, Int64, Raises, Seconds, UInt8, UInt32, UInt64, Void

__schema__ = mpipc.SchemaFile(
    id=0x94F21A4864BD2C65,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/chain.h", "rpc/server.h"],
    include_types=["ipc/capnp/chain-types.h"],
)

# ------------------------------------------------------------------------------------------ blocks


@mpipc.struct
class FoundBlockParam(msgspec.Struct, frozen=True):
    """What is wanted to know about a block."""

    want_hash: bool = False
    want_height: bool = False
    want_time: bool = False
    want_max_time: bool = False
    want_mtp_time: bool = False
    want_in_active_chain: bool = False
    want_locator: bool = False
    next_block: FoundBlockParam | None = None
    """What is wanted to know about the block after it in the active chain."""

    want_data: bool = False


@mpipc.struct
class FoundBlockResult(msgspec.Struct, frozen=True):
    """What was wanted to know about a block; the rest is zero or None."""

    hash: BlockHash | None = None
    height: Int32 = 0
    time: UnixTime = EPOCH
    """The time in its header."""

    max_time: UnixTime = EPOCH
    """The latest time in its header and in those before it."""

    mtp_time: UnixTime = EPOCH
    """The median of the times in its header and in the ten before it."""

    in_active_chain: bool = False
    locator: BlockLocator | None = None
    next_block: FoundBlockResult | None = None
    data: Block | None = None
    """The block; empty where it was pruned."""

    found: bool = False
    """Whether there is such a block."""


@mpipc.struct(wrap="kernel::ChainstateRole")
class ChainstateRole(msgspec.Struct, frozen=True):
    """Which of a node's chainstates a block was connected to."""

    validated: bool
    """Whether all of its blocks have been validated, back to the genesis block."""

    historical: bool
    """Whether it is only there to validate the blocks below a snapshot."""


@mpipc.struct(wrap="interfaces::BlockInfo")
class BlockInfo(msgspec.Struct, frozen=True):
    """A block that was connected or disconnected."""

    hash: Annotated[BlockHash, Field(skip=True)]
    prev_hash: Annotated[BlockHash | None, Field(skip=True)] = None
    height: Annotated[Int32, Field(wire_default=-1)] = -1
    file_number: Annotated[Int32, Field(wire_default=-1)] = -1
    """Which of the node's block files it is in; -1 where that is not known."""

    data_pos: Annotated[UInt32, Field(wire_default=0)] = 0
    """Where in that file it is."""

    data: Annotated[Block | None, Field(skip=True)] = None
    undo_data: Annotated[bytes | None, Field(skip=True)] = None
    """What it takes to disconnect it: the outputs that it spends."""

    chain_time_max: Annotated[UInt32, Field(wire_default=0)] = 0
    """The latest time in its header and in those before it."""


class FoundBlock(mpipc.Results):
    """What a search for a block found; `result` says whether there is one."""

    block: FoundBlockResult
    result: bool


class FoundAncestor(mpipc.Results):
    """What a search for an ancestor found; `result` says whether there is one."""

    ancestor: FoundBlockResult
    result: bool


class FoundCommonAncestor(mpipc.Results):
    """The last block that two chains have in common; `result` says whether all were found."""

    ancestor: FoundBlockResult
    block1: FoundBlockResult
    block2: FoundBlockResult
    result: bool


@mpipc.interface(wrap="interfaces::Chain::Notifications")
class ChainNotifications(ABC):
    """Is told what happens to the chain and to the mempool, in order."""

    @mpipc.method(1)
    @abstractmethod
    def transaction_added_to_mempool(self, tx: Transaction) -> None:
        """A transaction is new in the mempool."""

    @mpipc.method(2)
    @abstractmethod
    def transaction_removed_from_mempool(
        self, tx: Transaction, reason: MemPoolRemovalReason
    ) -> None:
        """A transaction left the mempool, but not for a block that was connected."""

    @mpipc.method(3)
    @abstractmethod
    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        """A block became part of the chain."""

    @mpipc.method(4)
    @abstractmethod
    def block_disconnected(self, block: BlockInfo) -> None:
        """A block is no longer part of the chain."""

    @mpipc.method(5)
    @abstractmethod
    def updated_block_tip(self) -> None:
        """The chain has another tip."""

    @mpipc.method(6)
    @abstractmethod
    def chain_state_flushed(self, role: ChainstateRole, locator: BlockLocator) -> None:
        """All up to this block is on disk, so that nobody has to look further back."""


# ---------------------------------------------------------------------------------- RPC commands


@mpipc.struct
class RPCArg(msgspec.Struct, frozen=True):
    """An argument of an RPC command."""

    name: str
    """Its name, or several, with `|` between them."""

    named_only: bool = False
    """Whether it can only be given by name."""


@mpipc.struct(wrap="JSONRPCRequest")
class JSONRPCRequest(msgspec.Struct, frozen=True):
    """A request to run an RPC command."""

    id: Json
    method: Annotated[str, Field(cxx_name="strMethod")]
    params: SecretJson
    mode: RPCMode = RPCMode.EXECUTE
    uri: Annotated[str, Field(cxx_name="URI")] = ""
    """The path of the HTTP request, such as `/wallet/NAME`."""

    auth_user: Annotated[str, Field(cxx_name="")] = ""
    """Who asks."""

    peer_addr: Annotated[str, Field(cxx_name="")] = ""
    """From where."""

    version: Annotated[JSONRPCVersion, Field(cxx_name="m_json_version")] = JSONRPCVersion.V1_LEGACY


@mpipc.struct
@dataclass
class HelpResult(Exception):
    """Raised instead of running a command that was asked for its help."""

    message: str


class ActorResult(mpipc.Results):
    """What a command returns, and whether it could be run at all: where not, the next handler of
    the same command is asked."""

    response: SecretJson
    result: bool


@mpipc.interface(wrap="ProxyCallback<CRPCCommand::Actor>", destroy=False)
class ActorCallback(ABC):
    """Runs an RPC command."""

    @mpipc.method(
        0,
        raises=[
            Raises(RPCError, "rpcError", "UniValue", ordinal=1),
            Raises(RPCTypeError, "typeError", "UniValue::type_error", ordinal=2),
            Raises(HelpResult, "helpResult", "HelpResult", ordinal=3),
            Raises(RuntimeError, "error", "std::exception", ordinal=0),
        ],
    )
    @abstractmethod
    def __call__(
        self, request: JSONRPCRequest, response: SecretJson, last_callback: bool
    ) -> ActorResult:
        """Run it. `response` is what handlers before this one left there, and `last_callback` says
        that there is none after it."""


@mpipc.struct(wrap="CRPCCommand")
class RPCCommand(msgspec.Struct, frozen=True):
    """An RPC command that a client of the node adds to it."""

    category: str
    """The heading in the list of all commands."""

    name: str
    actor: ActorCallback
    arg_names: Annotated[list[RPCArg], Field(cxx_name="")]
    unique_id: Int64
    """Tells commands with the same name from each other."""


# ---------------------------------------------------------------------------------------- settings


class SettingsUpdate(mpipc.Results):
    """The new value of a setting; `result` is None where it stays as it is."""

    value: Json
    result: SettingsAction | None


SettingsUpdateCallback = Annotated[
    Callable[[Annotated[Json, Field(name="value")]], SettingsUpdate],
    mpipc.interface(
        name="SettingsUpdateCallback", wrap="ProxyCallback<interfaces::SettingsUpdate>"
    ),
]
"""Makes the new value of a setting from the old one."""


# ------------------------------------------------------------------------------------------- chain


class BroadcastResult(mpipc.Results):
    """Whether a transaction was accepted, and if not, why."""

    error: str
    result: bool


class TransactionAncestry(mpipc.Results):
    """How many transactions in the mempool are connected to one, and what these weigh and pay. One
    that is not in the mempool has none."""

    ancestors: UInt64
    descendants: UInt64
    ancestorsize: UInt64
    ancestorfees: Amount


class PackageLimits(mpipc.Results):
    """How many unconfirmed transactions may be connected."""

    ancestors: UInt32
    descendants: UInt32


class SmartFee(mpipc.Results):
    """An estimated fee rate, zero where there is none, and how it was arrived at."""

    calc: FeeCalculation
    result: FeeRate


@mpipc.interface(wrap="interfaces::Chain")
class Chain(ABC):
    """What a wallet, or another client, needs of a node."""

    @mpipc.method(1)
    @abstractmethod
    def get_height(self) -> Int32 | None:
        """Height of the tip, or None when there is no block at all."""

    @mpipc.method(2)
    @abstractmethod
    def get_block_hash(self, height: Int32) -> BlockHash:
        """Hash of the block at a height, which must not be above the tip's."""

    @mpipc.method(3)
    @abstractmethod
    def have_block_on_disk(self, height: Int32) -> bool:
        """Whether the block at a height can be read: it has arrived and was not pruned."""

    @mpipc.method(4)
    @abstractmethod
    def find_locator_fork(self, locator: BlockLocator) -> Int32 | None:
        """Height of the last block that the chain has in common with the one that a locator was
        made for, or None."""

    @mpipc.method(5)
    @abstractmethod
    def has_block_filter_index(self, filter_type: Annotated[BlockFilterType, UInt8]) -> bool:
        """Whether the node keeps compact filters of blocks."""

    @mpipc.method(6)
    @abstractmethod
    def block_filter_matches_any(
        self,
        filter_type: Annotated[BlockFilterType, UInt8],
        block_hash: BlockHash,
        filter_set: list[bytes],
    ) -> bool | None:
        """Whether a block may contain one of these scripts, by its filter; None when there is no
        filter of it."""

    @mpipc.method(7)
    @abstractmethod
    def find_block(self, hash: BlockHash, block: FoundBlockParam) -> FoundBlock:
        """Look a block up by its hash. `block` says what is wanted to know about it."""

    @mpipc.method(8)
    @abstractmethod
    def find_first_block_with_time_and_height(
        self, min_time: UnixTime, min_height: Int32, block: FoundBlockParam
    ) -> FoundBlock:
        """The first block in the chain that is neither older nor lower than this."""

    @mpipc.method(9)
    @abstractmethod
    def find_ancestor_by_height(
        self, block_hash: BlockHash, ancestor_height: Int32, ancestor: FoundBlockParam
    ) -> FoundAncestor:
        """The ancestor of a block at a height."""

    @mpipc.method(10)
    @abstractmethod
    def find_ancestor_by_hash(
        self, block_hash: BlockHash, ancestor_hash: BlockHash, ancestor: FoundBlockParam
    ) -> FoundAncestor:
        """Whether a block is an ancestor of another one, and what is wanted to know about it."""

    @mpipc.method(11)
    @abstractmethod
    def find_common_ancestor(
        self,
        block_hash1: BlockHash,
        block_hash2: BlockHash,
        ancestor: FoundBlockParam,
        block1: FoundBlockParam,
        block2: FoundBlockParam,
    ) -> FoundCommonAncestor:
        """The last block that the chains of two blocks have in common."""

    @mpipc.method(12)
    @abstractmethod
    def find_coins(
        self, coins: Annotated[dict[OutPoint, Coin], Pair]
    ) -> Annotated[dict[OutPoint, Coin], Pair, Field(name="coins")]:
        """Look unspent outputs up, in the mempool and in the chain. The values that are passed are
        replaced; a spent coin stands for one that there is not."""

    @mpipc.method(13)
    @abstractmethod
    def guess_verification_progress(self, block_hash: BlockHash) -> float:
        """The estimated share of all transactions that is verified once this block is, up to 1."""

    @mpipc.method(14)
    @abstractmethod
    def has_blocks(
        self, block_hash: BlockHash, min_height: Int32 = 0, max_height: Int32 | None = None
    ) -> bool:
        """Whether the ancestors of a block can be read from one height to another, both included.
        Without `max_height`: up to the block itself."""

    @mpipc.method(15, name="isRBFOptIn")
    @abstractmethod
    def is_rbf_opt_in(self, tx: Transaction) -> RBFTransactionState:
        """Whether a transaction says that it may be replaced, itself or by an ancestor."""

    @mpipc.method(16)
    @abstractmethod
    def is_in_mempool(self, txid: Txid) -> bool:
        """Whether a transaction is in the mempool."""

    @mpipc.method(17)
    @abstractmethod
    def has_descendants_in_mempool(self, txid: Txid) -> bool:
        """Whether a transaction is in the mempool and others there spend its outputs."""

    @mpipc.method(18)
    @abstractmethod
    def broadcast_transaction(
        self, tx: Transaction, max_tx_fee: Amount, broadcast_method: TxBroadcast
    ) -> BroadcastResult:
        """Hand a transaction in, unless it pays more than `max_tx_fee`."""

    @mpipc.method(19)
    @abstractmethod
    def get_transaction_ancestry(self, txid: Txid) -> TransactionAncestry:
        """What is connected to a transaction in the mempool."""

    @mpipc.method(20)
    @abstractmethod
    def calculate_individual_bump_fees(
        self, outpoints: list[OutPoint], target_feerate: FeeRate
    ) -> Annotated[dict[OutPoint, Amount], PairInt64]:
        """For each output, the fee that its unconfirmed ancestors lack to reach a fee rate."""

    @mpipc.method(21)
    @abstractmethod
    def calculate_combined_bump_fee(
        self, outpoints: list[OutPoint], target_feerate: FeeRate
    ) -> Amount | None:
        """The fee that the unconfirmed ancestors of all these outputs lack together, each counted
        once; None when it cannot be calculated."""

    @mpipc.method(22)
    @abstractmethod
    def get_package_limits(self) -> PackageLimits:
        """How many unconfirmed transactions may be connected, as the node is configured."""

    @mpipc.method(23)
    @abstractmethod
    def check_chain_limits(self, tx: Transaction) -> ResultVoid:
        """Whether a transaction stays within those limits; what is wrong where not."""

    @mpipc.method(24)
    @abstractmethod
    def estimate_smart_fee(
        self, num_blocks: Int32, conservative: bool, want_calc: bool = False
    ) -> SmartFee:
        """The fee rate at which a transaction is likely to be confirmed within some blocks.
        `conservative` looks further back; `want_calc` asks for `calc`."""

    @mpipc.method(25)
    @abstractmethod
    def estimate_max_blocks(self) -> UInt32:
        """The largest number of blocks that fees can be estimated for."""

    @mpipc.method(26)
    @abstractmethod
    def mempool_min_fee(self) -> FeeRate:
        """What a transaction must pay to enter the mempool, which depends on how full it is."""

    @mpipc.method(27)
    @abstractmethod
    def relay_min_fee(self) -> FeeRate:
        """What a transaction must pay to be relayed, as the node is configured."""

    @mpipc.method(28)
    @abstractmethod
    def relay_incremental_fee(self) -> FeeRate:
        """What a transaction must pay more than one that it replaces, as the node is configured."""

    @mpipc.method(29)
    @abstractmethod
    def relay_dust_fee(self) -> FeeRate:
        """The fee rate at which an output that costs more to spend than it holds is dust."""

    @mpipc.method(30)
    @abstractmethod
    def have_pruned(self) -> bool:
        """Whether any block was ever pruned."""

    @mpipc.method(31)
    @abstractmethod
    def get_prune_height(self) -> Int32 | None:
        """Height of the last block that was pruned, or None."""

    @mpipc.method(32)
    @abstractmethod
    def is_ready_to_broadcast(self) -> bool:
        """Whether the node has loaded its blocks and caught up, so that transactions make sense."""

    @mpipc.method(33)
    @abstractmethod
    def is_initial_block_download(self) -> bool:
        """Whether the node is still catching up with the chain."""

    @mpipc.method(34)
    @abstractmethod
    def shutdown_requested(self) -> bool:
        """Whether the node is about to end."""

    @mpipc.method(35)
    @abstractmethod
    def init_message(self, message: str) -> None:
        """Show the user what is being done at start."""

    @mpipc.method(36)
    @abstractmethod
    def init_warning(self, message: BilingualStr) -> None:
        """Show the user a warning."""

    @mpipc.method(37)
    @abstractmethod
    def init_error(self, message: BilingualStr) -> None:
        """Show the user an error."""

    @mpipc.method(38)
    @abstractmethod
    def show_progress(self, title: str, progress: Int32, resume_possible: bool) -> None:
        """Show the user how far something is, in percent. `resume_possible`: it could be
        interrupted and go on later."""

    @mpipc.method(39)
    @abstractmethod
    def handle_notifications(self, notifications: ChainNotifications) -> Handler:
        """Tell `notifications` what happens, until the handler is disconnected."""

    @mpipc.method(40)
    @abstractmethod
    def wait_for_notifications_if_tip_changed(self, old_tip: BlockHash) -> None:
        """Wait until what has happened was told, unless the tip is still `old_tip`."""

    @mpipc.method(41)
    @abstractmethod
    def wait_for_notifications(self) -> None:
        """Wait until what has happened was told."""

    @mpipc.method(42)
    @abstractmethod
    def handle_rpc(self, command: RPCCommand) -> Handler:
        """Add an RPC command to the node, until the handler is disconnected."""

    @mpipc.method(43)
    @abstractmethod
    def rpc_enable_deprecated(self, method: str) -> bool:
        """Whether the user wants a deprecated feature of the RPC commands."""

    @mpipc.method(44)
    @abstractmethod
    def get_setting(self, name: str) -> Json:
        """A setting, from wherever it is set; `null` where it is not."""

    @mpipc.method(45)
    @abstractmethod
    def get_settings_list(self, name: str) -> list[Json]:
        """All values of a setting that may be given several times."""

    @mpipc.method(46)
    @abstractmethod
    def get_rw_setting(self, name: str) -> Json:
        """A setting in settings.json; `null` where it is not there."""

    @mpipc.method(47)
    @abstractmethod
    def update_rw_setting(self, name: str, update: SettingsUpdateCallback) -> bool:
        """Change a setting in settings.json by a function. Returns whether that worked."""

    @mpipc.method(48)
    @abstractmethod
    def overwrite_rw_setting(self, name: str, value: Json, action: SettingsAction) -> bool:
        """Replace a setting in settings.json; `null` deletes it. Returns whether that worked."""

    @mpipc.method(49)
    @abstractmethod
    def delete_rw_settings(self, name: str, action: SettingsAction) -> bool:
        """Delete a setting from settings.json. Returns whether that worked."""

    @mpipc.method(50)
    @abstractmethod
    def request_mempool_transactions(self, notifications: ChainNotifications) -> None:
        """Tell `notifications` about every transaction in the mempool, and return after the last.
        What `handle_notifications` tells may come in between."""

    @mpipc.method(51)
    @abstractmethod
    def has_assumed_valid_chain(self) -> bool:
        """Whether the node started from a snapshot that it has not validated yet."""


@mpipc.interface(wrap="interfaces::ChainClient")
class ChainClient(ABC):
    """A part of the program that uses a node's chain and that the node starts and stops."""

    @mpipc.method(1)
    @abstractmethod
    def register_rpcs(self) -> None:
        """Add its RPC commands to the node."""

    @mpipc.method(2)
    @abstractmethod
    def verify(self) -> bool:
        """Look for what would keep it from loading. Returns whether all is well."""

    @mpipc.method(3)
    @abstractmethod
    def load(self) -> bool:
        """Load what it has saved. Returns whether that worked."""

    @mpipc.method(4)
    @abstractmethod
    def start(self, scheduler: Void = None) -> None:
        """Begin to work. The scheduler of C++ does not travel."""

    @mpipc.method(5)
    @abstractmethod
    def stop(self) -> None:
        """Stop working."""

    @mpipc.method(6)
    @abstractmethod
    def set_mock_time(self, time: UnixTime) -> None:
        """For tests: pretend that it is this time; 0 for the real one."""

    @mpipc.method(7)
    @abstractmethod
    def scheduler_mock_forward(self, delta_seconds: Seconds) -> None:
        """For tests: let its scheduler believe that time has passed."""
