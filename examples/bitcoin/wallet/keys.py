"""Keys from one seed (BIP 32), for P2WPKH addresses (BIP 84)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from btclib.hashes import hash160
from btclib.network import NETWORKS
from btclib_wallet.bip32 import (
    BIP32KeyData,
    BIP32KeyOrigin,
    derive_,
    derive_from_account_,
    fingerprint,
    rootxprv_from_seed_,
    xpub_from_xprv_,
)
from btclib_wallet.psbt_signer import SoftwareSigner

from examples.bitcoin.common.chainparams import NETWORK

_ACCOUNT = "m/84h/1h/0h"
_P2WPKH = bytes.fromhex("0014")

GAP_LIMIT = 20
"""How many addresses beyond the last used one are watched: others with the same seed may have made
them."""

SEED_SIZE = 32


class Branch(IntEnum):
    """What the addresses of an account are for."""

    RECEIVE = 0
    CHANGE = 1


@dataclass(frozen=True)
class Position:
    """Where a key is in its account."""

    branch: Branch
    number: int

    @property
    def path(self) -> str:
        """From the seed."""
        return f"{_ACCOUNT}/{int(self.branch)}/{self.number}"


def new_seed() -> bytes:
    """A seed that nobody has had."""
    return secrets.token_bytes(SEED_SIZE)


@dataclass(frozen=True)
class Account:
    """The public keys of a seed: enough to make addresses, and to recognise what they get."""

    fingerprint: bytes
    """Names the seed in a partially signed transaction."""

    xpub: str

    @classmethod
    def from_seed(cls, seed: bytes) -> Account:
        """The account of a seed."""
        root = _root(seed)
        return cls(fingerprint(root), xpub_from_xprv_(derive_(root, _ACCOUNT)).b58encode())

    @cached_property
    def _key(self) -> BIP32KeyData:
        return BIP32KeyData.b58decode(self.xpub)

    def public_key(self, position: Position) -> bytes:
        """A public key, compressed."""
        return derive_from_account_(self._key, position.branch, position.number).key

    def script(self, position: Position) -> bytes:
        """What an output to this key has as its script."""
        return _P2WPKH + hash160(self.public_key(position))

    def origin(self, position: Position) -> BIP32KeyOrigin:
        """How a signer finds the private key."""
        return BIP32KeyOrigin(self.fingerprint, position.path)


def signer(seed: bytes) -> SoftwareSigner:
    """What signs with the private keys of a seed."""
    return SoftwareSigner(_root(seed))


def _root(seed: bytes) -> BIP32KeyData:
    return rootxprv_from_seed_(seed, NETWORKS[NETWORK].bip32_prv)
