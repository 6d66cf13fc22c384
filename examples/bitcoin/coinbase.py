"""The coinbase transaction: the only one in the example's blocks; its hash is their merkle root."""

from __future__ import annotations

import struct

from examples.bitcoin.headers import double_sha256

_COIN = 100_000_000
_HALVING_INTERVAL = 150  # regtest
_TAG = b"\x05mpipc"  # pushed after the height: consensus asks for 2 bytes of script or more
_OP_TRUE = b"\x51"  # anyone may spend it: the example has no keys
_BEFORE_SCRIPT = struct.pack("<iB32sI", 2, 1, bytes(32), 0xFFFFFFFF)


def subsidy(height: int) -> int:
    """Satoshis that a block at this height creates."""
    return 50 * _COIN >> height // _HALVING_INTERVAL


def script_number(value: int) -> bytes:
    """A number as script pushes it, the form in which BIP 34 wants the height."""
    if value == 0:
        return b"\x00"
    if value <= 16:
        return bytes([0x50 + value])
    # A byte more than the bits need whenever the top bit, which is the sign, would be set.
    digits = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return bytes([len(digits)]) + digits


def build(height: int) -> bytes:
    """A coinbase transaction without witness, as it is hashed."""
    script = script_number(height) + _TAG
    output = struct.pack("<qB", subsidy(height), len(_OP_TRUE)) + _OP_TRUE
    return b"".join(
        (_BEFORE_SCRIPT, bytes([len(script)]), script, b"\xff\xff\xff\xff\x01", output, bytes(4))
    )


def commits_to(transaction: bytes, height: int) -> bool:
    """Whether this is a coinbase transaction for this height (BIP 34)."""
    start = len(_BEFORE_SCRIPT)
    return (
        transaction[4:start] == _BEFORE_SCRIPT[4:]
        and transaction[start + 1 :].startswith(script_number(height))
    )  # fmt: skip


def merkle_root(transaction: bytes) -> bytes:
    """Merkle root of a block that has no other transaction: its hash."""
    return double_sha256(transaction)
