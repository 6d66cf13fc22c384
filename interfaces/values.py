"""What is inside the bytes and numbers of Bitcoin Core's interfaces.

Serialized values are as in the peer-to-peer protocol.
"""

from __future__ import annotations

from typing import TypeAlias

from mpipc import Int64

# ----------------------------------------------------------------------------------------- hashes

BlockHash: TypeAlias = bytes
"""The hash of a block: 32 bytes in internal byte order."""

Txid: TypeAlias = bytes
"""The hash of a transaction without its witnesses: 32 bytes in internal byte order."""

# ------------------------------------------------------------------------------- serialized values

Transaction: TypeAlias = bytes
"""A transaction, with its witnesses."""

TxIn: TypeAlias = bytes
"""An input of a transaction."""

TxOut: TypeAlias = bytes
"""An output of a transaction: an amount and a script."""

OutPoint: TypeAlias = bytes
"""The name of an output: a transaction's id and the output's index (4 bytes, little-endian)."""

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

Passphrase: TypeAlias = bytes
"""A wallet's passphrase."""

# ------------------------------------------------------------------------------- numbers and texts

Amount: TypeAlias = Int64
"""Satoshis."""

UnixTime: TypeAlias = Int64
"""Seconds since 1970."""

Seconds: TypeAlias = Int64
"""A duration in seconds."""

Microseconds: TypeAlias = Int64
"""A duration in microseconds."""

Json: TypeAlias = str
"""A JSON document."""
