"""The interface that a connection to bitcoin-node starts with."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc
from interfaces.echo import Echo
from interfaces.mining import Mining

__schema__ = mpipc.SchemaFile(
    id=0xF2C5CFA319406AA6,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/echo.h", "interfaces/init.h", "interfaces/mining.h"],
    include_types=["ipc/capnp/init-types.h"],
)


@mpipc.interface(root=True, wrap="interfaces::Init")
class Init(ABC):
    """Makes the other interfaces of a process."""

    @mpipc.method(1)
    @abstractmethod
    def make_echo(self) -> Echo:
        """Make an object that says back what it is told."""

    @mpipc.method(2)
    @abstractmethod
    def make_mining(self) -> Mining:
        """Make the interface that block templates come from."""
