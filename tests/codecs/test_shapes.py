"""What is special about some kinds of struct classes."""

from __future__ import annotations

from typing import Any

import pytest

from mpipc.errors import ConversionError
from mpipc.model import TypeName
from mpipc.testing.loopback import Loopback
from mpipc.testing.recorder import Recorder
from tests.codecs.declarations import kinds, shapes
from tests.codecs.declarations.kinds import Defined, Derived, Mixed, Named
from tests.codecs.echo import MODEL, loopback, method_of


def client() -> tuple[Loopback, Recorder]:
    return loopback(method_of("Shapes", "named")[0])


def fields(name: str) -> list[str]:
    struct = MODEL.struct(TypeName(kinds.__name__, name))
    return [f"{slot.name}@{slot.ordinal}" for slot in struct.record.slots]


def test_what_a_class_fills_in_itself_does_not_travel() -> None:
    assert fields("Mixed") == ["first@0", "named@1", "second@2"]
    assert fields("Defined") == ["number@0", "private@1", "data@2"]
    loop, recorder = client()
    recorder.returns = sent = Mixed("a", [1, 2], named=3)
    assert loop.client.mixed(sent).size == 2
    assert recorder.taken[0].size == 2


def test_names_for_json_are_not_names_in_the_schema() -> None:
    assert fields("Renamed") == ["firstName@0", "lastName@1"]
    assert "numbers@2" in fields("MoreRenamed")


def test_an_object_of_a_derived_class_arrives_as_the_declared_one() -> None:
    class Special(Named):
        """A subclass that the other side does not know."""

    loop, recorder = client()
    recorder.returns = Named(number=0, flag=False)
    loop.client.named(Special(number=1, flag=True))
    assert recorder.taken == (Named(number=1, flag=True),)
    assert type(recorder.taken[0]) is Named


def test_a_key_that_may_be_missing_is_missing_on_the_other_side() -> None:
    loop, recorder = client()
    sent = {"depth": 1, "name": "a", "root": None}
    recorder.returns = {**sent, "limit": 0}
    assert loop.client.options(sent) == {**sent, "limit": 0}
    assert recorder.taken == (sent,)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"name": "a", "root": None}, "value: expected Options, which has a key 'depth'"),
        ({"depth": 1, "name": "a", "root": 5}, "value.root: expected str, got int 5"),
        (
            {"depth": 1, "name": "a", "root": None, "limit": None},
            "value.limit: expected an int for UInt16, got None",
        ),
        ([], "value: expected Options, got list []"),
        (Derived("a"), "value: expected Options, got Derived"),
    ],
)
def test_what_is_wrong_with_a_typed_dict(value: Any, message: str) -> None:
    loop, recorder = client()
    recorder.returns = {"depth": 0, "name": "", "root": None}
    with pytest.raises(ConversionError) as caught:
        loop.client.options(value)
    assert str(caught.value).startswith(f"Shapes.options: {message}")


def test_a_private_field_of_an_attrs_class() -> None:
    loop, recorder = client()
    recorder.returns = sent = Defined(1, "secret", data=b"x")
    assert loop.client.defined(sent) == sent
    with pytest.raises(ConversionError, match=r"defined: value\._private: expected str, got int 5"):
        loop.client.defined(Defined(1, 5, data=b""))  # type: ignore[arg-type]


def test_several_results_by_name() -> None:
    loop, recorder = client()
    options: Any = {"depth": 1, "name": "a", "root": "/", "limit": 7}
    recorder.returns = sent = shapes.Several(text="a", options=options, result=True)
    assert loop.client.several(None) == sent
