"""Which struct the entries of a dict are: docs/WIRE.md, "Values"."""

from __future__ import annotations

import re

import pytest

from mpipc import testing
from mpipc.derive import derive
from mpipc.schema import module_text
from tests.codecs.declarations import entries
from tests.codecs.declarations.entries import Entries

test_entries = testing.suite(Entries, max_examples=20)


@pytest.mark.parametrize(
    ("method", "type"),
    [
        ("texts", "Common.Pair(Text, List(Data))"),
        ("integers", "Common.PairInt64(Data)"),
        ("counts", "Common.PairUInt64(Text)"),
        ("within", "Common.Pair(Text, List(Common.PairInt64(Text)))"),
        ("keys", "Int64TextEntry"),
        ("small", "TextInt32Entry"),
        ("maybe", "TextOptionalTextEntry"),
    ],
)
def test_the_structs_that_the_module_has_are_used_where_they_fit(method: str, type: str) -> None:
    text = module_text(derive([entries.__name__]), entries.__name__)
    found = re.search(rf" {method} .*?x :List\((.*?)\)\)\s*->", " ".join(text.split()))
    assert found and found[1] == type
