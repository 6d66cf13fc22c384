"""`interfaces.wallet.WalletLoader`, and what a connection to this process starts with."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from examples.bitcoin.common.init import PartialInit
from examples.bitcoin.wallet.failures import WalletError
from examples.bitcoin.wallet.open_wallet import OpenWallet
from examples.bitcoin.wallet.served import ServedWallet, failed
from examples.bitcoin.wallet.wallets import Wallets
from interfaces.chain import Chain
from interfaces.common import GlobalArgs, Result
from interfaces.enums import WalletFlags
from interfaces.handler import Handler
from interfaces.wallet import (
    LoadedWallet,
    LoadWalletCallback,
    Wallet,
    WalletLoader,
    WalletMigrationResult,
)

_FLAGS = WalletFlags.DESCRIPTORS | WalletFlags.KEY_ORIGIN_METADATA
"""What may be asked of a new wallet: it is as if it had these in any case."""


class WalletInit(PartialInit):
    """What a connection to the wallet process starts with."""

    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    def make_wallet_loader(self, global_args: GlobalArgs, chain: Chain) -> WalletLoader:
        """The process has its own settings and its own connection to the node, so it uses neither
        of the parameters."""
        return ServedLoader(self._wallets)


class ServedLoader(WalletLoader):
    """The wallets, for those who have them by their interfaces."""

    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    def _served(self, wallet: OpenWallet) -> Wallet:
        return ServedWallet(wallet, self._wallets.unload)

    def served_by_name(self, name: str) -> Wallet:
        """One that is loaded. Raises WalletNotFound."""
        return self._served(self._wallets.get(name))

    def create_wallet(self, name: str, passphrase: str, flags: WalletFlags) -> LoadedWallet:
        if flags & ~_FLAGS:
            return _not_loaded(f"no wallets with {flags & ~_FLAGS!r}")
        return self._loaded(lambda: self._wallets.create(name, passphrase.encode()))

    def load_wallet(self, name: str) -> LoadedWallet:
        return self._loaded(lambda: self._wallets.load(name))

    def restore_wallet(
        self, backup_file: bytes, name: str, load_after_restore: bool = True
    ) -> LoadedWallet:
        path = Path(os.fsdecode(backup_file))
        try:
            self._wallets.restore(path, name)
        except WalletError as error:
            return _not_loaded(error)
        if not load_after_restore:
            return LoadedWallet([], Result())
        return self.load_wallet(name)

    def _loaded(self, load: Callable[[], OpenWallet]) -> LoadedWallet:
        try:
            return LoadedWallet([], Result(self._served(load())))
        except WalletError as error:
            return _not_loaded(error)

    def migrate_wallet(self, name: str, passphrase: str) -> Result[WalletMigrationResult]:
        return Result(error=failed("there is no older format to bring wallets from"))

    def get_wallet_dir(self) -> str:
        return str(self._wallets.directory)

    def is_encrypted(self, name: str) -> bool:
        return self._wallets.is_encrypted(name)

    def list_wallet_dir(self) -> dict[str, str]:
        return dict.fromkeys(self._wallets.names(), "sqlite")

    def get_wallets(self) -> list[Wallet]:
        return [self._served(wallet) for wallet in self._wallets.open()]

    def handle_load_wallet(self, callback: LoadWalletCallback) -> Handler:
        return self._wallets.loaded.add(lambda wallet: callback(self._served(wallet)))

    # ------------------------------------------------------------- as a client of the chain

    def register_rpcs(self) -> None:
        """It has a JSON-RPC server of its own."""

    def verify(self) -> bool:
        return True

    def load(self) -> bool:
        return True

    def start(self, scheduler: None = None) -> None:
        """It has started by itself."""

    def stop(self) -> None:
        """Nobody but the user stops it."""

    def set_mock_time(self, time: datetime) -> None:
        raise NotImplementedError("the example always has the real time")

    def scheduler_mock_forward(self, delta_seconds: timedelta) -> None:
        raise NotImplementedError("the example has no scheduler")


def _not_loaded(error: object) -> LoadedWallet:
    return LoadedWallet([], Result(error=failed(error)))
