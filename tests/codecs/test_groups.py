"""Groups: what the schema says, what arrives, and that their fields are locked."""

from __future__ import annotations

import pytest

import mpipc
from mpipc import testing
from mpipc.derive import derive
from mpipc.derive.lock import no_lock
from mpipc.evolution.describe import as_tree, describe
from mpipc.model import Reserved
from mpipc.schema import module_text
from mpipc.testing.loopback import Loopback
from tests.codecs.declarations import groups
from tests.codecs.declarations.groups import Box, Groups, Names, Point, Span

test_groups = testing.suite(Groups, max_examples=20)


def test_their_fields_lie_among_the_others() -> None:
    text = module_text(derive([groups.__name__]), groups.__name__)
    assert (
        """
    label @0 :Text;
    origin :group {
        x    @1 :Int32;
        y    @2 :Int32 = -7;
        z    @3 :Int8;
        hasZ @4 :Bool;
    }
    sealed @5 :Bool;
    span :group {
        first :group {
            x    @6 :Int32;
"""
        in text
    )


def test_one_of_the_wrong_type_is_blamed() -> None:
    class Impl(Groups):
        def one(self, box: Box) -> Box:
            return box

        many = either = None  # type: ignore[assignment]

    point = Point(1, 2)
    names = Names("", [], True)
    good = Box(
        label="", origin=point, sealed=True, span=Span(point, 1), names=names,
        options={"weight": 1.0, "label": None}, corners=[],
    )  # fmt: skip
    client = Loopback(Groups, Impl()).client
    assert client.one(good) == good
    for wrong, message in (
        ({"span": Span(Point(2**31, 0), 1)}, r"box\.span\.first\.x"),
        ({"origin": None}, r"box\.origin"),
        ({"names": Names("", [5], True)}, r"box\.names\.others\[0\]"),  # type: ignore[list-item]
    ):
        values = {name: getattr(good, name) for name in Box.__struct_fields__}
        with pytest.raises(mpipc.ConversionError, match=message):
            client.one(Box(**{**values, **wrong}))


def test_a_group_is_no_pointer_to_a_struct() -> None:
    before = derive([groups.__name__], no_lock)
    box = next(each for each in before.modules[groups.__name__].structs if each.name == "Box")
    names = [slot.name for slot in box.record.slots]
    assert "origin" not in names and "span.first.x" in names
    assert not any(isinstance(each, Reserved) for each in box.record.reserved)


def test_a_description_marks_them() -> None:
    lines = [*as_tree(describe(derive([groups.__name__]).modules[groups.__name__]))]
    assert "    @1 origin: Point [group]" in lines
    assert "    @0 label: str" in lines
