"""Bitcoin Core's enumerations. They travel as integers, in the order in which it declares them.

Their values are those of the version that the proposed interfaces are made for. A value that is not
listed here, from a newer peer, is a `ConversionError` that names it.
"""

from __future__ import annotations

import enum

# ------------------------------------------------------------------------------- chain and mempool


class SynchronizationState(enum.IntEnum):
    """How far the node has come when it tells about a new tip."""

    INIT_REINDEX = 0
    INIT_DOWNLOAD = 1
    POST_INIT = 2


class MemPoolRemovalReason(enum.IntEnum):
    """Why a transaction left the mempool."""

    EXPIRY = 0
    SIZELIMIT = 1
    REORG = 2
    BLOCK = 3
    CONFLICT = 4
    REPLACED = 5


class RBFTransactionState(enum.IntEnum):
    """Whether a transaction may be replaced by one that pays more."""

    UNKNOWN = 0
    REPLACEABLE_BIP125 = 1
    FINAL = 2


class TransactionError(enum.IntEnum):
    """What became of a transaction that was to be broadcast."""

    OK = 0
    MISSING_INPUTS = 1
    ALREADY_IN_UTXO_SET = 2
    MEMPOOL_REJECTED = 3
    MEMPOOL_ERROR = 4
    MAX_FEE_EXCEEDED = 5
    MAX_BURN_EXCEEDED = 6
    INVALID_PACKAGE = 7


class TxBroadcast(enum.IntEnum):
    """How a transaction of this node gets to others."""

    MEMPOOL_AND_BROADCAST_TO_ALL = 0
    MEMPOOL_NO_BROADCAST = 1
    NO_MEMPOOL_PRIVATE_BROADCAST = 2


class BlockFilterType(enum.IntEnum):
    """The kinds of compact block filters (BIP 158)."""

    BASIC = 0
    INVALID = 255


class FeeReason(enum.IntEnum):
    """What decided on a fee rate."""

    NONE = 0
    HALF_ESTIMATE = 1
    FULL_ESTIMATE = 2
    DOUBLE_ESTIMATE = 3
    CONSERVATIVE = 4
    MEMPOOL_MIN = 5
    FALLBACK = 6
    REQUIRED = 7


class FeeEstimateMode(enum.IntEnum):
    """Which kind of fee estimate is wanted."""

    UNSET = 0
    ECONOMICAL = 1
    CONSERVATIVE = 2


# ------------------------------------------------------------------------------ settings and RPC


class SettingsAction(enum.IntEnum):
    """Whether a changed setting is written to settings.json at once."""

    WRITE = 0
    SKIP_WRITE = 1


class RPCMode(enum.IntEnum):
    """What an RPC handler is asked for: to run the command, for its help, or for its arguments."""

    EXECUTE = 0
    GET_HELP = 1
    GET_ARGS = 2


class JSONRPCVersion(enum.IntEnum):
    """The JSON-RPC version of a request."""

    V1_LEGACY = 0
    V2 = 1


# ------------------------------------------------------------------------------------------- node


class Network(enum.IntEnum):
    """The network that an address belongs to."""

    UNROUTABLE = 0
    IPV4 = 1
    IPV6 = 2
    ONION = 3
    I2P = 4
    CJDNS = 5
    INTERNAL = 6


class ConnectionDirection(enum.IntFlag):
    """Connections that others made to the node, those that it made, or both."""

    NONE = 0
    IN = 1
    OUT = 2
    BOTH = 3


class ConnectionType(enum.IntEnum):
    """What a connection to a peer is for."""

    INBOUND = 0
    OUTBOUND_FULL_RELAY = 1
    MANUAL = 2
    FEELER = 3
    BLOCK_RELAY = 4
    ADDR_FETCH = 5
    PRIVATE_BROADCAST = 6


class TransportProtocolType(enum.IntEnum):
    """The transport protocol of a connection to a peer (BIP 324 for V2)."""

    DETECTING = 0
    V1 = 1
    V2 = 2


class NetPermissionFlags(enum.IntFlag):
    """What a peer is allowed to do beyond the ordinary."""

    NONE = 0
    BLOOM_FILTER = 1 << 1
    RELAY = 1 << 3
    FORCE_RELAY = 1 << 2 | 1 << 3
    DOWNLOAD = 1 << 6
    NO_BAN = 1 << 4 | 1 << 6
    MEMPOOL = 1 << 5
    ADDR = 1 << 7


class ServiceFlags(enum.IntFlag):
    """What a peer offers to others."""

    NONE = 0
    NETWORK = 1 << 0
    BLOOM = 1 << 2
    WITNESS = 1 << 3
    COMPACT_FILTERS = 1 << 6
    NETWORK_LIMITED = 1 << 10
    P2P_V2 = 1 << 11


class MessageBoxStyle(enum.IntFlag):
    """The icon, the buttons and the behaviour of a message box."""

    ICON_INFORMATION = 0
    ICON_WARNING = 1 << 0
    ICON_ERROR = 1 << 1
    BTN_OK = 0x00000400
    BTN_YES = 0x00004000
    BTN_NO = 0x00010000
    BTN_ABORT = 0x00040000
    BTN_RETRY = 0x00080000
    BTN_IGNORE = 0x00100000
    BTN_CLOSE = 0x00200000
    BTN_CANCEL = 0x00400000
    BTN_DISCARD = 0x00800000
    BTN_HELP = 0x01000000
    BTN_APPLY = 0x02000000
    BTN_RESET = 0x04000000
    MODAL = 0x10000000
    SECURE = 0x40000000


# ----------------------------------------------------------------------------------------- wallet


class OutputType(enum.IntEnum):
    """The kinds of addresses that a wallet makes."""

    LEGACY = 0
    P2SH_SEGWIT = 1
    BECH32 = 2
    BECH32M = 3
    UNKNOWN = 4


class AddressPurpose(enum.IntEnum):
    """What an address in the address book is for."""

    RECEIVE = 0
    SEND = 1
    REFUND = 2


class ChangeType(enum.IntEnum):
    """What has happened to a transaction or to an entry of the address book."""

    NEW = 0
    UPDATED = 1
    DELETED = 2


class SigningResult(enum.IntEnum):
    """What became of a message that was to be signed."""

    OK = 0
    PRIVATE_KEY_NOT_AVAILABLE = 1
    SIGNING_FAILED = 2


class PSBTError(enum.IntEnum):
    """What went wrong with a partially signed transaction."""

    MISSING_INPUTS = 0
    SIGHASH_MISMATCH = 1
    EXTERNAL_SIGNER_NOT_FOUND = 2
    EXTERNAL_SIGNER_FAILED = 3
    UNSUPPORTED = 4
    INCOMPLETE = 5
    OK = 6


class SighashType(enum.IntFlag):
    """What a signature covers."""

    DEFAULT = 0
    ALL = 1
    NONE = 2
    SINGLE = 3
    ANYONECANPAY = 0x80


class WalletFlags(enum.IntFlag):
    """What kind of wallet it is."""

    NONE = 0
    AVOID_REUSE = 1 << 0
    KEY_ORIGIN_METADATA = 1 << 1
    LAST_HARDENED_XPUB_CACHED = 1 << 2
    DISABLE_PRIVATE_KEYS = 1 << 32
    BLANK_WALLET = 1 << 33
    DESCRIPTORS = 1 << 34
    EXTERNAL_SIGNER = 1 << 35
