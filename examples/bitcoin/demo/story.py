"""What happens in the demo: two wallets, a hundred blocks, a payment."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TypeVar, cast

import mpipc
from examples.bitcoin.common.bitcoin import address_of
from examples.bitcoin.common.chainparams import COIN
from examples.bitcoin.common.destinations import script_of
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.unsupported import unsupported
from examples.bitcoin.demo.view import View
from examples.bitcoin.mine import mine
from interfaces.chain import Chain
from interfaces.common import GlobalArgs, Result, Settings
from interfaces.enums import OutputType, WalletFlags
from interfaces.mining import Mining
from interfaces.proposed import ProposedInit
from interfaces.values import SecretText
from interfaces.wallet import CoinControl, Recipient, TxDestination, Wallet, WalletLoader

T = TypeVar("T")

PAYER, PAYEE = "alice", "bob"
_PAYMENT = 12 * COIN + COIN // 2
_FEES = COIN // 100
_MATURITY = 100
_PATIENCE = 60.0
_LOOK = 0.05
"""Seconds between two looks whether a wallet has heard of a block."""


def tell(datadir: Path, view: View) -> None:
    """Let it happen. Raises Failure."""
    node, keeper = (
        mpipc.connect("unix", ProposedInit, datadir=datadir, name=name)
        for name in ("node", "wallet")
    )
    wallets = wallet_loader(keeper)
    with view.step(f"Make two wallets, {PAYER} and {PAYEE}"):
        payer, payee = (open_wallet(wallets, name) for name in (PAYER, PAYEE))

    story = _Story(view, node.make_chain(), node.make_mining(), payer)
    with view.step(f"Mine for {PAYER}; what is mined can be spent {_MATURITY} blocks later"):
        story.mine_until_rich(_PAYMENT + _FEES)

    with view.step(f"Pay {bitcoins(_PAYMENT)} from {PAYER} to {PAYEE}"):
        story.pay(payee, _PAYMENT)

    with view.step("Mine a block, which confirms it"):
        story.mine()
        for wallet in (payer, payee):
            story.wait_for(wallet)
            view.say(f"{wallet.get_wallet_name()} has {bitcoins(wallet.get_balance())}")


class _Story:
    def __init__(self, view: View, chain: Chain, mining: Mining, payer: Wallet) -> None:
        self._view = view
        self._chain, self._mining, self._payer = chain, mining, payer
        self._script = script_of(new_destination(payer, "mining"))

    def mine(self) -> None:
        hash = mine(self._mining, self._script)
        self._view.say(f"mined block {hash}", passing=True)

    def mine_until_rich(self, amount: int) -> None:
        """Mine until the payer can spend an amount."""
        mined = 0
        while self._payer.get_balance() < amount:
            if mined > 2 * _MATURITY:
                raise Failure(f"{mined} blocks later, {PAYER} still cannot spend anything")
            for _ in range(1 if mined else _MATURITY + 1):
                self.mine()
                mined += 1
            self.wait_for(self._payer)
        height = self._chain.get_height()
        balance = bitcoins(self._payer.get_balance())
        self._view.say(f"mined {mined} blocks: the height is {height}, {PAYER} can spend {balance}")

    def wait_for(self, wallet: Wallet) -> None:
        """Wait until a wallet has heard of the last block."""
        tip = self._chain.get_block_hash(self._chain.get_height() or 0)
        deadline = time.monotonic() + _PATIENCE
        while wallet.try_get_balances().block_hash != tip:
            if time.monotonic() > deadline:
                raise Failure(f"the wallet has not heard of block {tip} within {_PATIENCE:g} s")
            time.sleep(_LOOK)

    def pay(self, payee: Wallet, amount: int) -> None:
        destination = new_destination(payee, f"from {PAYER}")
        recipients = [Recipient(destination, amount)]
        made = value_of(self._payer.create_transaction(recipients, CoinControl(), True))
        self._payer.commit_transaction(made.tx, {}, [])
        address = address_of(script_of(destination))
        self._view.say(f"paid {bitcoins(amount)} to {address}, and {made.fee} satoshis as the fee")


# The process with the wallets knows its node itself.
_refusing = {name: unsupported(getattr(Chain, name)) for name in Chain.__abstractmethods__}
_NoChain = cast(type[Chain], type("NoChain", (Chain,), _refusing))


def wallet_loader(init: ProposedInit) -> WalletLoader:
    """What loads wallets."""
    return init.make_wallet_loader(GlobalArgs(Settings({}, {}, {}, {}), ""), _NoChain())


def open_wallet(loader: WalletLoader, name: str) -> Wallet:
    """A wallet, which is made where there is none. Raises Failure."""
    for wallet in loader.get_wallets():
        if wallet.get_wallet_name() == name:
            return wallet
    if name in loader.list_wallet_dir():
        return value_of(loader.load_wallet(name).result)
    return value_of(loader.create_wallet(name, SecretText(""), WalletFlags.DESCRIPTORS).result)


def new_destination(wallet: Wallet, label: str) -> TxDestination:
    return value_of(wallet.get_new_destination(OutputType.BECH32, label))


def value_of(result: Result[T]) -> T:
    """What a wallet gave. Raises Failure."""
    if result.value is None:
        raise Failure(result.error.translated if result.error else "the wallet gave no reason")
    return result.value


def bitcoins(satoshis: int) -> str:
    """An amount, for people."""
    return f"{satoshis // COIN}.{satoshis % COIN:08} BTC"
