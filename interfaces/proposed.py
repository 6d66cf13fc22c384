"""A start for connections to processes that have the proposed interfaces.

Bitcoin Core has none yet that leads to all of them, so this one is mpipc's own: its id is, and so
are its ordinals. A node that does not know it still serves what it inherits.
"""

from __future__ import annotations

from abc import abstractmethod

import mpipc
from interfaces.chain import Chain
from interfaces.common import GlobalArgs
from interfaces.init import Init
from interfaces.node import Node
from interfaces.rpc import Rpc
from interfaces.tracing import Tracing
from interfaces.wallet import WalletLoader

__schema__ = mpipc.SchemaFile(id=0xA3C0B7D25E91F468)


@mpipc.interface(root=True)
class ProposedInit(Init):
    """Makes all interfaces of a process."""

    @mpipc.method(0)
    @abstractmethod
    def make_chain(self) -> Chain:
        """Make the interface of the chain, the mempool and the settings."""

    @mpipc.method(1)
    @abstractmethod
    def make_node(self) -> Node:
        """Make the interface of the whole node."""

    @mpipc.method(2)
    @abstractmethod
    def make_wallet_loader(self, global_args: GlobalArgs, chain: Chain) -> WalletLoader:
        """Make what loads wallets, for a process with these settings and a node with this chain."""

    @mpipc.method(3)
    @abstractmethod
    def make_rpc(self) -> Rpc:
        """Make what runs RPC commands."""

    @mpipc.method(4)
    @abstractmethod
    def make_tracing(self) -> Tracing:
        """Make what watches the node inside."""
