"""What a registration is undone with."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc

__schema__ = mpipc.SchemaFile(
    id=0xEBD8F46E2F369076,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/handler.h"],
)


@mpipc.interface(wrap="interfaces::Handler")
class Handler(ABC):
    """A registered callback. Letting go of it disconnects it, too."""

    @mpipc.method(1)
    @abstractmethod
    def disconnect(self) -> None:
        """Call the callback no more."""
