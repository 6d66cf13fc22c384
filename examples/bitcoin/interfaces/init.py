"""The interface that a connection to the example's node starts with."""

from __future__ import annotations

from abc import abstractmethod

import interfaces.init
import mpipc
from examples.bitcoin.interfaces.chain import Chain


@mpipc.interface(root=True)
class NodeInit(interfaces.init.Init):
    """Bitcoin Core's Init, so that its clients are served too, and the example's Chain."""

    @abstractmethod
    def make_chain(self) -> Chain:
        """Access to the best chain."""
