"""What is inside the bytes and numbers of Bitcoin Core's interfaces.

Serialized values are as in the peer-to-peer protocol.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, TypeAlias, TypeVar

import msgspec

from mpipc import Field, Int64, hooks

H = TypeVar("H", bound="Hash")

# ----------------------------------------------------------------------------------------- hashes


class Hash(bytes):
    """A hash of 32 bytes in internal byte order. People see it backwards, as hexadecimal digits:

        BlockHash.from_hex("000000000019d668…")        str(hash)

    It compares and hashes as the bytes that it is; those from a peer may be any number.
    """

    __slots__ = ()

    @classmethod
    def from_hex(cls: type[H], digits: str) -> H:
        """The hash that is shown with these 64 digits. Raises ValueError."""
        found = bytes.fromhex(digits)
        if len(found) != 32:
            raise ValueError(f"{len(found)} bytes, where a hash has 32")
        return cls(found[::-1])

    def __str__(self) -> str:
        return self[::-1].hex()

    def __repr__(self) -> str:
        return f"{type(self).__name__}.from_hex('{self}')"


class BlockHash(Hash):
    """The hash of a block's header."""

    __slots__ = ()


class Txid(Hash):
    """The hash of a transaction without its witnesses."""

    __slots__ = ()


class OutPoint(bytes):
    """The name of an output: the transaction's id, and the output's index in 4 bytes,
    little-endian."""

    __slots__ = ()

    @classmethod
    def of(cls, txid: bytes, index: int) -> OutPoint:
        """The output of a transaction with this index. Raises ValueError for an id that is none,
        OverflowError for an index that is none."""
        if len(txid) != 32:
            raise ValueError(f"{len(txid)} bytes, where a transaction's id has 32")
        return cls(txid + index.to_bytes(4, "little"))

    @property
    def txid(self) -> Txid:
        """The transaction's id."""
        return Txid(self[:32])

    @property
    def index(self) -> int:  # type: ignore[override]
        """The output's index."""
        return int.from_bytes(self[32:36], "little")

    def __str__(self) -> str:
        return f"{self.txid}:{self.index}"

    def __repr__(self) -> str:
        return f"OutPoint.of({self.txid!r}, {self.index})"


def build_bytes(value: bytes) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"{type(value).__name__}, where bytes belong")
    return bytes(value)


class Passphrase(bytes):
    """A wallet's passphrase, which does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Passphrase(...)"


class SecretText(str):
    """A text that does not show itself."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SecretText(...)"


def build_text(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__}, where a text belongs")
    return str(value)


hooks.register(Passphrase, wire=bytes, build=build_bytes, read=Passphrase)
hooks.register(SecretText, wire=str, build=build_text, read=SecretText)

HiddenPassphrase: TypeAlias = Annotated[Passphrase, Field(secret=True)]
"""Bytes of any class are taken for it, and shown nowhere."""

HiddenText: TypeAlias = Annotated[SecretText, Field(secret=True)]
"""A text of any class is taken for it, and shown nowhere."""

hooks.register(BlockHash, wire=bytes, build=build_bytes, read=BlockHash)
hooks.register(Txid, wire=bytes, build=build_bytes, read=Txid)
hooks.register(OutPoint, wire=bytes, build=build_bytes, read=OutPoint)

# ------------------------------------------------------------------------------- serialized values

Transaction: TypeAlias = bytes
"""A transaction, with its witnesses."""

TxIn: TypeAlias = bytes
"""An input of a transaction."""

TxOut: TypeAlias = bytes
"""An output of a transaction: an amount and a script."""

Coin: TypeAlias = bytes
"""An unspent output, the height of its block, and whether it is of a coinbase; as in the UTXO
database, compressed."""

Block: TypeAlias = bytes
"""A block with its transactions."""

BlockLocator: TypeAlias = bytes
"""Hashes of blocks back to the genesis block, more and more of them left out."""

Script: TypeAlias = bytes
"""A script, as in an output."""

Psbt: TypeAlias = bytes
"""A partially signed transaction (BIP 174)."""

FeeRate: TypeAlias = bytes
"""Satoshis for each size of a transaction."""

PublicKey: TypeAlias = bytes
"""A public key, compressed or not."""

KeyId: TypeAlias = bytes
"""The hash of a public key (20 bytes)."""

NetAddress: TypeAlias = bytes
"""The address of a host, without a port."""

Service: TypeAlias = bytes
"""The address of a host, and a port."""

Subnet: TypeAlias = bytes
"""The address of a network, and its mask."""

# ------------------------------------------------------------------------------- numbers and texts

Amount: TypeAlias = Int64
"""Satoshis."""


class _SinceEpoch(msgspec.Struct, frozen=True):
    """Marks a datetime that travels as seconds since 1970."""


UnixTime = Annotated[datetime, _SinceEpoch()]
"""A point in time, to the second. It has a time zone, and arrives in UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def build_unix_time(value: datetime) -> int:
    if value.tzinfo is None:
        raise ValueError("it has no time zone: datetime.now(timezone.utc), for example, has one")
    seconds, rest = divmod(value - EPOCH, timedelta(seconds=1))
    if rest:
        raise ValueError("it has a fraction of a second, which .replace(microsecond=0) removes")
    return seconds


def read_unix_time(seconds: int) -> datetime:
    try:
        return EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("out of range") from None


def _is_unix_time(annotation: object, metadata: tuple[object, ...]) -> bool:
    return annotation is datetime and _SinceEpoch() in metadata


hooks.register_if(
    _is_unix_time, wire=Int64, build=build_unix_time, read=read_unix_time, name="UnixTime"
)

Json: TypeAlias = str
"""A JSON document."""

SecretJson: TypeAlias = Annotated[Json, Field(secret=True)]
"""JSON of RPC commands, some of which take passphrases or give private keys."""
