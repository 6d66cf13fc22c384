"""The wallets of a data directory: making, loading and unloading them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.bitcoin.common.console import say
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.link import Link
from examples.bitcoin.common.options import Options
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.wallet.failures import WalletError, WalletNotFound
from examples.bitcoin.wallet.open_wallet import OpenWallet, create_file
from examples.bitcoin.wallet.store import Store, StoreError, publish
from interfaces.chain import Chain
from interfaces.proposed import ProposedInit

_PREFIX, _SUFFIX = "wallet-", ".sqlite"
_DEFAULT = "wallet.sqlite"
_LONGEST_NAME = 100


class Wallets:
    """The wallets of a directory, by their names. Any thread may use it."""

    def __init__(self, directory: Path) -> None:
        """Raises Failure where the directory cannot be used."""
        self.directory = directory
        self.loaded = Subscribers[Callable[[OpenWallet], None]]("that wallets are loaded")
        self._open: dict[str, OpenWallet] = {}
        self._chain: Chain | None = None
        self._lock = threading.RLock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in directory.glob(".*.tmp"):
                left.unlink()  # of a process that ended while it made a wallet
        except OSError as error:
            why = error.strerror
            raise Failure(f"cannot use the wallet directory {directory}: {why}") from None

    # ---------------------------------------------------------------------------- the wallets

    def names(self) -> list[str]:
        """Those in the directory, loaded or not."""
        files = [path.name for path in self.directory.glob(f"{_PREFIX}*{_SUFFIX}")]
        names = [name[len(_PREFIX) : -len(_SUFFIX)] for name in files]
        return sorted([*names, ""] if (self.directory / _DEFAULT).exists() else names)

    def open(self) -> list[OpenWallet]:
        """Those that are loaded."""
        with self._lock:
            return list(self._open.values())

    def get(self, name: str) -> OpenWallet:
        """One that is loaded. Raises WalletNotFound."""
        with self._lock:
            if name not in self._open:
                raise WalletNotFound(f"no wallet {name!r} is loaded")
            return self._open[name]

    def create(self, name: str, passphrase: bytes = b"") -> OpenWallet:
        """Make a wallet and load it; it is encrypted where the passphrase is not empty. Raises
        WalletError."""
        path = self._path(name)
        with self._lock:
            if path.exists():
                raise WalletError(f"there is a wallet {name!r} already")
            try:
                create_file(path, passphrase)
            except StoreError as error:
                raise WalletError(str(error)) from None
            return self.load(name)

    def load(self, name: str) -> OpenWallet:
        """Load a wallet. Raises WalletError."""
        path = self._path(name)
        with self._lock:
            if name in self._open:
                raise WalletError(f"the wallet {name!r} is loaded already")
            if not path.exists():
                raise WalletNotFound(f"there is no wallet {name!r}")
            try:
                wallet = OpenWallet(name, path)
            except StoreError as error:
                raise WalletError(str(error)) from None
            wallet.set_load_on_start(True)
            self._open[name] = wallet
            if self._chain is not None:
                wallet.attach(self._chain)
        self.loaded.tell(lambda callback: callback(wallet))
        return wallet

    def unload(self, name: str) -> None:
        """Unload a wallet; it is not loaded at the next start either. Raises WalletNotFound."""
        with self._lock:
            wallet = self.get(name)
            del self._open[name]
            wallet.set_load_on_start(False)
        wallet.close()

    def restore(self, backup: Path, name: str) -> None:
        """Make a wallet from a backup. Raises WalletError."""
        path = self._path(name)
        temporary = path.with_name(f".{path.name}.restore.tmp")
        try:
            shutil.copyfile(backup, temporary)
            temporary.chmod(0o600)
            Store(temporary).close()
            publish(temporary, path)
        except FileExistsError:
            raise WalletError(f"there is a wallet {name!r} already") from None
        except (OSError, StoreError) as error:
            raise WalletError(f"cannot restore: {error}") from None
        finally:
            temporary.unlink(missing_ok=True)

    def is_encrypted(self, name: str) -> bool:
        """Whether a wallet in the directory is encrypted. Raises WalletError."""
        with self._lock:
            if name in self._open:
                return self._open[name].vault.is_encrypted
            try:
                store = Store(self._path(name))
            except StoreError as error:
                raise WalletError(str(error)) from None
            try:
                return store.meta("sealed_seed") is not None
            finally:
                store.close()

    def _path(self, name: str) -> Path:
        if len(name.encode()) > _LONGEST_NAME or any(c in "/\0" or c < " " for c in name):
            raise WalletError(f"{name[:_LONGEST_NAME]!r} cannot be the name of a wallet")
        return self.directory / (f"{_PREFIX}{name}{_SUFFIX}" if name else _DEFAULT)

    # -------------------------------------------------------------------- the whole of them

    def load_those_of_last_time(self) -> None:
        """Load what was loaded when the process ended, however it did."""
        for name in self.names():
            try:
                store = Store(self._path(name))
                wanted = store.meta("load_on_start")
                store.close()
                if wanted:
                    self.load(name)
            except (StoreError, WalletError) as error:
                say(f"cannot load the wallet {name!r}: {error}")

    def connected(self, root: ProposedInit) -> None:
        """There is a node."""
        chain = root.make_chain()
        with self._lock:
            self._chain = chain
            for wallet in self._open.values():
                wallet.attach(chain)

    def disconnected(self) -> None:
        """There is none any more."""
        with self._lock:
            self._chain = None
            for wallet in self._open.values():
                wallet.detach()

    @property
    def is_connected(self) -> bool:
        """Whether there is a node."""
        return self._chain is not None

    def close(self) -> None:
        """Unload all of them, until the next start."""
        with self._lock:
            wallets = self.open()
            self._open.clear()
        for wallet in wallets:
            wallet.close()
        self.loaded.close()


@contextmanager
def open_wallets(options: Options, node: Link) -> Iterator[Wallets]:
    """The wallets of a data directory, following a node: one that may come and go, or one in this
    process. Raises Failure."""
    wallets = Wallets(options.datadir / "wallets")
    try:
        wallets.load_those_of_last_time()
        node.follow(wallets.connected, wallets.disconnected)
        try:
            yield wallets
        finally:
            node.close()
    finally:
        wallets.close()
