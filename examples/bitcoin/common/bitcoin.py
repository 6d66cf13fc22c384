"""Bitcoin's serialized values as they travel, and what the library makes of them.

The library shows hashes as people do, backwards; the interfaces have them in internal byte order,
as `BlockHash`, `Txid` and `OutPoint`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO

from btclib import compressor, var_int
from btclib.block import Block, BlockHeader
from btclib.exceptions import BTClibException
from btclib.script.script_pub_key import ScriptPubKey, address
from btclib.tx import OutPoint as TxOutPoint
from btclib.tx import Tx, TxIn, TxOut
from btclib.tx.coin import Coin

from examples.bitcoin.common.chainparams import NETWORK
from interfaces.values import BlockHash, OutPoint, Txid

_LOCATOR_VERSION = 70016
_MAX_LOCATOR = 101
_FEE_RATE = struct.Struct("<qi")

# ------------------------------------------------------------------------ transactions and blocks


def parse_transaction(data: bytes) -> Tx:
    """A transaction, checked on its own. Raises ValueError."""
    return Tx.parse(data)


def transaction_bytes(tx: Tx) -> bytes:
    """A transaction with its witnesses."""
    return tx.serialize(include_witness=True, check_validity=False)


def txid_of(tx: Tx) -> Txid:
    """Its id: the hash without witnesses."""
    return Txid(tx.id[::-1])


def spent_by(tx_in: TxIn) -> OutPoint:
    """The output that an input spends."""
    return OutPoint.of(tx_in.prev_out.tx_id[::-1], tx_in.prev_out.vout)


def library_out_point(out_point: OutPoint) -> TxOutPoint:
    """The same as the library has it."""
    return TxOutPoint(out_point.txid[::-1], out_point.index)


def parse_block(data: bytes) -> Block:
    """A block, of which nothing but the form is checked. Raises ValueError."""
    stream = BytesIO(data)
    block = Block.parse(stream, check_validity=False)
    if stream.tell() != len(data):
        raise ValueError("there is more behind the block")
    return block


def block_bytes(block: Block) -> bytes:
    """A block with its witnesses."""
    return block.serialize(include_witness=True, check_validity=False)


def header_bytes(header: BlockHeader) -> bytes:
    """The 80 bytes that are hashed."""
    return header.serialize(check_validity=False)


def block_hash_of(header: BlockHeader) -> BlockHash:
    """The hash of a block."""
    return BlockHash(header.hash[::-1])


def script_of(address: str) -> bytes:
    """The script that pays to an address of regtest. Raises ValueError."""
    found = ScriptPubKey.from_address(address)
    if found.network != NETWORK and address_of(found.script) != address:
        raise ValueError(f"{address} is an address of {found.network}, not of {NETWORK}")
    return found.script


def address_of(script: bytes) -> str:
    """The address that a script pays to on regtest, empty where it has none."""
    return address(script, NETWORK)


# ------------------------------------------------------------------------------------------ coins


def pack_coin(coin: Coin) -> bytes:
    """An unspent output as it travels: as in Bitcoin Core's UTXO database."""
    return b"".join(
        (
            compressor.serialize_varint(coin.height * 2 + coin.is_coinbase, 32),
            compressor.serialize_varint(compressor.compress_amount(coin.tx_out.value)),
            compressor.serialize_script(coin.tx_out.script_pub_key.script),
        )
    )


SPENT_COIN = b""
"""Stands for an output that there is not."""


def unpack_coin(data: bytes) -> Coin | None:
    """An unspent output from what `pack_coin` made, None for one that there is not. Raises
    ValueError."""
    if data == SPENT_COIN:
        return None
    stream = BytesIO(data)
    return _coin(compressor.parse_varint(stream, 32), stream)


def pack_undo(spent: Iterable[Iterable[Coin]]) -> bytes:
    """What it takes to disconnect a block: the coins that each transaction but the coinbase spends,
    as in Bitcoin Core's files of undo data."""
    per_transaction = [list(coins) for coins in spent]
    parts = [var_int.serialize(len(per_transaction))]
    for coins in per_transaction:
        parts.append(var_int.serialize(len(coins)))
        for coin in coins:
            code, rest = coin.height * 2 + coin.is_coinbase, pack_coin(coin)
            length = len(compressor.serialize_varint(code, 32))
            # Where the height is known, a byte for the version that transactions once had here.
            version = b"\x00" if coin.height else b""
            parts.append(rest[:length] + version + rest[length:])
    return b"".join(parts)


def unpack_undo(data: bytes) -> list[list[Coin]]:
    """The coins from what `pack_undo` made. Raises ValueError."""
    stream = BytesIO(data)
    return [
        [_undo_coin(stream) for _ in range(var_int.parse(stream))]
        for _ in range(var_int.parse(stream))
    ]


def _undo_coin(stream: BytesIO) -> Coin:
    code = compressor.parse_varint(stream, 32)
    if code >> 1:
        compressor.parse_varint(stream)
    return _coin(code, stream)


def _coin(code: int, stream: BytesIO) -> Coin:
    amount = compressor.decompress_amount(compressor.parse_varint(stream))
    return Coin(TxOut(amount, compressor.parse_script(stream)), code >> 1, bool(code & 1))


# ------------------------------------------------------------------------- locators and fee rates


def pack_locator(hashes: Iterable[bytes]) -> bytes:
    """A block locator: hashes from the tip back, in internal byte order."""
    found = list(hashes)
    return struct.pack("<i", _LOCATOR_VERSION) + var_int.serialize(len(found)) + b"".join(found)


def unpack_locator(data: bytes) -> list[BlockHash]:
    """The hashes of a block locator. Raises ValueError."""
    stream = BytesIO(data)
    stream.read(4)
    count = var_int.parse(stream)
    if count > _MAX_LOCATOR:
        raise ValueError(f"a locator of {count} hashes, more than {_MAX_LOCATOR}")
    rest = stream.read()
    if len(rest) != 32 * count:
        raise ValueError(f"a locator of {count} hashes in {len(rest)} bytes")
    return [BlockHash(rest[start : start + 32]) for start in range(0, len(rest), 32)]


def locator_heights(height: int) -> list[int]:
    """Heights of the blocks that a locator names: the last ten, then further and further apart."""
    heights, step = [], 1
    while height > 0:
        heights.append(height)
        if len(heights) >= 10:
            step *= 2
        height -= step
    return [*heights, 0]


def pack_fee_rate(per_kvbyte: int) -> bytes:
    """A fee rate, in satoshis for 1000 virtual bytes, as it travels."""
    return _FEE_RATE.pack(per_kvbyte, 1000 if per_kvbyte else 0)


def unpack_fee_rate(data: bytes) -> int:
    """Satoshis for 1000 virtual bytes, rounded up. Raises ValueError."""
    if len(data) != _FEE_RATE.size:
        raise ValueError(f"a fee rate of {len(data)} bytes")
    fee, size = _FEE_RATE.unpack(data)
    return -(-fee * 1000 // size) if size else 0


def fee_of(per_kvbyte: int, vsize: int) -> int:
    """The fee for a size at a rate, rounded up."""
    return -(-per_kvbyte * vsize // 1000)


InvalidBitcoin = BTClibException
"""What the library raises for values that are not valid; also a ValueError in most cases."""
