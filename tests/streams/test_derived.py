"""What is derived from an interface knows iterators: checks, descriptions, comparisons."""

from __future__ import annotations

import mpipc.testing
from mpipc.derive import derive
from mpipc.evolution.describe import as_tree, describe
from tests.codecs.declarations.streams import Streams


def test_each_method_takes_and_gives_what_the_model_says() -> None:
    counts = mpipc.testing.roundtrip(Streams, max_examples=5)
    assert counts["rows"] == 5


def test_pycapnp_writes_and_reads_the_same() -> None:
    counts = mpipc.testing.differential(Streams, max_examples=5)
    assert counts["rows"] == 5


def test_they_are_described_as_they_are_declared() -> None:
    name = "tests.codecs.declarations.streams"
    tree = [line.strip() for line in as_tree(describe(derive([name]).modules[name]))]
    assert "@1 rows(given: Iterator[Row]) -> Iterator[Row]" in tree
    assert not any("Stream" in line for line in tree if not line.startswith("Streams"))
