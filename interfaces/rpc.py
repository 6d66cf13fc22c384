"""The commands of bitcoin-cli, as JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc
from interfaces.values import SecretJson

__schema__ = mpipc.SchemaFile(
    id=0x9C3505DC45E146AC,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/rpc.h"],
    include_types=["ipc/capnp/rpc-types.h"],
)


@mpipc.interface(wrap="interfaces::Rpc", destroy=False)
class Rpc(ABC):
    """Runs RPC commands, as the node's HTTP server does."""

    @mpipc.method(0)
    @abstractmethod
    def execute_rpc(self, request: SecretJson, uri: str, user: str) -> SecretJson:
        """Run a JSON-RPC request. `uri` is the path that HTTP would have, such as
        `/wallet/NAME`; `user` is who asks, for the node's whitelist of commands."""
