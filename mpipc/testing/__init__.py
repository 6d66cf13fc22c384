"""Checking interfaces with generated values: strategies, and calls over real connections.

    from mpipc import testing

    testing.roundtrip(Chain)                 every method, through a real connection
    testing.values(Block)                    a hypothesis strategy for an annotated type
    @given(testing.arguments(Chain.get_block))

Needs hypothesis (`pip install mpipc[test]`).
"""

from __future__ import annotations

from mpipc.testing.roundtrip import connected, roundtrip
from mpipc.testing.strategies import arguments, results, values

__all__ = ["arguments", "connected", "results", "roundtrip", "values"]
