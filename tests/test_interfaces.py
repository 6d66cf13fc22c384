"""Every interface of this repository, checked with `mpipc.testing`: a line for each package."""

from __future__ import annotations

import sys

from mpipc import testing
from tests.test_docs import ROOT

sys.path += map(str, sorted((ROOT / "examples" / "tutorial").iterdir()))

FEW = 4  # more with `pytest --mpipc-examples=N`

test_bitcoin_core = testing.suite("interfaces", max_examples=FEW)
test_example = testing.suite(
    *(f"examples.bitcoin.{name}" for name in ("node.commands", "index.commands")),
    "examples.bitcoin.index.interfaces",
    max_examples=FEW,
)
test_tutorial = testing.suite(
    *("greeting.api", "countdown.api", "notebook.api", "bank.api", "primes.api", "thermometer.api"),
    max_examples=FEW,
)
test_benchmark = testing.suite("benchmarks.interfaces", max_examples=FEW)
test_every_rule = testing.suite("tests.declarations.every", max_examples=FEW)
test_every_type = testing.suite(
    *(f"tests.codecs.declarations.{name}" for name in ("service", "lengthy", "shapes")),
    max_examples=FEW,
)
test_runtime = testing.suite("tests.runtime.declarations", max_examples=FEW)
test_interop = testing.suite("tests.interop.declarations", max_examples=FEW)
