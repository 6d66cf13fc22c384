"""Declare an interface once, as an annotated Python ABC, and call it across processes."""

from __future__ import annotations

from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import close
from mpipc.declare import (
    Field,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Raises,
    Results,
    SchemaFile,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Void,
    interface,
    method,
    struct,
)
from mpipc.errors import (
    AddressError,
    ConversionError,
    Disconnected,
    IpcError,
    ProtocolError,
    RemoteError,
    SchemaError,
    Timeout,
    Unimplemented,
)
from mpipc.ipc.channel import timeout
from mpipc.ipc.endpoints import connect, serve, serve_spawned, spawn
from mpipc.ipc.peers import Peer
from mpipc.ipc.server import Server

__all__ = [
    "AddressError",
    "ConversionError",
    "Disconnected",
    "Field",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "IpcError",
    "Limits",
    "Peer",
    "ProtocolError",
    "Raises",
    "RemoteError",
    "Results",
    "SchemaError",
    "SchemaFile",
    "Server",
    "Timeout",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Unimplemented",
    "Void",
    "close",
    "connect",
    "interface",
    "method",
    "serve",
    "serve_spawned",
    "spawn",
    "struct",
    "timeout",
]
