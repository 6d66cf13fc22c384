"""A whole node, as a graphical user interface runs and shows it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec

import mpipc
from interfaces.common import BilingualStr, GlobalArgs, Pair, PairUInt64
from interfaces.enums import (
    ConnectionDirection,
    ConnectionType,
    MessageBoxStyle,
    NetPermissionFlags,
    Network,
    ServiceFlags,
    SynchronizationState,
    TransactionError,
    TransportProtocolType,
)
from interfaces.errors import RPCError
from interfaces.handler import Handler
from interfaces.values import (
    Amount,
    BlockHash,
    Coin,
    FeeRate,
    Json,
    NetAddress,
    OutPoint,
    SecretJson,
    Service,
    Subnet,
    Transaction,
    UnixTime,
)
from interfaces.wallet import WalletLoader
from mpipc import Field, Int32, Int64, Microseconds, Raises, Seconds, UInt8, UInt16, UInt32, UInt64

__schema__ = mpipc.SchemaFile(
    id=0x92546C47DC734B2E,
    cxx_namespace="ipc::capnp::messages",
    include=["ipc/capnp/node.h"],
    include_types=["ipc/capnp/node-types.h"],
)

# -------------------------------------------------------------------------------------- structs


@mpipc.struct(wrap="interfaces::BlockAndHeaderTipInfo")
class BlockAndHeaderTipInfo(msgspec.Struct, frozen=True):
    """How far the node has come: the last block that it has, and the last header."""

    block_height: Int32
    block_time: UnixTime
    header_height: Int32
    header_time: UnixTime
    verification_progress: float
    """The estimated share of all transactions that is verified, up to 1."""


@mpipc.struct(wrap="interfaces::BlockTip")
class BlockTip(msgspec.Struct, frozen=True):
    """A new tip of the chain, or of the headers."""

    block_height: Int32
    block_time: UnixTime
    block_hash: BlockHash


@mpipc.struct(wrap="::Proxy")
class ProxyInfo(msgspec.Struct, frozen=True):
    """The proxy that connections of one kind go through."""

    proxy: Service
    tor_stream_isolation: Annotated[bool, Field(cxx_name="m_tor_stream_isolation")]
    """Whether each connection gets other credentials, so that Tor keeps them apart."""


@mpipc.struct(wrap="LocalServiceInfo")
class LocalServiceInfo(msgspec.Struct, frozen=True):
    """What is known of an address that the node itself can be reached at."""

    score: Annotated[Int32, Field(cxx_name="nScore")]
    """How likely it is right: the higher, the more so."""

    port: Annotated[UInt16, Field(cxx_name="nPort")]


@mpipc.struct
class Banmap(msgspec.Struct, frozen=True):
    """Who is banned, until when."""

    json: Json


@mpipc.struct(wrap="CNodeStateStats")
class NodeStateStats(msgspec.Struct, frozen=True):
    """What the node knows of a peer's blocks and transactions."""

    sync_height: Annotated[Int32, Field(cxx_name="nSyncHeight")]
    """Height of its best header that the node knows of; -1 for none."""

    common_height: Annotated[Int32, Field(cxx_name="nCommonHeight")]
    """Height of the last block that both have; -1 for none."""

    starting_height: Annotated[Int32, Field(cxx_name="m_starting_height")]
    """Height of its tip when it connected."""

    ping_wait: Annotated[Microseconds, Field(cxx_name="m_ping_wait")]
    """How long a ping has been waiting for its answer."""

    height_in_flight: Annotated[list[Int32], Field(cxx_name="vHeightInFlight")]
    """Heights of the blocks that it was asked for."""

    relay_txs: Annotated[bool, Field(cxx_name="m_relay_txs")]
    """Whether it wants to be told about transactions."""

    inv_to_send: Annotated[Int32, Field(cxx_name="m_inv_to_send")]
    """How many transactions are waiting to be announced to it."""

    last_inv_seq: Annotated[UInt64, Field(cxx_name="m_last_inv_seq")]
    """How far announcements to it have come, in the mempool's count."""

    fee_filter_received: Annotated[Amount, Field(cxx_name="m_fee_filter_received")]
    """The fee, in satoshis for 1000 vbytes, below which it wants no transaction."""

    addresses_processed: Annotated[UInt64, Field(cxx_name="m_addr_processed")]
    addresses_rate_limited: Annotated[UInt64, Field(cxx_name="m_addr_rate_limited")]
    address_relay_enabled: Annotated[bool, Field(cxx_name="m_addr_relay_enabled")]
    their_services: Annotated[ServiceFlags, UInt64]
    presync_height: Int64
    """How many of its headers were checked before any was stored; -1 when that is not going on."""

    time_offset: Seconds
    """How much its clock is ahead."""


@mpipc.struct(wrap="CNodeStats")
class NodeStats(msgspec.Struct, frozen=True):
    """A peer, and what went through the connection to it."""

    nodeid: Annotated[Int64, Field(cxx_name="nodeid")]
    last_send: Annotated[UnixTime, Field(cxx_name="m_last_send")]
    last_recv: Annotated[UnixTime, Field(cxx_name="m_last_recv")]
    last_tx_time: Annotated[UnixTime, Field(name="lastTXTime", cxx_name="m_last_tx_time")]
    """When the last transaction came that was new and valid."""

    last_block_time: Annotated[UnixTime, Field(cxx_name="m_last_block_time")]
    """When the last block came that was new and valid."""

    time_connected: Annotated[UnixTime, Field(cxx_name="m_connected")]
    addr_name: Annotated[str, Field(cxx_name="m_addr_name")]
    version: Annotated[Int32, Field(cxx_name="nVersion")]
    """The protocol version that it speaks."""

    clean_sub_ver: Annotated[str, Field(cxx_name="cleanSubVer")]
    """What it calls itself, without characters that could do harm."""

    inbound: Annotated[bool, Field(cxx_name="fInbound")]
    bip152_highbandwidth_to: Annotated[bool, Field(cxx_name="m_bip152_highbandwidth_to")]
    bip152_highbandwidth_from: Annotated[bool, Field(cxx_name="m_bip152_highbandwidth_from")]
    starting_height: Annotated[Int32, Field(cxx_name="m_starting_height")]
    send_bytes: Annotated[UInt64, Field(cxx_name="nSendBytes")]
    send_bytes_per_msg_type: Annotated[
        dict[str, UInt64], PairUInt64, Field(cxx_name="mapSendBytesPerMsgType")
    ]
    recv_bytes: Annotated[UInt64, Field(cxx_name="nRecvBytes")]
    recv_bytes_per_msg_type: Annotated[
        dict[str, UInt64], PairUInt64, Field(cxx_name="mapRecvBytesPerMsgType")
    ]
    permission_flags: Annotated[NetPermissionFlags, Field(cxx_name="m_permission_flags")]
    ping_time: Annotated[Microseconds, Field(cxx_name="m_last_ping_time")]
    """How long the last ping took."""

    min_ping_time: Annotated[Microseconds, Field(cxx_name="m_min_ping_time")]
    addr_local: Annotated[str, Field(cxx_name="addrLocal")]
    """The address by which it sees this node."""

    addr: Annotated[Service, Field(cxx_name="addr")]
    addr_bind: Annotated[Service, Field(cxx_name="addrBind")]
    """The address of this end of the connection."""

    network: Annotated[Network, Field(cxx_name="m_network")]
    mapped_as: Annotated[UInt32, Field(cxx_name="m_mapped_as")]
    """The autonomous system that its address belongs to; 0 where that is not known."""

    conn_type: Annotated[ConnectionType, Field(cxx_name="m_conn_type")]
    transport_type: Annotated[TransportProtocolType, UInt8, Field(cxx_name="m_transport_type")]
    session_id: Annotated[str, Field(cxx_name="m_session_id")]
    """The id of an encrypted connection, by which both ends can see that nobody is in between."""

    state_stats: Annotated[NodeStateStats | None, Field(skip=True)] = None
    """What else is known of it; None where it had gone when it was looked up."""


# ------------------------------------------------------------------------------------- callbacks

_Message = Annotated[BilingualStr, Field(name="message")]
_Style = Annotated[MessageBoxStyle, UInt32, Field(name="style")]
_SyncState = Annotated[SynchronizationState, Field(name="syncState")]
_Tip = Annotated[BlockTip, Field(name="tip")]
_Progress = Annotated[float, Field(name="verificationProgress")]

InitMessageCallback = Annotated[
    Callable[[Annotated[str, Field(name="message")]], None],
    mpipc.interface(
        name="InitMessageCallback", wrap="ProxyCallback<interfaces::Node::InitMessageFn>"
    ),
]
"""What is being done at start."""

MessageBoxCallback = Annotated[
    Callable[[_Message, _Style], bool],
    mpipc.interface(
        name="MessageBoxCallback", wrap="ProxyCallback<interfaces::Node::MessageBoxFn>"
    ),
]
"""Shows a message. Returns whether the user agreed."""

QuestionCallback = Annotated[
    Callable[[_Message, Annotated[str, Field(name="nonInteractiveMessage")], _Style], bool],
    mpipc.interface(name="QuestionCallback", wrap="ProxyCallback<interfaces::Node::QuestionFn>"),
]
"""Asks a question, with another text for where nobody can be asked. Returns whether the answer is
yes."""

ShowProgressCallback = Annotated[
    Callable[
        [
            Annotated[str, Field(name="title")],
            Annotated[Int32, Field(name="progress")],
            Annotated[bool, Field(name="resumePossible")],
        ],
        None,
    ],
    mpipc.interface(
        name="ShowNodeProgressCallback", wrap="ProxyCallback<interfaces::Node::ShowProgressFn>"
    ),
]
"""How far something is, in percent, and whether it could be interrupted and go on later."""

InitWalletCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="InitWalletCallback", wrap="ProxyCallback<interfaces::Node::InitWalletFn>"
    ),
]
"""There is a wallet loader now."""

NumConnectionsChangedCallback = Annotated[
    Callable[[Annotated[Int32, Field(name="newNumConnections")]], None],
    mpipc.interface(
        name="NotifyNumConnectionsChangedCallback",
        wrap="ProxyCallback<interfaces::Node::NotifyNumConnectionsChangedFn>",
    ),
]
"""How many peers there are now."""

NetworkActiveChangedCallback = Annotated[
    Callable[[Annotated[bool, Field(name="networkActive")]], None],
    mpipc.interface(
        name="NotifyNetworkActiveChangedCallback",
        wrap="ProxyCallback<interfaces::Node::NotifyNetworkActiveChangedFn>",
    ),
]
"""Whether the node is on the network now."""

AlertChangedCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="NotifyAlertChangedCallback",
        wrap="ProxyCallback<interfaces::Node::NotifyAlertChangedFn>",
    ),
]
"""There are other warnings now."""

BannedListChangedCallback = Annotated[
    Callable[[], None],
    mpipc.interface(
        name="BannedListChangedCallback",
        wrap="ProxyCallback<interfaces::Node::BannedListChangedFn>",
    ),
]
"""Others are banned now."""

BlockTipCallback = Annotated[
    Callable[[_SyncState, _Tip, _Progress], None],
    mpipc.interface(
        name="NotifyBlockTipCallback", wrap="ProxyCallback<interfaces::Node::NotifyBlockTipFn>"
    ),
]
"""The chain has another tip."""

HeaderTipCallback = Annotated[
    Callable[[_SyncState, _Tip, _Progress], None],
    mpipc.interface(
        name="NotifyHeaderTipCallback", wrap="ProxyCallback<interfaces::Node::NotifyHeaderTipFn>"
    ),
]
"""The headers have another tip."""

# --------------------------------------------------------------------------------------- results


class AppInit(mpipc.Results):
    """Whether the node could start, and how far it had come."""

    tip_info: Annotated[BlockAndHeaderTipInfo, Field(0)]
    result: Annotated[bool, Field(2)]


class FoundProxy(mpipc.Results):
    """A proxy; `result` says whether there is one."""

    proxy_info: ProxyInfo
    result: bool


class NodesStats(mpipc.Results):
    """All peers; `result` says whether there is a network at all."""

    stats: list[NodeStats]
    result: bool


class Banned(mpipc.Results):
    """Who is banned; `result` says whether the node keeps such a list."""

    banmap: Banmap
    result: bool


class HeaderTip(mpipc.Results):
    """The best header; `result` says whether there is one."""

    height: Int32
    block_time: UnixTime
    result: bool


class Broadcast(mpipc.Results):
    """What became of a transaction, and where it was refused, why."""

    error: str
    result: TransactionError


# -------------------------------------------------------------------------------------- interfaces


@mpipc.interface(wrap="interfaces::ExternalSigner")
class ExternalSigner(ABC):
    """A device that signs transactions."""

    @mpipc.method(1)
    @abstractmethod
    def get_name(self) -> str:
        """Its name, to show to the user."""


@mpipc.interface(wrap="interfaces::Node")
class Node(ABC):
    """A node. Methods about settings must not block: they run on its I/O thread."""

    @mpipc.method(1)
    @abstractmethod
    def init_logging(self) -> None:
        """Begin to log, as the settings say."""

    @mpipc.method(2)
    @abstractmethod
    def init_parameter_interaction(self) -> None:
        """Let settings change others that they imply."""

    @mpipc.method(3)
    @abstractmethod
    def get_warnings(self) -> BilingualStr:
        """What the user should know; empty where there is nothing."""

    @mpipc.method(4)
    @abstractmethod
    def get_log_categories(self) -> UInt64:
        """What is logged in detail: a bit for each category, numbered as in C++."""

    @mpipc.method(5)
    @abstractmethod
    def get_exit_status(self) -> Int32:
        """What the process is to return in the end."""

    @mpipc.method(6, raises=RuntimeError)
    @abstractmethod
    def base_initialize(self, global_args: GlobalArgs) -> bool:
        """Take the settings of the calling process over, and prepare to start."""

    @mpipc.method(7, raises=Raises(RuntimeError, ordinal=1))
    @abstractmethod
    def app_init_main(self) -> AppInit:
        """Start the node. Returns when it is running."""

    @mpipc.method(8)
    @abstractmethod
    def app_shutdown(self) -> None:
        """Stop the node. Returns when it has stopped."""

    @mpipc.method(9)
    @abstractmethod
    def start_shutdown(self) -> None:
        """Ask the node to stop."""

    @mpipc.method(10)
    @abstractmethod
    def shutdown_requested(self) -> bool:
        """Whether it was asked to stop."""

    @mpipc.method(11, context=False)
    @abstractmethod
    def is_setting_ignored(self, name: str) -> bool:
        """Whether the command line hides a setting in settings.json."""

    @mpipc.method(12, context=False)
    @abstractmethod
    def get_persistent_setting(self, name: str) -> Json:
        """A setting in settings.json or bitcoin.conf; `null` where it is in neither."""

    @mpipc.method(13, context=False)
    @abstractmethod
    def update_rw_setting(self, name: str, value: Json) -> None:
        """Change a setting in settings.json."""

    @mpipc.method(14, context=False)
    @abstractmethod
    def force_setting(self, name: str, value: Json) -> None:
        """Set something against all other settings, and do not store it."""

    @mpipc.method(15, context=False)
    @abstractmethod
    def reset_settings(self) -> None:
        """Empty settings.json, and keep the old one as settings.json.bak."""

    @mpipc.method(16)
    @abstractmethod
    def map_port(self, use_nat_pnp: Annotated[bool, Field(name="useNatPnP")]) -> None:
        """Ask the router to let peers through, or ask no more."""

    @mpipc.method(17)
    @abstractmethod
    def get_proxy(self, net: Network) -> FoundProxy:
        """The proxy for connections to a network."""

    @mpipc.method(18)
    @abstractmethod
    def get_node_count(self, flags: ConnectionDirection) -> UInt64:
        """The number of peers."""

    @mpipc.method(19)
    @abstractmethod
    def get_nodes_stats(self) -> NodesStats:
        """All peers, and what is known of them."""

    @mpipc.method(20)
    @abstractmethod
    def get_banned(self) -> Banned:
        """Who is banned."""

    @mpipc.method(21)
    @abstractmethod
    def ban(self, net_addr: NetAddress, ban_time_offset: Seconds) -> bool:
        """Ban an address for some seconds from now. Returns whether the node keeps such a list."""

    @mpipc.method(22)
    @abstractmethod
    def unban(self, ip: Subnet) -> bool:
        """Ban addresses no more. Returns whether they were."""

    @mpipc.method(23)
    @abstractmethod
    def disconnect_by_address(self, address: NetAddress) -> bool:
        """Drop the peers at an address. Returns whether there were any."""

    @mpipc.method(24)
    @abstractmethod
    def disconnect_by_id(self, id: Int64) -> bool:
        """Drop a peer. Returns whether there was one."""

    @mpipc.method(25)
    @abstractmethod
    def list_external_signers(self) -> list[ExternalSigner]:
        """Devices that sign transactions and are there now."""

    @mpipc.method(26)
    @abstractmethod
    def get_total_bytes_recv(self) -> Int64:
        """Bytes from all peers so far."""

    @mpipc.method(27)
    @abstractmethod
    def get_total_bytes_sent(self) -> Int64:
        """Bytes to all peers so far."""

    @mpipc.method(28)
    @abstractmethod
    def get_mempool_size(self) -> UInt64:
        """Number of transactions in the mempool."""

    @mpipc.method(29)
    @abstractmethod
    def get_mempool_dynamic_usage(self) -> UInt64:
        """Memory that the mempool takes, in bytes."""

    @mpipc.method(30)
    @abstractmethod
    def get_mempool_max_usage(self) -> UInt64:
        """Memory that the mempool may take, in bytes."""

    @mpipc.method(31)
    @abstractmethod
    def get_header_tip(self) -> HeaderTip:
        """The best header."""

    @mpipc.method(32)
    @abstractmethod
    def get_num_blocks(self) -> Int32:
        """Height of the tip."""

    @mpipc.method(33)
    @abstractmethod
    def get_net_local_addresses(self) -> Annotated[dict[NetAddress, LocalServiceInfo], Pair]:
        """The addresses that the node itself can be reached at."""

    @mpipc.method(34)
    @abstractmethod
    def get_best_block_hash(self) -> BlockHash:
        """Hash of the tip."""

    @mpipc.method(35)
    @abstractmethod
    def get_last_block_time(self) -> UnixTime:
        """The time in the tip's header."""

    @mpipc.method(36)
    @abstractmethod
    def get_verification_progress(self) -> float:
        """The estimated share of all transactions that is verified, up to 1."""

    @mpipc.method(37)
    @abstractmethod
    def is_initial_block_download(self) -> bool:
        """Whether the node is still catching up with the chain."""

    @mpipc.method(38)
    @abstractmethod
    def is_loading_blocks(self) -> bool:
        """Whether the node is reading blocks from files."""

    @mpipc.method(39)
    @abstractmethod
    def set_network_active(self, active: bool) -> None:
        """Go on the network, or off it."""

    @mpipc.method(40)
    @abstractmethod
    def get_network_active(self) -> bool:
        """Whether the node is on the network."""

    @mpipc.method(41)
    @abstractmethod
    def get_dust_relay_fee(self) -> FeeRate:
        """The fee rate at which an output that costs more to spend than it holds is dust."""

    @mpipc.method(42, raises=[RuntimeError, Raises(RPCError, "rpcError", "UniValue")])
    @abstractmethod
    def execute_rpc(self, command: str, params: SecretJson, uri: str) -> SecretJson:
        """Run an RPC command. `uri` is the path that HTTP would have, such as `/wallet/NAME`."""

    @mpipc.method(43)
    @abstractmethod
    def list_rpc_commands(self) -> list[str]:
        """The names of all RPC commands."""

    @mpipc.method(44)
    @abstractmethod
    def get_unspent_output(self, output: OutPoint) -> Coin | None:
        """An unspent output, None where there is none of this name."""

    @mpipc.method(45)
    @abstractmethod
    def broadcast_transaction(self, tx: Transaction, max_tx_fee: Amount) -> Broadcast:
        """Hand a transaction in, unless it pays more than `max_tx_fee`."""

    @mpipc.method(46, name="customWalletLoader", cxx_name="walletLoader")
    @abstractmethod
    def wallet_loader(self) -> WalletLoader:
        """What loads wallets."""

    @mpipc.method(47)
    @abstractmethod
    def handle_init_message(self, callback: InitMessageCallback) -> Handler:
        """Tell `callback` what is being done at start."""

    @mpipc.method(48)
    @abstractmethod
    def handle_message_box(self, callback: MessageBoxCallback) -> Handler:
        """Let `callback` show messages."""

    @mpipc.method(49)
    @abstractmethod
    def handle_question(self, callback: QuestionCallback) -> Handler:
        """Let `callback` ask questions."""

    @mpipc.method(50)
    @abstractmethod
    def handle_show_progress(self, callback: ShowProgressCallback) -> Handler:
        """Let `callback` show how far something is."""

    @mpipc.method(51)
    @abstractmethod
    def handle_init_wallet(self, callback: InitWalletCallback) -> Handler:
        """Tell `callback` when there is a wallet loader."""

    @mpipc.method(52)
    @abstractmethod
    def handle_notify_num_connections_changed(
        self, callback: NumConnectionsChangedCallback
    ) -> Handler:
        """Tell `callback` when peers come and go."""

    @mpipc.method(53)
    @abstractmethod
    def handle_notify_network_active_changed(
        self, callback: NetworkActiveChangedCallback
    ) -> Handler:
        """Tell `callback` when the node goes on the network, or off it."""

    @mpipc.method(54)
    @abstractmethod
    def handle_notify_alert_changed(self, callback: AlertChangedCallback) -> Handler:
        """Tell `callback` when there are other warnings."""

    @mpipc.method(55)
    @abstractmethod
    def handle_banned_list_changed(self, callback: BannedListChangedCallback) -> Handler:
        """Tell `callback` when others are banned."""

    @mpipc.method(56)
    @abstractmethod
    def handle_notify_block_tip(self, callback: BlockTipCallback) -> Handler:
        """Tell `callback` about new tips of the chain."""

    @mpipc.method(57)
    @abstractmethod
    def handle_notify_header_tip(self, callback: HeaderTipCallback) -> Handler:
        """Tell `callback` about new tips of the headers."""
