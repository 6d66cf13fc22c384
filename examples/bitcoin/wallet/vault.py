"""The seed of a wallet, which everything private is made from: plain, or sealed by a passphrase."""

from __future__ import annotations

import threading
from collections.abc import Callable

from btclib_wallet.psbt_signer import SoftwareSigner

from examples.bitcoin.wallet.encryption import WrongPassphrase, seal, unseal
from examples.bitcoin.wallet.keys import signer
from examples.bitcoin.wallet.store import Store


class Locked(Exception):
    """The seed is needed, and the passphrase was not given."""


class Vault:
    """The seed of a wallet's file. Any thread may use it; `on_change` is told without a lock."""

    def __init__(self, store: Store, on_change: Callable[[], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._signer: SoftwareSigner | None = None
        self._timer: threading.Timer | None = None
        self._lock = threading.RLock()
        plain = store.meta("seed")
        if plain is not None:
            self._signer = signer(plain)

    @property
    def is_encrypted(self) -> bool:
        return self._store.meta("sealed_seed") is not None

    @property
    def is_locked(self) -> bool:
        """Whether it takes the passphrase to sign."""
        return self._signer is None

    def signer(self) -> SoftwareSigner:
        """What signs with the wallet's private keys. Raises Locked."""
        with self._lock:
            if self._signer is None:
                raise Locked("the wallet is locked: unlock it with its passphrase first")
            return self._signer

    def encrypt(self, passphrase: bytes) -> bool:
        """Encrypt the seed, and lock the wallet. Returns whether it was not encrypted before."""
        with self._lock:
            seed = self._store.meta("seed")
            if seed is None or not passphrase:
                return False
            sealed = seal(seed, passphrase)
            with self._store.writing():
                self._store.set_meta("sealed_seed", sealed)
                self._store.set_meta("seed", None)
            self._store.forget_deleted()
            self._signer = None
        self._on_change()
        return True

    def unlock(self, passphrase: bytes, seconds: float | None = None) -> bool:
        """Unlock it, for so many seconds or until `lock`. Returns whether the passphrase was
        right."""
        with self._lock:
            seed = self._unsealed(passphrase)
            if seed is None:
                return False
            self._stop_timer()
            self._signer = signer(seed)
            if seconds is not None:
                timer = threading.Timer(seconds, lambda: self._expire(timer))
                timer.daemon = True
                self._timer = timer
                timer.start()
        self._on_change()
        return True

    def lock(self) -> bool:
        """Forget what the passphrase gave access to. Returns whether the wallet is encrypted."""
        with self._lock:
            if not self.is_encrypted:
                return False
            self._stop_timer()
            self._signer = None
        self._on_change()
        return True

    def change_passphrase(self, old: bytes, new: bytes) -> bool:
        """Seal the seed with another passphrase. Returns whether the old one was right."""
        with self._lock:
            seed = self._unsealed(old)
            if seed is None or not new:
                return False
            with self._store.writing():
                self._store.set_meta("sealed_seed", seal(seed, new))
            self._store.forget_deleted()
        return True

    def close(self) -> None:
        """Forget the seed."""
        with self._lock:
            self._stop_timer()
            self._signer = None

    def _unsealed(self, passphrase: bytes) -> bytes | None:
        sealed = self._store.meta("sealed_seed")
        try:
            return sealed and unseal(sealed, passphrase)
        except WrongPassphrase:
            return None

    def _expire(self, timer: threading.Timer) -> None:
        with self._lock:
            if self._timer is not timer:
                return  # it was locked or unlocked since
            self._timer = None
            self._signer = None
        self._on_change()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
