"""Constraints and Literals: what is refused, on the way out and on the way in."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mpipc.derive import derive
from mpipc.errors import ConversionError
from mpipc.evolution.describe import as_tree, describe
from mpipc.model import CheckedType, Constraints, Primitive
from mpipc.schema import module_text
from mpipc.testing.constraints import fulfils
from mpipc.testing.loopback import Loopback
from tests.codecs.declarations import limits
from tests.codecs.declarations.limits import Limited, Mood, Pair, Unlimited

WRONG: list[tuple[str, Any, str]] = [
    ("port", 0, "must be at least 1"),
    ("port", 49_152, "must be less than 49152"),
    ("ratio", -0.1, "must be greater than 0"),
    ("ratio", float("nan"), "must be greater than 0"),
    ("ratio", 1.5, "must be at most 1"),
    ("even", 3, "must be a multiple of 2"),
    ("name", "", "must be of a length of at least 1"),
    ("name", "a" * 1_000_000, "must be of a length of at most 8"),
    ("name", "A", "must be a match of '^[a-z]'"),
    ("hash", b"a", "must be of a length of at least 32"),
    ("names", ["a", "B"], "must be a match of '^[a-z]'"),
    ("names", [], "must be of a length of at least 1"),
    ("pairs", [Pair(1, "a"), Pair(0, "a")], "must be at least 1"),
    ("table", {"A": 1}, "must be a match of '^[a-z]'"),
    ("table", {"a": 0}, "must be at least 1"),
    ("mode", "Fast", "must be 'fast' or 'slow'"),
    ("number", 3, "must be 1 or 2"),
    ("mood", Mood.BAD, "must be Mood.GOOD"),
    ("maybe", 0, "must be at least 1"),
]


def results_of(cls: type, method: str, value: object) -> bytes:
    loop = Loopback(cls, Giving(value))
    getattr(loop.client, method)()
    return loop.results


class Giving:
    def __init__(self, value: object) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return lambda: self._value


@pytest.mark.parametrize(("method", "value", "message"), WRONG, ids=lambda v: str(v)[:20])
def test_a_value_is_refused_before_it_is_sent(method: str, value: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=re.escape(message)) as caught:
        results_of(Limited, method, value)
    assert str(caught.value).startswith(f"Limited.{method}: result")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("method", "value", "message"), WRONG, ids=lambda v: str(v)[:20])
def test_a_value_that_a_peer_sent_is_refused(method: str, value: Any, message: str) -> None:
    loop = Loopback(Limited, None)
    loop.answer = results_of(Unlimited, method, value)
    with pytest.raises(ConversionError, match=re.escape(message)) as caught:
        getattr(loop.client, method)()
    assert str(caught.value).startswith(f"Limited.{method}: ")
    assert len(str(caught.value)) < 200


def test_a_32_bit_number_is_checked_as_it_arrives() -> None:
    """0.1 is more than 0.1 in 32 bits."""
    with pytest.raises(ConversionError, match=re.escape("must be at most 0.1")):
        results_of(Limited, "single", 0.1)
    with pytest.raises(ConversionError, match="is out of range for Float32"):
        results_of(Limited, "single", -1e300)
    assert results_of(Limited, "single", 0.0999)


def test_the_schema_says_it_in_comments() -> None:
    model = derive([limits.__name__])
    text = module_text(model, limits.__name__)
    assert "# result: at least 1, less than 49152" in text
    assert "# result: each a match of '^[a-z]'" not in text
    assert "# x: at least 1, less than 49152" in text
    assert "# result: each key of a length of at least 1" in text
    assert "# result: 'fast' or 'slow'" in text
    assert "# result: GOOD" in text


def test_describe_says_it_beside_the_type() -> None:
    tree = "\n".join(as_tree(describe(derive([limits.__name__]).modules[limits.__name__])))
    assert "port() -> UInt16 (at least 1, less than 49152)" in tree
    assert "mode() -> Literal['fast', 'slow']" in tree
    assert "mood() -> Literal[Mood.GOOD]" in tree


def test_what_is_not_constrained_costs_nothing() -> None:
    from mpipc.generate.module import module_source
    from mpipc.schema import compile_layouts

    model = derive([limits.__name__])
    source = module_source(model, compile_layouts(model), limits.__name__)
    part = source[source.index("class UnlimitedClient") :]
    assert "_check" not in part and "read_hooked" not in part


@pytest.mark.parametrize(
    ("constraints", "good", "bad"),
    [
        (Constraints(ge=1, lt=3), [1, 2], [0, 3]),
        (Constraints(min_length=1, pattern="b"), ["ab"], ["", "a"]),
        (Constraints(multiple_of=3), [0, -3], [1]),
    ],
)
def test_the_strategies_know_what_fulfils_constraints(
    constraints: Constraints, good: list[Any], bad: list[Any]
) -> None:
    assert all(fulfils(value, constraints) for value in good)
    assert not any(fulfils(value, constraints) for value in bad)
    assert CheckedType(Primitive("Int8"), constraints).constraints == constraints
