"""The wallet as a part of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from examples.bitcoin.common.chainparams import WALLET_RPC_PORT
from examples.bitcoin.common.link import RemoteLink
from examples.bitcoin.common.options import Options, Parser
from examples.bitcoin.common.process import Part, Shutdown, run
from examples.bitcoin.wallet.command_server import CommandServer
from examples.bitcoin.wallet.loader import WalletInit
from examples.bitcoin.wallet.wallets import open_wallets


@contextmanager
def open_wallet(options: Options, shutdown: Shutdown) -> Iterator[Part]:
    """Keep the wallets of a data directory, and follow a node in another process, which may come
    and go. Raises Failure."""
    node = RemoteLink(options.ipcconnect, datadir=options.datadir, name="node")
    with open_wallets(options, node) as wallets:
        yield Part(WalletInit(wallets), [CommandServer(wallets)])


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
