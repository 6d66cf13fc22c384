"""The seed of a wallet: with a passphrase it cannot be read, and leaves no trace in the file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from hypothesis import given, settings
from hypothesis import strategies as st

from examples.bitcoin.wallet.encryption import WrongPassphrase, seal, unseal
from examples.bitcoin.wallet.keys import Account, Branch, Position, signer
from examples.bitcoin.wallet.open_wallet import create_file
from examples.bitcoin.wallet.store import Store, StoreError
from examples.bitcoin.wallet.vault import Locked, Vault

CHEAP = 2
"""A cost that makes a test quick."""

# HMAC, which scrypt is made of, cannot tell zeros at the end from none.
passphrases = st.binary(max_size=40).map(lambda each: each.rstrip(b"\0"))


def traces(directory: Path, secret: bytes) -> list[str]:
    """The files that have a secret in them."""
    return [path.name for path in directory.iterdir() if secret in path.read_bytes()]


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=64), passphrases, passphrases)
def test_only_the_passphrase_opens_what_is_sealed(secret: bytes, one: bytes, other: bytes) -> None:
    sealed = seal(secret, one, cost=CHEAP)
    assert unseal(sealed, one) == secret
    if one != other:
        with pytest.raises(WrongPassphrase):
            unseal(sealed, other)


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert seal(b"seed", b"p", cost=CHEAP) != seal(b"seed", b"p", cost=CHEAP)


def test_no_trace_of_the_seed_is_left_when_a_wallet_is_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    create_file(path, b"")
    store = Store(path)
    seed = store.meta("seed")
    assert traces(tmp_path, seed)
    vault = Vault(store, lambda: None)
    assert vault.encrypt(b"open sesame")
    assert not traces(tmp_path, seed)
    store.close()
    assert not traces(tmp_path, seed)
    assert not traces(tmp_path, b"open sesame")


def test_a_wallet_made_with_a_passphrase_has_its_account_and_nothing_private(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wallet.sqlite"
    create_file(path, b"open sesame")
    store = Store(path)
    assert store.meta("seed") is None
    vault = Vault(store, lambda: None)
    assert vault.is_encrypted and vault.is_locked
    with pytest.raises(Locked):
        vault.signer()
    assert vault.unlock(b"open sesame")
    found = vault.signer().xpub("m/84h/1h/0h")
    assert found == store.meta("xpub")
    store.close()


def test_passphrases_lock_unlock_and_change(tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    create_file(path, b"old")
    store = Store(path)
    told: list[bool] = []
    vault = Vault(store, lambda: told.append(vault.is_locked))
    assert not vault.unlock(b"new") and vault.is_locked
    assert vault.unlock(b"old") and not vault.is_locked
    assert vault.lock() and vault.is_locked
    assert not vault.encrypt(b"again")
    assert not vault.change_passphrase(b"wrong", b"new")
    assert vault.change_passphrase(b"old", b"new")
    assert not vault.unlock(b"old")
    assert vault.unlock(b"new")
    assert told == [False, True, False]
    store.close()


def test_an_unlocked_wallet_locks_itself_when_the_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    create_file(path, b"p")
    store = Store(path)
    locked = threading.Event()
    vault = Vault(store, lambda: locked.set() if vault.is_locked else None)
    vault.unlock(b"p", 0.01)
    assert locked.wait(30)
    # A later unlock is not cut short by the time of an earlier one.
    vault.unlock(b"p", 3600)
    vault.unlock(b"p")
    assert not vault.is_locked
    vault.close()
    store.close()


def test_two_processes_cannot_open_a_wallet_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    create_file(path, b"")
    store = Store(path)
    with pytest.raises(StoreError, match="in use"):
        Store(path)
    store.close()
    Store(path).close()


@pytest.mark.parametrize("content", [b"", b"no wallet at all " * 300])
def test_what_is_no_wallet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wallet.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="no wallet"):
        Store(path)
    with pytest.raises(StoreError):
        Store(tmp_path / "nothing.sqlite")
    with pytest.raises(StoreError):
        create_file(path, b"")
    assert path.read_bytes() == content or content == b""


def test_addresses_are_those_of_bip_84() -> None:
    """The account of the words "abandon … about", as other wallets have it for test networks."""
    seed = bytes.fromhex(
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    )
    account = Account.from_seed(seed)
    # P2WPKH of m/84'/1'/0'/0/0: tb1q6rz28mcfaxtmd6v789l9rrlrusdprr9pqcpvkl
    assert account.script(Position(Branch.RECEIVE, 0)).hex() == (
        "0014d0c4a3ef09e997b6e99e397e518fe3e41a118ca1"
    )
    assert signer(seed).xpub("m/84h/1h/0h") == account.xpub
