"""Types that several of Bitcoin Core's interfaces use."""

from __future__ import annotations

import msgspec

import mpipc
from mpipc import Int32

__schema__ = mpipc.SchemaFile(
    id=0xCD2C6232CB484A28,
    cxx_namespace="ipc::capnp::messages",
    include=["interfaces/types.h"],
    include_types=["ipc/capnp/common-types.h"],
)


@mpipc.struct(wrap="interfaces::BlockRef")
class BlockRef(msgspec.Struct, frozen=True):
    """A block, named by its hash, and its height in the chain."""

    hash: bytes
    height: Int32
