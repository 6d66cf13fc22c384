"""The wallet as a part of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from examples.bitcoin.common.chainparams import WALLET_RPC_PORT
from examples.bitcoin.common.link import RemoteLink
from examples.bitcoin.common.options import Options, Parser
from examples.bitcoin.common.process import Part, Shutdown, run
from examples.bitcoin.wallet.command_server import CommandServer
from examples.bitcoin.wallet.failures import WalletError
from examples.bitcoin.wallet.loader import ServedLoader, WalletInit
from examples.bitcoin.wallet.wallets import Wallets, open_wallets
from interfaces.wallet import Wallet
from mpipc.jsonrpc import ByName


@contextmanager
def open_wallet(options: Options, shutdown: Shutdown) -> Iterator[Part]:
    """Keep the wallets of a data directory, and follow a node in another process, which may come
    and go. Raises Failure."""
    node = RemoteLink(options.ipcconnect, datadir=options.datadir, name="node")
    with open_wallets(options, node) as wallets:
        yield part_of(wallets)


def part_of(wallets: Wallets) -> Part:
    """What wallets are for others, in this process or not."""
    loader = ServedLoader(wallets)
    by_name = ByName(Wallet, loader.served_by_name, parameter="wallet", raises=WalletError)
    offered = {"walletLoader": loader, "wallet": by_name}
    return Part(WalletInit(wallets), [CommandServer(wallets)], offered)


def parser() -> Parser:
    """The wallet's command line."""
    found = Parser("mpipc-wallet", "Keep wallets, and follow the chain of a node.")
    found.listens()
    found.connects()
    found.offers_rpc(WALLET_RPC_PORT)
    return found


def main() -> None:
    """The program."""
    run("wallet", parser().parse(), open_wallet)
