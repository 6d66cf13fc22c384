"""What has a hash can be in a set, and a key of a dict. What has none: `data/errors.txt`."""

from __future__ import annotations

import pytest

from mpipc import testing
from tests.declarations import hashes, wrong_hashes


def test_whatever_is_hashed_travels() -> None:
    testing.roundtrip(hashes.Hashed, max_examples=20)


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {"a"},
        wrong_hashes.Mutable(1),
        wrong_hashes.MutableToo(1),
        wrong_hashes.WithList([1]),
        wrong_hashes.Around(wrong_hashes.WithList([])),
        wrong_hashes.Row(({"a": 1},)),
        wrong_hashes.Vector(),
        memoryview(bytearray(b"a")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_refused_is_not_hashable(value: object) -> None:
    """The declarations of the golden file are refused for good reasons."""
    with pytest.raises((TypeError, ValueError)):
        hash(value)
