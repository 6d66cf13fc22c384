"""What the declared interfaces become: deriving the schemas, and an example."""

from __future__ import annotations

import contextlib
import inspect
import io
import signal
import textwrap
from pathlib import Path

import mpipc.cli
from examples.bitcoin.common.failures import Failure
from interfaces.chain import Chain

ROOT = Path(__file__).resolve().parents[3]
_SCHEMA = ROOT / "interfaces/generated/chain.capnp"


def derive_schemas() -> str:
    """Derive what is missing or out of date. Returns what that says. Raises Failure."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = mpipc.cli.main(["build", "interfaces"])
    if code == 128 + signal.SIGINT:
        raise KeyboardInterrupt
    if code != 0:
        raise Failure("cannot derive the schemas")
    return said.getvalue().strip()


def example() -> str:
    """A method as it is declared, and what that becomes."""
    declared = textwrap.dedent(inspect.getsource(Chain.get_block_hash)).strip()
    schema = _SCHEMA.read_text().splitlines()
    start = next(i for i, line in enumerate(schema) if line.startswith("interface Chain "))
    method = next(i for i in range(start, len(schema)) if "getBlockHash" in schema[i])
    derived = "\n".join([schema[start], "    ...", *schema[method : method + 2]])
    return "\n\n".join(
        (
            "declared in interfaces/chain.py:",
            textwrap.indent(declared, "    "),
            f"derived in {_SCHEMA.relative_to(ROOT)}:",
            textwrap.indent(derived, "    "),
        )
    )
