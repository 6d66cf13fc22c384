"""Types where they are seldom seen."""

from __future__ import annotations

from typing import Any

import pytest

from mpipc import ConversionError, testing
from mpipc.derive import derive
from mpipc.model import TypeName
from mpipc.testing.loopback import Loopback
from mpipc.testing.recorder import Recorder
from tests.codecs.declarations.corners import Corners, Keys, Mark


def client() -> Any:
    """Its methods get whatever they are called with."""
    model = derive([Corners.__module__])
    interface = model.interface(TypeName(Corners.__module__, "Corners"))
    return Loopback(Corners, Recorder().object_of(interface, model)).client


test_corners = testing.suite(Corners, max_examples=20)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tuples": {(1, "x"): ""}}, r"keys\.tuples: a key\[1\]: expected an int for Int64"),
        ({"sets": {frozenset("a"): 2**31}}, r"keys\.sets\[frozenset\({'a'}\)\]: .*out of range"),
        ({"deeper": {((1,), 2): True}}, r"keys\.deeper: a key\[1\]: expected str, got int 2"),
    ],
)
def test_what_is_wrong_in_a_key_is_said(keys: Any, message: str) -> None:
    wrong = Keys(**({"tuples": {}, "sets": {}, "deeper": {}} | keys))
    with pytest.raises(ConversionError, match=message):
        client().keys(wrong, [])


def test_an_alternative_that_may_be_none_makes_the_union_so() -> None:
    assert testing.roundtrip(Corners, methods=["literal"], max_examples=20)["literal"] > 1
    with pytest.raises(ConversionError, match=r"value: .*must be 1 or 2"):
        client().literal(3)
    with pytest.raises(ConversionError, match="must be at least 0"):
        client().optional(-1)
    client().optional(Mark(1))
