"""The interface that shows that a connection works."""

from __future__ import annotations

from abc import ABC, abstractmethod

import mpipc

__schema__ = mpipc.SchemaFile(
    id=0x888B4F7F51E691F7,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/echo.h"],
    include_types=["ipc/capnp/echo-types.h"],
)


@mpipc.interface(wrap="interfaces::Echo")
class Echo(ABC):
    """Says back what it is told."""

    @mpipc.method(1)
    @abstractmethod
    def echo(self, echo: str) -> str:
        """Return the text that was passed."""
