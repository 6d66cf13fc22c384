"""Regenerate the committed schemas, clients and servers: `python build_schemas.py [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from mpipc.cli import main

PACKAGES = [
    "interfaces",
    "examples.bitcoin.index.interfaces",
    "benchmarks.interfaces",
    "mpipc.introspection",
]

if __name__ == "__main__":
    root = Path(__file__).parent
    present = [name for name in PACKAGES if Path(root, *name.split(".")).is_dir()]
    sys.exit(main(["build", *present, *sys.argv[1:]]))
