"""What is derived from an interface knows iterators: checks, descriptions, comparisons."""

from __future__ import annotations

import mpipc.testing
from mpipc.derive import derive
from mpipc.evolution.describe import as_tree, describe
from tests.codecs.declarations.streams import Streams

test_streams = mpipc.testing.suite(Streams, max_examples=5)


def test_they_are_described_as_they_are_declared() -> None:
    name = Streams.__module__
    tree = [line.strip() for line in as_tree(describe(derive([name]).modules[name]))]
    assert "@1 rows(given: Iterator[Row]) -> Iterator[Row]" in tree
    assert not any("Stream" in line for line in tree if not line.startswith("Streams"))
