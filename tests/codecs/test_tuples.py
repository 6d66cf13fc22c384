"""Tuples of several types, and None inside of containers."""

from __future__ import annotations

from typing import Any

import pytest

from mpipc.errors import ConversionError
from mpipc.jsonrpc.errors import Invalid
from mpipc.jsonrpc.values import Values
from tests.codecs.echo import MODEL, REFEREE, loopback, method_of


@pytest.mark.parametrize(
    ("method", "wrong", "message"),
    [
        ("pair", (1,), "value: expected a tuple of 2, got tuple (1,)"),
        ("pair", (1, "a", "b"), "value: expected a tuple of 2, got tuple"),
        ("pair", "ab", "value: expected a tuple of 2, got str 'ab'"),
        ("pair", [1, "a"], "value: expected a tuple of 2, got list"),
        ("pair", None, "value: expected a tuple of 2, got None"),
        ("pair", (1, 2), "value[1]: expected str, got int 2"),
        ("pair", (2**63, "a"), "value[0]: 9223372036854775808 is out of range for Int64"),
        ("pairs", [(1, "a")] * 40 + [(1,)], "value[40]: expected a tuple of 2, got tuple (1,)"),
        ("pairs", [(None, None)], "value[0][0]: expected an int for Int64, got None"),
        ("texts_or_none", [None, 1], "value[1]: expected str, got int 1"),
        ("texts_or_none", "ab", "value: expected a list, got str 'ab'"),
        ("texts_or_none", None, "value: expected a list, got None"),
    ],
)
def test_a_value_that_does_not_fit(method: str, wrong: Any, message: str) -> None:
    loop, _ = loopback(method_of("Echo", method)[0])
    with pytest.raises(ConversionError) as caught:
        getattr(loop.client, method)(wrong)
    assert str(caught.value).startswith(f"Echo.{method}: {message}")


def test_none_and_nothing_differ_in_a_list() -> None:
    loop, recorder = loopback(method_of("Echo", "texts_or_none")[0])
    values = ["a", None, "", None] * 20
    recorder.returns = values
    assert loop.client.texts_or_none(values) == values
    assert recorder.taken == (values,)


def test_what_a_peer_leaves_out_of_a_tuple_is_zero_or_nothing() -> None:
    """A struct that was not sent is one of zeros."""
    interface, method = method_of("Echo", "pair")
    loop, recorder = loopback(interface)
    recorder.returns = (1, "a")
    loop.answer = REFEREE.write(REFEREE.results(interface, method), (), ())
    assert loop.client.pair((1, "a")) == (0, "")


def test_each_tuple_type_has_one_struct() -> None:
    names = [each.name for each in MODEL.modules["tests.codecs.declarations.values"].structs]
    assert names.count("Int64TextTuple") == 1


def test_a_tuple_is_an_array_in_json() -> None:
    _, method = method_of("Echo", "pairs")
    [field] = method.parameters
    values = Values(MODEL)
    assert values.write_field(field, [(1, None), (2, "b")]) == [[1, None], [2, "b"]]
    assert values.read_field(field, [[1, None], [2, "b"]], "x") == [(1, None), (2, "b")]
    for wrong in ([1], [[1]], [[1, "a", 2]], [["a", 1]]):
        with pytest.raises(Invalid, match=r"^x\[0\]"):
            values.read_field(field, wrong, "x")
