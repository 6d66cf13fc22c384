"""The model -> `.capnp` text -> layouts, read back from the official compiler."""

from __future__ import annotations

from mpipc.schema.committed import committed_lock
from mpipc.schema.compile import Schemas, compile_layouts
from mpipc.schema.paths import INCLUDE, schema_path
from mpipc.schema.text import HEADER, module_text

__all__ = [
    "HEADER",
    "INCLUDE",
    "Schemas",
    "committed_lock",
    "compile_layouts",
    "module_text",
    "schema_path",
]
