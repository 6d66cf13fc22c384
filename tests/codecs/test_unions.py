"""What is special about unions."""

from __future__ import annotations

from typing import Any

import pytest

from mpipc import testing
from mpipc.derive import derive
from mpipc.errors import ConversionError
from mpipc.testing.loopback import Loopback
from mpipc.testing.recorder import Recorder
from tests.codecs.declarations import unions
from tests.codecs.declarations.kinds import Named
from tests.codecs.declarations.unions import Circle, Cube, Level, Point, Square
from tests.codecs.echo import REFEREE, loopback, method_of, number_of


def client(interface: str = "Canvas") -> tuple[Loopback, Recorder]:
    name = {"Canvas": "shape", "AllKinds": "everything", "Holder": "objects"}[interface]
    return loopback(method_of(interface, name)[0])


def sent(name: str, value: Any, interface: str = "Canvas") -> Any:
    """What arrives at a method, and comes back."""
    loop, recorder = client(interface)
    recorder.returns = value
    returned = getattr(loop.client, name)(value)
    (taken,) = recorder.taken
    assert returned == taken and type(returned) is type(taken)
    return taken


@pytest.mark.parametrize("value", [0, -1, 1.0, 0.0, True, False, Level.LOW, Level.HIGH])
def test_numbers_arrive_as_what_they_are(value: Any) -> None:
    arrived = sent("number", value)
    assert arrived == value and type(arrived) is type(value)


def test_an_int_can_stand_for_a_float_where_no_alternative_is_an_int() -> None:
    loop, recorder = client()
    recorder.returns = 0
    loop.client.small(7)
    assert recorder.taken == (7,) and type(recorder.taken[0]) is int


@pytest.mark.parametrize(
    "value",
    [Cube(1.0, "c", 2), Square(1.0, "s"), Point(1, 2), (), ("a", "b"), {1, 2}, [Circle(1)], b"x"],
)
def test_the_nearest_class_counts(value: Any) -> None:
    arrived = sent("everything", value, "AllKinds")
    assert arrived == value and type(arrived) is type(value)


def test_an_object_of_a_derived_class_is_one_of_its_base() -> None:
    class Special(Square):
        """Nobody knows it."""

    loop, recorder = client("AllKinds")
    recorder.returns = ""
    loop.client.everything(Special(1.0, "s"))
    assert recorder.taken == (Square(1.0, "s"),)


def test_what_can_stand_for_bytes() -> None:
    loop, recorder = client("AllKinds")
    recorder.returns = ""
    loop.client.everything(bytearray(b"ab"))
    assert recorder.taken == (b"ab",)


def test_recursive_unions() -> None:
    value = {"a": [1, 2.5, True, "x", {"b": []}], "c": {}}
    assert sent("json", value) == value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("shape", 5, "value: expected Circle or Square, got int 5"),
        ("shape", None, "value: expected Circle or Square, got None"),
        ("shape", Circle("x"), "value.radius: expected an int for Int32, got str 'x'"),  # type: ignore[arg-type]
        ("shape", Circle(1 << 31), "value.radius: 2147483648 is out of range for Int32"),
        ("shapes", [Circle(1), "x"], "value[1]: expected Circle or Square, got str 'x'"),
        ("json", {"a": [None]}, "value['a'][0]: expected a list"),
        ("json", {5: 1}, "value: a key: expected str, got int 5"),
        ("maybe", Named(number=1, flag=True), "value: expected Circle or Square, got Named"),
        ("sequence", (1, 2), "expected CanvasSequenceValue, got tuple (1, 2)"),
    ],
)
def test_what_is_none_of_the_alternatives(name: str, value: Any, message: str) -> None:
    loop, _ = client()
    with pytest.raises(ConversionError) as caught:
        getattr(loop.client, name)(value)
    assert str(caught.value).startswith(f"Canvas.{name}: {message}")


def test_a_wrong_result_is_the_servers_mistake() -> None:
    loop, recorder = client()
    recorder.returns = "x"
    with pytest.raises(ConversionError, match=r"result: expected Circle or Square, got str"):
        loop.client.shape(Circle(1))


@pytest.mark.parametrize("tag", [2, 7, 0xFFFF])
def test_an_alternative_of_a_newer_version_is_refused(tag: int) -> None:
    loop, _ = client()
    interface, method = method_of("Canvas", "shape")
    written = REFEREE.write(REFEREE.params(interface, method), method.parameters, (Circle(1),))
    at = 8 + 8 + 2 * 8  # behind the root pointer and the pointers of `context` and `value`
    broken = written[:at] + tag.to_bytes(2, "little") + written[at + 2 :]
    expected = f"received Shape of a kind that is not known here \\({tag}\\)"
    with pytest.raises(ConversionError, match=expected):
        loop.serve(*number_of(loop, interface, method), broken)


def test_a_union_that_was_not_sent_is_its_first_alternative() -> None:
    loop, recorder = client()
    interface, method = method_of("Canvas", "shape")
    recorder.returns = Circle(0)
    empty = REFEREE.params(interface, method).new_message().to_bytes()
    loop.serve(*number_of(loop, interface, method), empty)
    assert recorder.taken == (Circle(0),)


def test_objects_and_callables() -> None:
    loop, recorder = client("Holder")
    canvas = Recorder().object_of(*_canvas())
    recorder.returns = canvas
    assert loop.client.objects(canvas, [Circle(1), canvas]) is canvas
    assert recorder.taken == (canvas, [Circle(1), canvas])
    recorder.returns = None
    assert loop.client.objects(print, []) is None
    assert recorder.taken == (print, [])
    assert loop.client.objects("text", []) is None
    assert [*recorder.taken] == ["text", []]


def _canvas() -> tuple[Any, Any]:
    model = derive([unions.__name__])
    interface, _ = method_of("Canvas", "shape")
    return interface, model


def test_through_a_real_connection() -> None:
    for interface in (unions.Canvas, unions.AllKinds, unions.Holder):
        counts = testing.roundtrip(interface, max_examples=10)
        assert min(counts.values()) > 0
