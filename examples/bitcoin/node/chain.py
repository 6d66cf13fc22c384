"""Chain: what the wallet and the index need of a node."""

from __future__ import annotations

from datetime import datetime, timedelta
from weakref import WeakSet

from examples.bitcoin.common.bitcoin import (
    SPENT_COIN,
    fee_of,
    pack_coin,
    pack_fee_rate,
    parse_transaction,
    spent_by,
    txid_of,
    unpack_fee_rate,
    unpack_locator,
)
from examples.bitcoin.common.console import say, trace
from examples.bitcoin.node import mempool as policy
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.context import NodeContext
from examples.bitcoin.node.mempool import Entry
from examples.bitcoin.node.validation import Invalid
from interfaces.chain import (
    BroadcastResult,
    Chain,
    ChainNotifications,
    FoundAncestor,
    FoundBlock,
    FoundBlockParam,
    FoundBlockResult,
    FoundCommonAncestor,
    PackageLimits,
    RPCCommand,
    SettingsUpdateCallback,
    SmartFee,
    TransactionAncestry,
)
from interfaces.common import (
    BilingualStr,
    EstimationResult,
    EstimatorBucket,
    FeeCalculation,
    ResultVoid,
)
from interfaces.enums import (
    BlockFilterType,
    FeeReason,
    RBFTransactionState,
    SettingsAction,
    TxBroadcast,
)
from interfaces.handler import Handler
from interfaces.values import EPOCH, BlockHash, Json, OutPoint, Txid

_NOTHING = FoundBlockResult()
_NO_BUCKET = EstimatorBucket(-1, -1, 0, 0, 0, 0)
_ESTIMATE = 2 * policy.MIN_FEE_RATE
"""There is nothing to learn fees from on regtest."""

_MAX_TARGET = 1008


def _time(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


class ChainOfNode(Chain):
    """One for each client, so that none waits for what another one is told."""

    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._state = node.state
        # Weak, since letting go of a handler ends it.
        self._handlers = WeakSet[Handler]()

    # ---------------------------------------------------------------------------------- blocks

    def get_height(self) -> int | None:
        height = self._state.tip.height
        trace(f"get_height() -> {height}")
        return height

    def get_block_hash(self, height: int) -> BlockHash:
        return self._active(height).hash

    def have_block_on_disk(self, height: int) -> bool:
        return 0 <= height <= self._state.tip.height

    def find_locator_fork(self, locator: bytes) -> int | None:
        with self._state.lock:
            blocks = self._state.blocks
            for hash in unpack_locator(locator):
                block = blocks.known.get(hash)
                if block is not None and blocks.is_active(block):
                    return block.height
            return 0

    def find_block(self, hash: BlockHash, block: FoundBlockParam) -> FoundBlock:
        with self._state.lock:
            found = self._found(self._state.blocks.known.get(hash), block)
        return FoundBlock(found, found.found)

    def find_first_block_with_time_and_height(
        self, min_time: datetime, min_height: int, block: FoundBlockParam
    ) -> FoundBlock:
        with self._state.lock:
            for each in self._state.blocks.active[max(min_height, 0) :]:
                if _time(each.time_max) >= min_time:
                    found = self._found(each, block)
                    return FoundBlock(found, found.found)
        return FoundBlock(_NOTHING, False)

    def find_ancestor_by_height(
        self, block_hash: BlockHash, ancestor_height: int, ancestor: FoundBlockParam
    ) -> FoundAncestor:
        with self._state.lock:
            block = self._state.blocks.known.get(block_hash)
            wanted = self._state.blocks.ancestor(block, ancestor_height) if block else None
            found = self._found(wanted, ancestor)
        return FoundAncestor(found, found.found)

    def find_ancestor_by_hash(
        self, block_hash: BlockHash, ancestor_hash: BlockHash, ancestor: FoundBlockParam
    ) -> FoundAncestor:
        with self._state.lock:
            blocks = self._state.blocks
            block, wanted = blocks.known.get(block_hash), blocks.known.get(ancestor_hash)
            if block and wanted and blocks.ancestor(block, wanted.height) is not wanted:
                wanted = None
            found = self._found(wanted if block else None, ancestor)
        return FoundAncestor(found, found.found)

    def find_common_ancestor(
        self,
        block_hash1: BlockHash,
        block_hash2: BlockHash,
        ancestor: FoundBlockParam,
        block1: FoundBlockParam,
        block2: FoundBlockParam,
    ) -> FoundCommonAncestor:
        with self._state.lock:
            blocks = self._state.blocks
            one, other = blocks.known.get(block_hash1), blocks.known.get(block_hash2)
            fork = self._found(blocks.fork(one, other) if one and other else None, ancestor)
            found1, found2 = self._found(one, block1), self._found(other, block2)
        everything = fork.found and found1.found and found2.found
        return FoundCommonAncestor(fork, found1, found2, everything)

    def guess_verification_progress(self, block_hash: BlockHash) -> float:
        with self._state.lock:
            block = self._state.blocks.known.get(block_hash)
            return min(1.0, (block.height + 1) / (self._state.tip.height + 1)) if block else 0.0

    def has_blocks(
        self, block_hash: BlockHash, min_height: int = 0, max_height: int | None = None
    ) -> bool:
        return block_hash in self._state.blocks.known

    def _active(self, height: int) -> KnownBlock:
        with self._state.lock:
            active = self._state.blocks.active
            if not 0 <= height < len(active):
                raise LookupError(f"there is no block at height {height}")
            return active[height]

    def _found(self, block: KnownBlock | None, want: FoundBlockParam) -> FoundBlockResult:
        """What is wanted to know about a block."""
        if block is None:
            return _NOTHING
        state, blocks = self._state, self._state.blocks
        return FoundBlockResult(
            hash=block.hash if want.want_hash else None,
            height=block.height if want.want_height else 0,
            time=_time(block.time) if want.want_time else EPOCH,
            max_time=_time(block.time_max) if want.want_max_time else EPOCH,
            mtp_time=_time(block.mtp) if want.want_mtp_time else EPOCH,
            in_active_chain=want.want_in_active_chain and blocks.is_active(block),
            locator=blocks.locator(block) if want.want_locator else None,
            next_block=(
                self._found(blocks.next(block), want.next_block) if want.next_block else None
            ),
            data=state.block_data(block) if want.want_data else None,
            found=True,
        )

    # -------------------------------------------------------------------------- compact filters

    def has_block_filter_index(self, filter_type: BlockFilterType) -> bool:
        return filter_type is BlockFilterType.BASIC and self._node.filters.are_there

    def block_filter_matches_any(
        self, filter_type: BlockFilterType, block_hash: BlockHash, filter_set: list[bytes]
    ) -> bool | None:
        if filter_type is not BlockFilterType.BASIC:
            return None
        return self._node.filters.match_any(block_hash, filter_set)

    # --------------------------------------------------------------------------------- mempool

    def find_coins(self, coins: dict[OutPoint, bytes]) -> dict[OutPoint, bytes]:
        with self._state.lock:
            return {outpoint: self._coin(outpoint) for outpoint in coins}

    def _coin(self, outpoint: OutPoint) -> bytes:
        coin = self._state.mempool.coin(outpoint) or self._state.coin(outpoint)
        return SPENT_COIN if coin is None else pack_coin(coin)

    def is_rbf_opt_in(self, tx: bytes) -> RBFTransactionState:
        parsed = parse_transaction(tx)
        if any(each.sequence < 0xFFFFFFFE for each in parsed.vin):
            return RBFTransactionState.REPLACEABLE_BIP125
        with self._state.lock:
            entry = self._entry(txid_of(parsed))
            if entry is None:
                return RBFTransactionState.UNKNOWN
            inputs = (each for ancestor in entry.ancestors() for each in ancestor.tx.vin)
            if any(each.sequence < 0xFFFFFFFE for each in inputs):
                return RBFTransactionState.REPLACEABLE_BIP125
        return RBFTransactionState.FINAL

    def is_in_mempool(self, txid: Txid) -> bool:
        return txid in self._state.mempool.entries

    def has_descendants_in_mempool(self, txid: Txid) -> bool:
        entry = self._entry(txid)
        return entry is not None and bool(entry.children)

    def broadcast_transaction(
        self, tx: bytes, max_tx_fee: int, broadcast_method: TxBroadcast
    ) -> BroadcastResult:
        try:
            entry = self._state.accept(tx, max_tx_fee)
        except Invalid as error:
            if error.reason == "txn-already-in-mempool":
                return BroadcastResult("", True)
            trace(f"broadcast_transaction() -> {error}")
            return BroadcastResult(str(error), False)
        trace(f"broadcast_transaction() -> {entry.txid}")
        return BroadcastResult("", True)

    def get_transaction_ancestry(self, txid: Txid) -> TransactionAncestry:
        with self._state.lock:
            entry = self._entry(txid)
            if entry is None:
                return TransactionAncestry(0, 0, 0, 0)
            ancestors = entry.ancestors()
            return TransactionAncestry(
                len(ancestors),
                len(entry.descendants()),
                sum(each.vsize for each in ancestors),
                sum(each.fee for each in ancestors),
            )

    def calculate_individual_bump_fees(
        self, outpoints: list[OutPoint], target_feerate: bytes
    ) -> dict[OutPoint, int]:
        rate = unpack_fee_rate(target_feerate)
        with self._state.lock:
            return {each: _lacking(self._unconfirmed([each]), rate) for each in outpoints}

    def calculate_combined_bump_fee(
        self, outpoints: list[OutPoint], target_feerate: bytes
    ) -> int | None:
        with self._state.lock:
            return _lacking(self._unconfirmed(outpoints), unpack_fee_rate(target_feerate))

    def _unconfirmed(self, outpoints: list[OutPoint]) -> set[Entry]:
        """The transactions in the mempool that these outputs depend on."""
        entries = (self._entry(outpoint.txid) for outpoint in outpoints)
        return {each for entry in entries if entry is not None for each in entry.ancestors()}

    def _entry(self, txid: Txid) -> Entry | None:
        return self._state.mempool.entries.get(txid)

    def get_package_limits(self) -> PackageLimits:
        return PackageLimits(policy.MAX_CONNECTED, policy.MAX_CONNECTED)

    def check_chain_limits(self, tx: bytes) -> ResultVoid[None]:
        with self._state.lock:
            spent = [spent_by(tx_in) for tx_in in parse_transaction(tx).vin]
            if len(self._unconfirmed(spent)) + 1 > policy.MAX_CONNECTED:
                text = f"more than {policy.MAX_CONNECTED} unconfirmed transactions in a row"
                return ResultVoid(error=BilingualStr(text, text))
        return ResultVoid()

    # ------------------------------------------------------------------------------------ fees

    def estimate_smart_fee(
        self, num_blocks: int, conservative: bool, want_calc: bool = False
    ) -> SmartFee:
        nothing = EstimationResult(_NO_BUCKET, _NO_BUCKET, 0, 0)
        height = self._state.tip.height
        calc = FeeCalculation(nothing, FeeReason.FALLBACK, num_blocks, num_blocks, height)
        return SmartFee(calc, pack_fee_rate(_ESTIMATE))

    def estimate_max_blocks(self) -> int:
        return _MAX_TARGET

    def mempool_min_fee(self) -> bytes:
        return pack_fee_rate(policy.MIN_FEE_RATE)

    def relay_min_fee(self) -> bytes:
        return pack_fee_rate(policy.MIN_FEE_RATE)

    def relay_incremental_fee(self) -> bytes:
        return pack_fee_rate(policy.INCREMENTAL_FEE_RATE)

    def relay_dust_fee(self) -> bytes:
        return pack_fee_rate(policy.DUST_FEE_RATE)

    # ------------------------------------------------------------------------ state of the node

    def have_pruned(self) -> bool:
        return False

    def get_prune_height(self) -> int | None:
        return None

    def is_ready_to_broadcast(self) -> bool:
        return True

    def is_initial_block_download(self) -> bool:
        return False

    def has_assumed_valid_chain(self) -> bool:
        return False

    def shutdown_requested(self) -> bool:
        return self._node.shutdown.requested

    def init_message(self, message: str) -> None:
        say(message)
        self._node.messages.tell(lambda callback: callback(message))

    def init_warning(self, message: BilingualStr) -> None:
        self._node.warn(message.original)

    def init_error(self, message: BilingualStr) -> None:
        self._node.warn(message.original)

    def show_progress(self, title: str, progress: int, resume_possible: bool) -> None:
        self._node.progress.tell(lambda callback: callback(title, progress, resume_possible))

    # --------------------------------------------------------------------------- notifications

    def handle_notifications(self, notifications: ChainNotifications) -> Handler:
        trace("handle_notifications()")
        handler = self._state.notifications.add(notifications)
        self._handlers.add(handler)
        return handler

    def wait_for_notifications_if_tip_changed(self, old_tip: BlockHash) -> None:
        if self._state.tip.hash != old_tip:
            self.wait_for_notifications()

    def wait_for_notifications(self) -> None:
        self._state.notifications.wait(list(self._handlers))

    def request_mempool_transactions(self, notifications: ChainNotifications) -> None:
        with self._state.lock:
            entries = list(self._state.mempool)
        for entry in entries:
            notifications.transaction_added_to_mempool(entry.data)

    # ------------------------------------------------------------------------ RPC and settings

    def handle_rpc(self, command: RPCCommand) -> Handler:
        return self._node.commands.add(command)

    def rpc_enable_deprecated(self, method: str) -> bool:
        return False

    def get_setting(self, name: str) -> Json:
        return self._node.settings.get(name)

    def get_settings_list(self, name: str) -> list[Json]:
        return self._node.settings.values(name)

    def get_rw_setting(self, name: str) -> Json:
        return self._node.settings.stored(name)

    def update_rw_setting(self, name: str, update: SettingsUpdateCallback) -> bool:
        changed = update(self._node.settings.stored(name))
        if changed.result is None:
            return True
        return self.overwrite_rw_setting(name, changed.value, changed.result)

    def overwrite_rw_setting(self, name: str, value: Json, action: SettingsAction) -> bool:
        try:
            self._node.settings.store(name, value, write=action is SettingsAction.WRITE)
        except (OSError, ValueError) as error:
            say(f"cannot change the setting {name}: {error}")
            return False
        return True

    def delete_rw_settings(self, name: str, action: SettingsAction) -> bool:
        return self.overwrite_rw_setting(name, "null", action)


def _lacking(entries: set[Entry], rate: int) -> int:
    """What transactions would have to pay more to reach a fee rate."""
    wanted = fee_of(rate, sum(each.vsize for each in entries))
    return max(0, wanted - sum(each.fee for each in entries))
