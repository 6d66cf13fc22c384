"""Node: what a user interface needs of a node, which here has no network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from examples.bitcoin.common.bitcoin import pack_coin, pack_fee_rate
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.common.unsupported import unsupported
from examples.bitcoin.node import mempool as policy
from examples.bitcoin.node.blocks import KnownBlock
from examples.bitcoin.node.context import NodeContext
from examples.bitcoin.node.validation import Invalid
from interfaces.common import BilingualStr, GlobalArgs
from interfaces.enums import ConnectionDirection, Network, SynchronizationState, TransactionError
from interfaces.handler import Handler
from interfaces.node import (
    AppInit,
    Banmap,
    Banned,
    BlockAndHeaderTipInfo,
    BlockTip,
    BlockTipCallback,
    Broadcast,
    ExternalSigner,
    FoundProxy,
    HeaderTip,
    HeaderTipCallback,
    InitMessageCallback,
    LocalServiceInfo,
    Node,
    NodesStats,
    ProxyInfo,
    ShowProgressCallback,
)
from interfaces.values import EPOCH, BlockHash, Json, OutPoint

_READY = SynchronizationState.POST_INIT
_ERRORS = {
    "bad-txns-inputs-missingorspent": TransactionError.MISSING_INPUTS,
    "max-fee-exceeded": TransactionError.MAX_FEE_EXCEEDED,
    "txn-already-in-mempool": TransactionError.OK,
}


def _time(block: KnownBlock) -> datetime:
    return EPOCH + timedelta(seconds=block.time)


def _tip(block: KnownBlock) -> BlockTip:
    return BlockTip(block.height, _time(block), block.hash)


class NodeOfNode(Node):
    def __init__(self, node: NodeContext) -> None:
        self._node = node
        self._state = node.state
        self._never = Subscribers[Callable[..., object]]("what never happens")

    # ------------------------------------------------------------------------- start and end

    def init_logging(self) -> None:
        pass  # it has begun

    def init_parameter_interaction(self) -> None:
        pass  # no option implies another one

    def base_initialize(self, global_args: GlobalArgs) -> bool:
        return True  # the process has read its own command line

    def app_init_main(self) -> AppInit:
        tip, time = self._state.tip.height, _time(self._state.tip)
        return AppInit(BlockAndHeaderTipInfo(tip, time, tip, time, 1.0), True)

    def app_shutdown(self) -> None:
        self._node.shutdown.request_soon()

    def start_shutdown(self) -> None:
        self._node.shutdown.request_soon()

    def shutdown_requested(self) -> bool:
        return self._node.shutdown.requested

    def get_exit_status(self) -> int:
        return 0

    def get_warnings(self) -> BilingualStr:
        text = "\n".join(self._node.warnings)
        return BilingualStr(text, text)

    def get_log_categories(self) -> int:
        return 0

    # -------------------------------------------------------------------------------- settings

    def is_setting_ignored(self, name: str) -> bool:
        return self._node.settings.is_on_command_line(name)

    def get_persistent_setting(self, name: str) -> Json:
        return self._node.settings.stored(name)

    def update_rw_setting(self, name: str, value: Json) -> None:
        self._node.settings.store(name, value)

    def force_setting(self, name: str, value: Json) -> None:
        self._node.settings.force(name, value)

    def reset_settings(self) -> None:
        self._node.settings.reset()

    # --------------------------------------------------------------------------------- network

    map_port = unsupported(Node.map_port)
    set_network_active = unsupported(Node.set_network_active)

    def get_proxy(self, net: Network) -> FoundProxy:
        return FoundProxy(ProxyInfo(b"", False), False)

    def get_node_count(self, flags: ConnectionDirection) -> int:
        return 0

    def get_nodes_stats(self) -> NodesStats:
        return NodesStats([], False)

    def get_banned(self) -> Banned:
        return Banned(Banmap("{}"), False)

    def ban(self, net_addr: bytes, ban_time_offset: timedelta) -> bool:
        return False

    def unban(self, ip: bytes) -> bool:
        return False

    def disconnect_by_address(self, address: bytes) -> bool:
        return False

    def disconnect_by_id(self, id: int) -> bool:
        return False

    def get_total_bytes_recv(self) -> int:
        return 0

    def get_total_bytes_sent(self) -> int:
        return 0

    def get_net_local_addresses(self) -> dict[bytes, LocalServiceInfo]:
        return {}

    def get_network_active(self) -> bool:
        return False

    # ------------------------------------------------------------------------ chain and mempool

    def get_mempool_size(self) -> int:
        return len(self._state.mempool)

    def get_mempool_dynamic_usage(self) -> int:
        return self._state.mempool.bytes

    def get_mempool_max_usage(self) -> int:
        return policy.MAX_BYTES

    def get_header_tip(self) -> HeaderTip:
        tip = self._state.tip
        return HeaderTip(tip.height, _time(tip), True)

    def get_num_blocks(self) -> int:
        return self._state.tip.height

    def get_best_block_hash(self) -> BlockHash:
        return self._state.tip.hash

    def get_last_block_time(self) -> datetime:
        return _time(self._state.tip)

    def get_verification_progress(self) -> float:
        return 1.0

    def is_initial_block_download(self) -> bool:
        return False

    def is_loading_blocks(self) -> bool:
        return False

    def get_dust_relay_fee(self) -> bytes:
        return pack_fee_rate(policy.DUST_FEE_RATE)

    def get_unspent_output(self, output: OutPoint) -> bytes | None:
        coin = self._state.coin(output)
        return None if coin is None else pack_coin(coin)

    def broadcast_transaction(self, tx: bytes, max_tx_fee: int) -> Broadcast:
        try:
            self._state.accept(tx, max_tx_fee)
        except Invalid as error:
            result = _ERRORS.get(error.reason, TransactionError.MEMPOOL_REJECTED)
            return Broadcast("" if result is TransactionError.OK else str(error), result)
        return Broadcast("", TransactionError.OK)

    # ------------------------------------------------------------------------- RPC and wallets

    def execute_rpc(self, command: str, params: Json, uri: str) -> Json:
        try:
            found = msgspec.json.decode(params)
        except msgspec.DecodeError as error:
            raise RuntimeError(f"the parameters are no JSON: {error}") from None
        return msgspec.json.encode(self._node.commands.execute(command, found, uri)).decode()

    def list_rpc_commands(self) -> list[str]:
        return self._node.commands.names()

    def list_external_signers(self) -> list[ExternalSigner]:
        return []

    wallet_loader = unsupported(Node.wallet_loader)  # wallets are a process of their own

    # --------------------------------------------------------------------------- notifications

    def handle_init_message(self, callback: InitMessageCallback) -> Handler:
        return self._node.messages.add(callback)

    def handle_show_progress(self, callback: ShowProgressCallback) -> Handler:
        return self._node.progress.add(callback)

    def handle_notify_alert_changed(self, callback: Callable[[], None]) -> Handler:
        return self._node.alerts.add(callback)

    def handle_notify_block_tip(self, callback: BlockTipCallback) -> Handler:
        return self._state.tips.add(lambda block: callback(_READY, _tip(block), 1.0))

    def handle_notify_header_tip(self, callback: HeaderTipCallback) -> Handler:
        return self._state.tips.add(lambda block: callback(_READY, _tip(block), 1.0))

    # What this node never does: show boxes, ask, find wallets, have peers, ban.

    def handle_message_box(self, callback: Callable[..., bool]) -> Handler:
        return self._never.add(callback)

    def handle_question(self, callback: Callable[..., bool]) -> Handler:
        return self._never.add(callback)

    def handle_init_wallet(self, callback: Callable[[], None]) -> Handler:
        return self._never.add(callback)

    def handle_notify_num_connections_changed(self, callback: Callable[[int], None]) -> Handler:
        return self._never.add(callback)

    def handle_notify_network_active_changed(self, callback: Callable[[bool], None]) -> Handler:
        return self._never.add(callback)

    def handle_banned_list_changed(self, callback: Callable[[], None]) -> Handler:
        return self._never.add(callback)
