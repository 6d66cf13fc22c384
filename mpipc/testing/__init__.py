"""Checking interfaces with generated values: strategies, and calls over real connections.

    from mpipc import testing

    testing.roundtrip(Chain)                 every method, through a real connection
    testing.differential(Chain)              its messages, read and written by pycapnp, too
    testing.values(Block)                    a hypothesis strategy for an annotated type
    @given(testing.arguments(Chain.get_block))

Needs hypothesis (`pip install mpipc[test]`).
"""

from __future__ import annotations

from mpipc.testing.connected import connected
from mpipc.testing.differential import differential
from mpipc.testing.roundtrip import roundtrip
from mpipc.testing.strategies import arguments, results, values

__all__ = ["arguments", "connected", "differential", "results", "roundtrip", "values"]
