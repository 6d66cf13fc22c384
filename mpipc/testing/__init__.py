"""Checking interfaces with generated values, over real connections and against pycapnp.

    from mpipc import testing

    test_chain = testing.suite(Chain)        all checks of an interface, as a pytest test

    testing.roundtrip(Chain)                 every method, through a real connection
    testing.differential(Chain)              its messages, read and written by pycapnp, too
    testing.stateful(Chain)                  objects passed on, called, closed and dropped

    @given(testing.values(Block))            a hypothesis strategy for an annotated type
    @given(testing.arguments(Chain.get_block))

    with testing.connected(RealChain(), Chain) as chain:     a proxy of an object

Needs hypothesis and pytest (`pip install mpipc[test]`).
"""

from __future__ import annotations

from mpipc.testing.connected import connected
from mpipc.testing.differential import differential
from mpipc.testing.roundtrip import roundtrip
from mpipc.testing.stateful import stateful
from mpipc.testing.strategies import arguments, results, values
from mpipc.testing.suite import suite

__all__ = [
    "arguments",
    "connected",
    "differential",
    "results",
    "roundtrip",
    "stateful",
    "suite",
    "values",
]
