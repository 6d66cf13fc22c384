"""What is derived from interfaces that are awaited: checks, and descriptions."""

from __future__ import annotations

from mpipc import testing
from mpipc.derive import derive
from mpipc.evolution.describe import as_tree, describe
from tests.aio.declarations import Root
from tests.aio.iterators import Feed

test_awaited = testing.suite(Root, Feed, max_examples=5)


def test_they_are_described_as_they_are_declared() -> None:
    name = Feed.__module__
    tree = [line.strip() for line in as_tree(describe(derive([name]).modules[name]))]
    assert "@1 rows(given: AsyncIterator[Row]) -> AsyncIterator[Row]" in tree
    assert "@3 async awaited(start: int) -> AsyncIterator[int]" in tree
