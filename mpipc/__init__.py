"""Declare an interface once, as an annotated Python ABC, and call it across processes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpipc import hooks
from mpipc.capnp.message import Limits
from mpipc.capnp.pipeline import Pipeline, Promise, pipeline
from mpipc.capnp.proxy import close
from mpipc.declare import (
    Field,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Microseconds,
    Milliseconds,
    Raises,
    Results,
    SchemaFile,
    Seconds,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    Void,
    enum,
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
    Unreachable,
)
from mpipc.ipc.channel import timeout
from mpipc.ipc.deadlines import with_timeout
from mpipc.ipc.endpoints import connect, serve, serve_spawned, spawn
from mpipc.ipc.peers import Peer
from mpipc.ipc.references import restrict, revocable
from mpipc.ipc.server import Server

if TYPE_CHECKING:
    from mpipc import aio as aio


def __getattr__(name: str) -> Any:
    if name != "aio":
        raise AttributeError(f"module 'mpipc' has no attribute {name!r}")
    # Only then, since most programs have no event loop.
    return import_module("mpipc.aio")


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
    "Microseconds",
    "Milliseconds",
    "Peer",
    "Pipeline",
    "Promise",
    "ProtocolError",
    "Raises",
    "RemoteError",
    "Results",
    "SchemaError",
    "SchemaFile",
    "Seconds",
    "Server",
    "Timeout",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Unimplemented",
    "Unreachable",
    "Void",
    "close",
    "connect",
    "enum",
    "hooks",
    "interface",
    "method",
    "pipeline",
    "restrict",
    "revocable",
    "serve",
    "serve_spawned",
    "spawn",
    "struct",
    "timeout",
    "with_timeout",
]
