"""Everything that generated modules import, in one place."""

from __future__ import annotations

from struct import Struct

from mpipc.capnp.conversions import (
    BIT,
    default_of,
    duration,
    enum_member,
    float_unxor,
    float_xor,
    milliseconds,
    read_data,
    read_pointers,
    read_structs,
    read_text,
    write_data,
    write_pointers,
    write_structs,
    write_text,
)
from mpipc.capnp.message import Message
from mpipc.capnp.misfits import MISFITS, misfit, struct_misfit
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Local, Server, ServerMethod
from mpipc.capnp.threads import CONTEXT_CAPS
from mpipc.capnp.writer import Writer

__all__ = [
    "BIT",
    "CONTEXT_CAPS",
    "MISFITS",
    "Client",
    "ClientMethod",
    "Generated",
    "Local",
    "Message",
    "Server",
    "ServerMethod",
    "Struct",
    "Writer",
    "default_of",
    "duration",
    "enum_member",
    "float_unxor",
    "float_xor",
    "milliseconds",
    "misfit",
    "read_data",
    "read_pointers",
    "read_structs",
    "read_text",
    "struct_misfit",
    "write_data",
    "write_pointers",
    "write_structs",
    "write_text",
]
