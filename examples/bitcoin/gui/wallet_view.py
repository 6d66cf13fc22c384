"""What the page shows of a wallet, and what it does with one."""

from __future__ import annotations

import asyncio

import msgspec

from examples.bitcoin.common.chainparams import NETWORK
from examples.bitcoin.common.destinations import destination_of, script_at, script_of
from examples.bitcoin.gui.amounts import parse_amount
from examples.bitcoin.gui.board import Board, Changes
from examples.bitcoin.gui.history import Book, History, Payment, address_at
from examples.bitcoin.gui.node_view import NodeView, disconnect
from examples.bitcoin.gui.peers import Peer
from examples.bitcoin.gui.refusals import Refused
from interfaces.enums import AddressPurpose, ChangeType
from interfaces.handler import Handler
from interfaces.values import Passphrase, Transaction, Txid
from interfaces.wallet import (
    CoinControl,
    Recipient,
    TxDestination,
    Wallet,
    WalletBalances,
)

_BREATH = 0.1
"""Seconds between two looks, while much is happening."""

_LAG = 0.25
"""Seconds until a wallet is looked at again that does not have the last block yet."""

_MINING = "mining"


class Address(msgspec.Struct, frozen=True):
    address: str
    label: str


class Shown(msgspec.Struct, frozen=True):
    """The topic `wallet:NAME`."""

    name: str
    encrypted: bool
    locked: bool
    balances: WalletBalances
    addresses: list[Address]
    payments: list[Payment]
    more: int
    """How many other payments there are."""


class Rescan(msgspec.Struct, frozen=True):
    """The topic `rescan:NAME`."""

    title: str
    percent: int


class Prepared(msgspec.Struct, frozen=True):
    """A payment that is signed and waits to be confirmed."""

    wallet: str
    tx: Transaction
    address: str
    amount: int
    fee: int


class WalletView:
    """Follows a wallet."""

    def __init__(self, name: str, wallet: Wallet, peer: Peer, board: Board, node: NodeView) -> None:
        self.name = name
        self.changes = Changes()
        self._wallet, self._peer, self._board, self._node = wallet, peer, board, node
        self._book, self._history = Book(wallet, peer), History(wallet, peer)
        self._loop = asyncio.get_running_loop()
        self._unloaded = False

    async def follow(self) -> None:
        """Show what the wallet has, and every change, until it is unloaded."""
        wallet, peer, tell = self._wallet, self._peer, self.changes.tell
        handlers: list[Handler] = [
            await peer.call(wallet.handle_unload, self._on_unload),
            await peer.call(wallet.handle_show_progress, self._on_progress),
            await peer.call(wallet.handle_status_changed, tell),
            await peer.call(wallet.handle_address_book_changed, self._on_book),
            await peer.call(wallet.handle_transaction_changed, self._on_transaction),
        ]
        try:
            while not self._unloaded:
                await self.changes.wait()
                behind = await self._show()
                await asyncio.sleep(_LAG if behind else _BREATH)
                if behind:
                    tell()
        finally:
            self._board.show(f"rescan:{self.name}", None)
            await disconnect(peer, handlers)
        self._board.show(f"wallet:{self.name}", None)

    def _on_unload(self) -> None:
        self._unloaded = True
        self.changes.tell()

    def _on_book(
        self, dest: TxDestination, label: str, mine: bool, purpose: AddressPurpose, kind: ChangeType
    ) -> None:
        self._book.tell(dest, label, mine, purpose, kind)
        self.changes.tell()

    def _on_transaction(self, txid: Txid, kind: ChangeType) -> None:
        self._history.tell(txid)
        self.changes.tell()

    def _on_progress(self, title: str, percent: int) -> None:
        rescan = Rescan(title, percent) if percent < 100 else None
        self._loop.call_soon_threadsafe(self._board.show, f"rescan:{self.name}", rescan)
        self.changes.tell()

    async def _show(self) -> bool:
        """Returns whether the node has a block that the wallet does not have yet."""
        wallet, peer = self._wallet, self._peer
        encrypted, locked, found, *_ = await asyncio.gather(
            peer.call(wallet.is_crypted),
            peer.call(wallet.is_locked),
            peer.call(wallet.try_get_balances),
            self._book.look(),
            self._history.look(),
        )
        balances = found.balances if found.result else await peer.call(wallet.get_balances)
        labels = self._book.labels
        shown = Shown(
            self.name, encrypted, locked, balances,
            [Address(address, labels[address]) for address in self._book.newest()],
            self._history.newest(labels), self._history.older,
        )  # fmt: skip
        self._board.show(f"wallet:{self.name}", shown)
        return found.result and self._node.tip not in (None, found.block_hash)

    # ------------------------------------------------------------------------------- acting

    async def new_address(self, label: str) -> str:
        """A new address to receive at. Raises Refused."""
        return address_at(await self._new_destination(label))

    async def _new_destination(self, label: str) -> TxDestination:
        kind = await self._peer.call(self._wallet.get_default_address_type)
        made = await self._peer.call(self._wallet.get_new_destination, kind, label)
        if made.value is None:
            raise Refused(made.error.translated if made.error else "The wallet gave no address")
        self.changes.tell()
        return made.value

    async def mining_script(self) -> bytes:
        """A script to pay a miner with. Raises Refused."""
        address = self._book.own(_MINING)
        if address is not None:
            return script_at(address)
        # It may have been made before the wallet was followed.
        for each in await self._peer.call(self._wallet.get_addresses):
            if each.is_mine and each.name == _MINING:
                return script_of(each.dest)
        return script_of(await self._new_destination(_MINING))

    async def prepare(self, address: str, amount: str, subtract_fee: bool) -> Prepared:
        """Make and sign a payment, but do not send it. Raises Refused."""
        try:
            dest = destination_of(script_at(address.strip()))
        except ValueError:
            raise Refused(f"That is no address of {NETWORK}") from None
        try:
            satoshis = parse_amount(amount)
        except ValueError as error:
            raise Refused(str(error)) from None
        if await self._peer.call(self._wallet.is_locked):
            raise Refused("The wallet is locked: unlock it first")
        recipient = Recipient(dest, satoshis, subtract_fee)
        made = await self._peer.call(
            self._wallet.create_transaction, [recipient], CoinControl(), True, None
        )
        if made.value is None:
            raise Refused(made.error.translated if made.error else "The wallet made no transaction")
        fee = made.value.fee
        left = satoshis - fee * subtract_fee
        return Prepared(self.name, made.value.tx, address.strip(), left, fee)

    async def send(self, payment: Prepared) -> None:
        """Send a prepared payment."""
        await self._peer.call(self._wallet.commit_transaction, payment.tx, {}, [])
        self.changes.tell()

    async def encrypt(self, passphrase: str) -> None:
        """Encrypt the wallet's keys. Raises Refused."""
        if not passphrase:
            raise Refused("A passphrase is not empty")
        if not await self._peer.call(self._wallet.encrypt_wallet, Passphrase(passphrase.encode())):
            raise Refused("The wallet could not be encrypted")
        self.changes.tell()

    async def unlock(self, passphrase: str) -> None:
        """Make the wallet's keys usable. Raises Refused."""
        if not await self._peer.call(self._wallet.unlock, Passphrase(passphrase.encode())):
            raise Refused("The passphrase is wrong")
        self.changes.tell()

    async def lock(self) -> None:
        """Forget the passphrase. Raises Refused."""
        if not await self._peer.call(self._wallet.lock):
            raise Refused("The wallet could not be locked")
        self.changes.tell()

    async def abort_rescan(self) -> None:
        """Stop looking through the chain."""
        await self._peer.call(self._wallet.abort_rescan)
