"""A secret that can only be read with a passphrase."""

from __future__ import annotations

import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_COST = 1 << 16
"""Makes a guess take 64 MiB, and a good part of a second."""


class Sealed(msgspec.Struct, frozen=True):
    """A secret, encrypted, and what its key is made with besides the passphrase."""

    cost: int
    salt: bytes
    nonce: bytes
    ciphertext: bytes


class WrongPassphrase(Exception):
    """The passphrase is not the one that the secret was sealed with."""


def seal(secret: bytes, passphrase: bytes, *, cost: int = _COST) -> bytes:
    """Encrypt a secret: AES-256-GCM, with a key made from the passphrase by scrypt."""
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    ciphertext = AESGCM(_key(passphrase, salt, cost)).encrypt(nonce, secret, None)
    return msgspec.json.encode(Sealed(cost, salt, nonce, ciphertext))


def unseal(sealed: bytes, passphrase: bytes) -> bytes:
    """The secret. Raises WrongPassphrase."""
    found = msgspec.json.decode(sealed, type=Sealed)
    key = _key(passphrase, found.salt, found.cost)
    try:
        return AESGCM(key).decrypt(found.nonce, found.ciphertext, None)
    except InvalidTag:
        raise WrongPassphrase("the passphrase is wrong") from None


def _key(passphrase: bytes, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase)
