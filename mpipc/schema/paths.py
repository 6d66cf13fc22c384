"""Where generated schema files lie, and how they import each other."""

from __future__ import annotations

from pathlib import Path

INCLUDE = Path(__file__).parent / "include"
"""Import path of `/mp/proxy.capnp` and `/capnp/c++.capnp`."""


def schema_path(module: str) -> str:
    """`interfaces.mining` -> `interfaces/generated/mining.capnp`, below the import path."""
    package, _, stem = module.rpartition(".")
    return "/".join([*filter(None, package.split(".")), "generated", f"{stem}.capnp"])


def import_path(module: str, importer: str) -> str:
    """How the schema of one module imports that of another: by name within a package, else by
    its path."""
    package, _, stem = module.rpartition(".")
    if package == importer.rpartition(".")[0]:
        return f"{stem}.capnp"
    return "/" + schema_path(module)
