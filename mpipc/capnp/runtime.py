"""Everything that generated modules import, in one place."""

from __future__ import annotations

from struct import Struct

from typing_extensions import Buffer

from mpipc.capnp.columns import (
    FEW,
    ReadRows,
    WriteRows,
    check_tuple,
    optional,
    read_datas,
    read_texts,
    write_datas,
    write_few,
    write_pointers,
    write_texts,
)
from mpipc.capnp.conversions import (
    BIT,
    SizedT,
    build_each,
    default_of,
    duration,
    enum_member,
    enumerant,
    float_unxor,
    float_xor,
    milliseconds,
    read_each_hooked,
    read_hooked,
    read_object,
    read_secret,
    regex,
    single,
    unknown_alternative,
    write_object,
)
from mpipc.capnp.descriptions import (
    Checked,
    Entries,
    Hooked,
    Instance,
    Items,
    Secret,
    describe,
    describe_generic,
    describe_union,
)
from mpipc.capnp.message import Message
from mpipc.capnp.misfits import (
    MISFITS,
    misfit,
    results_misfit,
    unexpected,
)
from mpipc.capnp.proxy import Client, ClientMethod, Generated, Server, ServerMethod, nothing
from mpipc.capnp.streams import (
    Batch,
    Source,
    Stream,
    close_awaited,
    in_awaited_batches,
    in_batches,
    read_stream,
    write_stream,
)
from mpipc.capnp.threads import CONTEXT, context_pointer, read_capability
from mpipc.capnp.writer import Writer
from mpipc.errors import ConversionError

CONTEXT_ONLY = context_pointer(0, 1).to_bytes(8, "little") + CONTEXT
"""Parameters that are nothing but their Context."""

__all__ = [
    "BIT",
    "CONTEXT_ONLY",
    "FEW",
    "MISFITS",
    "Batch",
    "Buffer",
    "Checked",
    "Client",
    "ClientMethod",
    "ConversionError",
    "Entries",
    "Generated",
    "Hooked",
    "Instance",
    "Items",
    "Message",
    "ReadRows",
    "Secret",
    "Server",
    "ServerMethod",
    "SizedT",
    "Source",
    "Stream",
    "Struct",
    "WriteRows",
    "Writer",
    "build_each",
    "check_tuple",
    "close_awaited",
    "default_of",
    "describe",
    "describe_generic",
    "describe_union",
    "duration",
    "enum_member",
    "enumerant",
    "float_unxor",
    "float_xor",
    "in_awaited_batches",
    "in_batches",
    "milliseconds",
    "misfit",
    "nothing",
    "optional",
    "read_capability",
    "read_datas",
    "read_each_hooked",
    "read_hooked",
    "read_object",
    "read_secret",
    "read_stream",
    "read_texts",
    "regex",
    "results_misfit",
    "single",
    "unexpected",
    "unknown_alternative",
    "write_datas",
    "write_few",
    "write_object",
    "write_pointers",
    "write_stream",
    "write_texts",
]
