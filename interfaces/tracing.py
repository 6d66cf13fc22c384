"""Watching what a node does inside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

import msgspec

import mpipc
from interfaces.handler import Handler
from interfaces.values import Amount, Txid
from mpipc import Field, UInt32

__schema__ = mpipc.SchemaFile(
    id=0xFCBBD3F49874128E,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/tracing.h"],
    include_types=["ipc/capnp/tracing-types.h"],
)


@mpipc.struct(wrap="interfaces::UtxoInfo")
class UtxoInfo(msgspec.Struct, frozen=True):
    """An unspent output."""

    outpoint_hash: Txid
    """The transaction that it is an output of."""

    outpoint_n: UInt32
    """Its index among the outputs of that transaction."""

    height: Annotated[UInt32, Field(cxx_name="height")]
    """The height of the block that it was made in."""

    value: Annotated[Amount, Field(cxx_name="value")]

    is_coinbase: bool
    """Whether it is an output of a coinbase transaction."""


@mpipc.interface(wrap="interfaces::UtxoCacheTrace")
class UtxoCacheTrace(ABC):
    """Is told what happens in the cache of unspent outputs. Its methods must not block."""

    @mpipc.method(1, context=False)
    @abstractmethod
    def add(self, utxo_info: UtxoInfo) -> None:
        """An output was made."""

    @mpipc.method(2, context=False)
    @abstractmethod
    def spend(self, utxo_info: UtxoInfo) -> None:
        """An output was spent."""

    @mpipc.method(3, context=False)
    @abstractmethod
    def uncache(self, utxo_info: UtxoInfo) -> None:
        """An output was dropped from the cache, unspent."""


@mpipc.interface(wrap="interfaces::Tracing", destroy=False)
class Tracing(ABC):
    """What can be watched."""

    @mpipc.method(0)
    @abstractmethod
    def trace_utxo_cache(self, callback: UtxoCacheTrace) -> Handler:
        """Tell `callback` about the cache of unspent outputs, until the handler is disconnected."""
