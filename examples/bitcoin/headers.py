"""Block headers as Bitcoin's regtest chain has them: bytes, hashes, proof of work."""

from __future__ import annotations

import struct
from hashlib import sha256

import msgspec

from interfaces.values import BlockHash

_LAYOUT = struct.Struct("<i32s32sIII")

HEADER_SIZE = _LAYOUT.size
NONCES = 1 << 32
REGTEST_BITS = 0x207FFFFF


class InvalidHeader(ValueError):
    """A header that does not extend the chain; the text says why, in Bitcoin Core's words."""


def double_sha256(data: bytes) -> bytes:
    """The hash of headers and transactions."""
    return sha256(sha256(data).digest()).digest()


def show(hash: bytes) -> str:
    """A hash the way Bitcoin prints it: byte-reversed hexadecimal."""
    return hash[::-1].hex()


class Header(msgspec.Struct, frozen=True):
    """The fields of a block header; hashes in internal byte order."""

    version: int
    prev_hash: bytes
    merkle_root: bytes
    time: int
    bits: int
    nonce: int

    def pack(self) -> bytes:
        """The 80 bytes that are hashed and stored."""
        return _LAYOUT.pack(
            self.version, self.prev_hash, self.merkle_root, self.time, self.bits, self.nonce
        )

    @classmethod
    def unpack(cls, data: bytes) -> Header:
        if len(data) != HEADER_SIZE:
            raise InvalidHeader(f"a header has {HEADER_SIZE} bytes, not {len(data)}")
        return cls(*_LAYOUT.unpack(data))

    @property
    def hash(self) -> BlockHash:
        return BlockHash(double_sha256(self.pack()))


def target(bits: int) -> int:
    """The number that a block hash must not exceed, from its compact form in the header."""
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << 8 * (exponent - 3) if exponent > 3 else mantissa >> 8 * (3 - exponent)


def has_proof_of_work(hash: bytes, bits: int) -> bool:
    """Whether a hash, read as a little-endian number, is at most the target."""
    return int.from_bytes(hash, "little") <= target(bits)


def grind(header: bytes) -> bytes:
    """The header with the first nonce, from its own on, that gives it proof of work.

    On regtest every second hash is good enough; no attempt is made to be fast.
    """
    fields = Header.unpack(header)
    base = header[:-4]
    for nonce in range(fields.nonce, NONCES):
        candidate = base + nonce.to_bytes(4, "little")
        if has_proof_of_work(double_sha256(candidate), fields.bits):
            return candidate
    raise InvalidHeader("no nonce gives this header proof of work")


GENESIS = Header(
    version=1,
    prev_hash=bytes(32),
    merkle_root=bytes.fromhex("3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"),
    time=1296688602,
    bits=REGTEST_BITS,
    nonce=2,
)
