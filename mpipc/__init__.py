"""Declare an interface once, as an annotated Python ABC, and call it across processes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mpipc import hooks
from mpipc.declare import (
    Const,
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
    ComponentFailed,
    ConversionError,
    Disconnected,
    IpcError,
    ProtocolError,
    RemoteError,
    SandboxError,
    SchemaError,
    Timeout,
    Unimplemented,
    Unreachable,
)

if TYPE_CHECKING:
    from mpipc import aio as aio
    from mpipc.capnp.message import Limits
    from mpipc.capnp.pipeline import Pipeline, Promise, pipeline
    from mpipc.capnp.proxy import close
    from mpipc.ipc.backoff import Backoff
    from mpipc.ipc.channel import timeout
    from mpipc.ipc.deadlines import with_timeout
    from mpipc.ipc.endpoints import connect, serve
    from mpipc.ipc.peers import Peer
    from mpipc.ipc.processes import serve_spawned, spawn
    from mpipc.ipc.reconnect import reconnecting
    from mpipc.ipc.references import restrict, revocable
    from mpipc.ipc.server import Server
    from mpipc.launch.sandbox import Sandbox
    from mpipc.observe import metrics as metrics
    from mpipc.observe import spans as spans
    from mpipc.recording.recorder import record
    from mpipc.supervisor.component import Component, ComponentEvent
    from mpipc.supervisor.supervisor import Supervisor

# Imported when they are first used: modules that declare interfaces need none of them.
_LATER = {
    "aio": "mpipc.aio",
    "Limits": "mpipc.capnp.message",
    "Pipeline": "mpipc.capnp.pipeline",
    "Promise": "mpipc.capnp.pipeline",
    "pipeline": "mpipc.capnp.pipeline",
    "close": "mpipc.capnp.proxy",
    "Backoff": "mpipc.ipc.backoff",
    "timeout": "mpipc.ipc.channel",
    "with_timeout": "mpipc.ipc.deadlines",
    "connect": "mpipc.ipc.endpoints",
    "serve": "mpipc.ipc.endpoints",
    "Peer": "mpipc.ipc.peers",
    "serve_spawned": "mpipc.ipc.processes",
    "spawn": "mpipc.ipc.processes",
    "reconnecting": "mpipc.ipc.reconnect",
    "restrict": "mpipc.ipc.references",
    "revocable": "mpipc.ipc.references",
    "Server": "mpipc.ipc.server",
    "Sandbox": "mpipc.launch.sandbox",
    "metrics": "mpipc.observe.metrics",
    "spans": "mpipc.observe.spans",
    "record": "mpipc.recording.recorder",
    "Component": "mpipc.supervisor.component",
    "ComponentEvent": "mpipc.supervisor.component",
    "Supervisor": "mpipc.supervisor.supervisor",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'mpipc' has no attribute {name!r}")
    module = import_module(_LATER[name])
    found = module if name in ("aio", "metrics", "spans") else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "AddressError",
    "Backoff",
    "Component",
    "ComponentEvent",
    "ComponentFailed",
    "Const",
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
    "Sandbox",
    "SandboxError",
    "SchemaError",
    "SchemaFile",
    "Seconds",
    "Server",
    "Supervisor",
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
    "reconnecting",
    "record",
    "restrict",
    "revocable",
    "serve",
    "serve_spawned",
    "spawn",
    "struct",
    "timeout",
    "with_timeout",
]
