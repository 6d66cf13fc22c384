"""What the page shows of the process that has the wallets."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec

import mpipc
from examples.bitcoin.common.console import say
from examples.bitcoin.common.unsupported import unsupported
from examples.bitcoin.gui.board import Board, Changes
from examples.bitcoin.gui.node_view import NodeView, disconnect
from examples.bitcoin.gui.peers import Peer
from examples.bitcoin.gui.refusals import NotRunning, Refused
from examples.bitcoin.gui.wallet_view import WalletView
from interfaces.chain import Chain
from interfaces.common import GlobalArgs, Settings
from interfaces.enums import WalletFlags
from interfaces.values import SecretText
from interfaces.wallet import LoadedWallet, Wallet, WalletLoader

_BREATH = 0.1
"""Seconds between two looks, while much is happening."""

_PAUSE = 1.0
"""Seconds until a wallet is looked at again that could not be."""

_NO_SETTINGS = GlobalArgs(Settings({}, {}, {}, {}), "")

# The wallets know their node themselves.
_refusing = {name: unsupported(getattr(Chain, name)) for name in Chain.__abstractmethods__}
NoChain = cast(type[Chain], type("NoChain", (Chain,), _refusing))


class Wallets(msgspec.Struct, frozen=True):
    """The topic `wallets`."""

    directory: str
    loaded: list[str]
    others: list[str]
    """Those that can be loaded."""


class WalletsView:
    """Follows the wallets."""

    def __init__(self, board: Board, node: NodeView) -> None:
        self._board, self._node = board, node
        self._loader: WalletLoader | None = None
        self._peer: Peer | None = None
        self._changes = Changes()
        self._views: dict[str, WalletView] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def follow(self, peer: Peer) -> None:
        """Show the wallets, and every change, until this is cancelled."""
        loader = await peer.call(peer.root.make_wallet_loader, _NO_SETTINGS, NoChain())
        handler = await peer.call(loader.handle_load_wallet, self._changes.tell)
        self._loader, self._peer = loader, peer
        self._changes.tell()
        ticker = asyncio.create_task(self._tell_of_tips())
        try:
            while True:
                await self._changes.wait()
                await self._show(loader, peer)
                await asyncio.sleep(_BREATH)
        finally:
            self._loader = self._peer = None
            ticker.cancel()
            tasks, self._tasks, self._views = list(self._tasks.values()), {}, {}
            for task in tasks:
                task.cancel()
            await asyncio.gather(ticker, *tasks, return_exceptions=True)
            await disconnect(peer, [handler])

    async def _show(self, loader: WalletLoader, peer: Peer) -> None:
        loaded: dict[str, Wallet] = {}
        for wallet in await peer.call(loader.get_wallets):
            loaded[await peer.call(wallet.get_wallet_name)] = wallet
        for name, wallet in loaded.items():
            if name not in self._tasks:
                view = WalletView(name, wallet, peer, self._board, self._node)
                self._views[name] = view
                self._tasks[name] = asyncio.create_task(self._follow(view))
        found = await peer.call(loader.list_wallet_dir)
        others = sorted(name for name in found if name not in loaded)
        directory = await peer.call(loader.get_wallet_dir)
        self._board.show("wallets", Wallets(directory, sorted(loaded), others))

    async def _follow(self, view: WalletView) -> None:
        try:
            await view.follow()
        except mpipc.Disconnected:
            pass  # which whoever keeps the connection knows
        except Exception as error:
            say(f"cannot show the wallet {view.name!r}: {type(error).__name__}: {error}")
            await asyncio.sleep(_PAUSE)
        finally:
            self._views.pop(view.name, None)
            self._tasks.pop(view.name, None)
            self._changes.tell()

    async def _tell_of_tips(self) -> None:
        """A new block changes what can be spent, also of older blocks."""
        while True:
            await self._node.on_tip.wait()
            for view in self._views.values():
                view.changes.tell()

    # ------------------------------------------------------------------------------- acting

    def in_use(self) -> tuple[WalletLoader, Peer]:
        """What loads wallets, and how to call it. Raises NotRunning."""
        if self._loader is None or self._peer is None:
            raise NotRunning("The wallet process is not running")
        return self._loader, self._peer

    def wallet(self, name: str) -> WalletView:
        """A wallet that is loaded. Raises Refused, NotRunning."""
        self.in_use()
        view = self._views.get(name)
        if view is None:
            raise Refused(f"No wallet called {name!r} is loaded")
        return view

    async def create(self, name: str, passphrase: str) -> None:
        """Make a wallet, encrypted where the passphrase is not empty. Raises Refused."""
        loader, peer = self.in_use()
        if not name.strip():
            raise Refused("A wallet needs a name")
        secret = SecretText(passphrase)
        made = await peer.call(loader.create_wallet, name.strip(), secret, WalletFlags.DESCRIPTORS)
        self._changed(made)

    async def load(self, name: str) -> None:
        """Load a wallet. Raises Refused."""
        loader, peer = self.in_use()
        self._changed(await peer.call(loader.load_wallet, name))

    def _changed(self, made: LoadedWallet) -> None:
        self._changes.tell()
        if made.result.error is not None:
            raise Refused(made.result.error.translated)
