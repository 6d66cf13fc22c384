"""How it stands, for as long as the demo runs; also when processes come and go."""

from __future__ import annotations

from pathlib import Path

import msgspec

import mpipc
from examples.bitcoin.demo.story import wallet_loader
from interfaces.proposed import ProposedInit


class Status(msgspec.Struct, frozen=True):
    """None: the process that knows it is not there."""

    height: int | None = None
    mempool: int | None = None
    balances: dict[str, int] | None = None
    """Satoshis that can be spent, of each wallet."""


class Watch:
    """Asks node and wallet, to which it connects again when they were gone."""

    def __init__(self, datadir: Path) -> None:
        self._node = mpipc.reconnecting(
            "unix", ProposedInit, ProposedInit.make_node, datadir=datadir, name="node", wait=0
        )
        self._wallets = mpipc.reconnecting(
            "unix", ProposedInit, wallet_loader, datadir=datadir, name="wallet", wait=0
        )

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        mpipc.close(self._node)
        mpipc.close(self._wallets)

    def look(self) -> Status:
        height = mempool = balances = None
        try:
            height, mempool = self._node.get_num_blocks(), self._node.get_mempool_size()
        except mpipc.IpcError:
            pass
        try:
            wallets = self._wallets.get_wallets()
            balances = {wallet.get_wallet_name(): wallet.get_balance() for wallet in wallets}
        except mpipc.IpcError:
            pass
        return Status(height, mempool, balances)
