"""Values that fit, values that do not, results, defaults, and exceptions."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Color, OutOfStock, Path, Point, Root, Split, Spoiled, Values
from tests.runtime.support import ServerProcess

ORIGIN = Point(0, 0)
PATH = Path("path", [Point(1, -1), Point(2**31 - 1, -(2**31))], Color.GREEN)


@pytest.fixture
def values(root: Root) -> Values:
    return root.values()


class TestThatFit:
    def test_integers_up_to_their_limits(self, values: Values) -> None:
        assert values.small(127, -128) == -1
        assert values.large(2**64 - 1) == 2**64 - 1
        assert values.large(True) == 1

    def test_structs_and_lists(self, values: Values) -> None:
        path = values.shapes(ORIGIN, PATH, [Point(5, 6)])
        assert path == Path("path", [ORIGIN, *PATH.points, Point(5, 6)], Color.GREEN)
        assert values.shapes(ORIGIN, Path("", [], Color.RED), ()).points == [ORIGIN]
        assert values.lists((1, -2), ["drei", "日本", ""]) == ["1", "-2", "drei", "日本", ""]
        assert values.table({"a": 1, "b": -1}) == {"a": 1, "b": -1}

    @pytest.mark.parametrize("count", [200_000, 200_001])
    def test_a_large_list_of_numbers_and_nothing_behind_it(
        self, values: Values, count: int
    ) -> None:
        assert values.lists([7] * count, []) == ["7"] * count

    def test_all_kinds_of_bytes(self, values: Values) -> None:
        for data in (b"a\0b", bytearray(b"a\0b"), memoryview(b"a\0b")):
            result = values.mixed(Color.RED, True, "t\0", data, 0.5, -1)  # type: ignore[arg-type]
            assert result == repr((Color.RED, True, "t\0", b"a\0b", 0.5, -1))

    def test_none_where_it_is_allowed(self, values: Values) -> None:
        assert values.optional(None, None) is None
        assert values.optional(0, None) == "0 None"
        assert values.optional(None, "") == "None "

    def test_durations(self, values: Values) -> None:
        for duration in (timedelta(0), timedelta(microseconds=-1500), timedelta.max):
            assert values.pause(duration) == duration

    def test_several_results(self, values: Values) -> None:
        assert values.split(7, 2) == Split(3, 1, None)
        assert values.split(8, 2) == Split(4, 0, "exact")

    def test_the_declared_defaults_are_the_callers(self, values: Values) -> None:
        assert values.defaults() == "5 five GREEN"
        assert values.defaults(text="six") == "5 six GREEN"
        assert values.defaults(6, color=Color.RED) == "6 five RED"


# A call, and what the message says after the name of the method.
MISFITS: list[tuple[Callable[[Any], object], str]] = [
    (lambda v: v.small(128, 0), "small: first: 128 is out of range for Int8"),
    (lambda v: v.small(0, -129), "small: second: -129 is out of range for Int8"),
    (lambda v: v.small(1, "2"), "small: second: expected an int for Int8, got str '2'"),
    (lambda v: v.small(1, None), "small: second: expected an int for Int8, got None"),
    (lambda v: v.small(1, 2.0), "small: second: expected an int for Int8, got float 2.0"),
    (lambda v: v.large(-1), "large: number: -1 is out of range for UInt64"),
    (lambda v: v.large(2**64), f"large: number: {2**64} is out of range for UInt64"),
    (
        lambda v: v.mixed(Color.RED, True, b"t", b"d", 0.5, 1),
        "mixed: text: expected str, got bytes b't'",
    ),
    (
        lambda v: v.mixed(Color.RED, True, "\ud800", b"d", 0.5, 1),
        r"mixed: text: str '\ud800' is no valid Unicode: surrogates not allowed",
    ),
    (
        lambda v: v.mixed(Color.RED, True, "t", "d", 0.5, 1),
        "mixed: data: expected bytes, got str 'd'",
    ),
    (
        lambda v: v.mixed(Color.RED, True, "t", b"d", 1e39, 1),
        "mixed: ratio: 1e+39 is out of range for Float32",
    ),
    (
        lambda v: v.mixed(Color.RED, True, "t", b"d", "0.5", 1),
        "mixed: ratio: expected float, got str '0.5'",
    ),
    (
        lambda v: v.mixed(Color.RED, "yes", "t", b"d", 0.5, 1),
        "mixed: flag: expected bool, got str 'yes'",
    ),
    (
        lambda v: v.mixed("RED", True, "t", b"d", 0.5, 1),
        "mixed: color: expected Color, got str 'RED'",
    ),
    (
        # The last one is wrong, all others are blameless.
        lambda v: v.mixed(Color.RED, True, "t", bytearray(b"d"), 0.5, 2**31),
        f"mixed: count: {2**31} is out of range for Int32",
    ),
    (
        lambda v: v.shapes([0, 0], PATH, []),
        "shapes: origin: expected Point, got list [0, 0]",
    ),
    (lambda v: v.shapes(None, PATH, []), "shapes: origin: expected Point, got None"),
    (
        lambda v: v.shapes(ORIGIN, ORIGIN, []),
        "shapes: path: expected Path, got Point Point(x=0, y=0)",
    ),
    (
        lambda v: v.shapes(ORIGIN, PATH, [ORIGIN, Point(2**31, 0)]),
        f"shapes: more[1].x: {2**31} is out of range for Int32",
    ),
    (
        lambda v: v.shapes(ORIGIN, Path("p", [ORIGIN, Point(0, None)], Color.RED), []),  # type: ignore[arg-type]
        "shapes: path.points[1].y: expected an int for Int32, got None",
    ),
    (
        lambda v: v.shapes(ORIGIN, PATH, 5),
        "shapes: more: expected a list, got int 5",
    ),
    (
        lambda v: v.lists([1, 300], []),
        "lists: numbers[1]: 300 is out of range for Int8",
    ),
    (
        lambda v: v.lists([1], "text"),
        "lists: texts: expected a list, got str 'text'",
    ),
    (
        lambda v: v.lists([1], ["a", None]),
        "lists: texts[1]: expected str, got None",
    ),
    (
        lambda v: v.table({"a": 2**31}),
        f"table: table['a']: {2**31} is out of range for Int32",
    ),
    (lambda v: v.table([("a", 1)]), "table: table: expected a dict, got list [('a', 1)]"),
    (
        lambda v: v.optional("1", None),
        "optional: number: expected an int for Int32, got str '1'",
    ),
    (lambda v: v.pause(5), "pause: duration: expected timedelta, got int 5"),
]


class TestThatDoNotFit:
    @pytest.mark.parametrize(("call", "message"), MISFITS, ids=[text for _, text in MISFITS])
    def test_the_caller_learns_which_parameter(
        self, values: Values, call: Callable[[Any], object], message: str
    ) -> None:
        before = values.calls()
        with pytest.raises(mpipc.ConversionError) as caught:
            call(values)
        assert str(caught.value) == f"Values.{message}"
        assert isinstance(caught.value, ValueError)
        assert values.calls() == before  # the server has heard nothing of it

    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ("large", "1000 is out of range for Int8"),
            ("text", "expected an int for Int8, got str 'text'"),
            ("none", "expected an int for Int8, got None"),
            ("float", "expected an int for Int8, got float 1.5"),
        ],
    )
    def test_a_wrong_result_is_the_servers_error(
        self, values: Values, kind: str, message: str
    ) -> None:
        with pytest.raises(mpipc.RemoteError) as caught:
            values.wrong(kind)
        assert not isinstance(caught.value, mpipc.ConversionError)
        assert caught.value.type == "ConversionError"
        assert caught.value.text == f"Values.wrong: result: {message}"

    def test_one_wrong_result_of_several(self, values: Values) -> None:
        with pytest.raises(mpipc.RemoteError) as caught:
            values.wrong_split()
        assert caught.value.text == (
            "Values.wrong_split: remainder: expected an int for Int32, got str 'two'"
        )

    def test_the_wrong_number_of_arguments(self, values: Any) -> None:
        with pytest.raises(TypeError, match="second"):
            values.small(1)
        with pytest.raises(TypeError, match="third"):
            values.small(1, 2, third=3)

    def test_infinities_are_floats(self, values: Values) -> None:
        result = values.mixed(Color.RED, False, "", b"", -math.inf, 0)
        assert result == repr((Color.RED, False, "", b"", -math.inf, 0))


class TestExceptions:
    def test_declared_ones_arrive_as_their_classes(self, values: Values) -> None:
        assert values.order("bread") == "bread"
        with pytest.raises(OutOfStock, match=r"^sold out$"):
            values.order("sold out")
        with pytest.raises(Spoiled, match=r"^mouldy: ü$"):
            values.order("mouldy")

    def test_others_arrive_as_remote_errors(self, values: Values) -> None:
        with pytest.raises(mpipc.RemoteError) as caught:
            values.order("other")
        error = caught.value
        assert (error.type, error.text, error.traceback) == ("ValueError", "not declared", "")
        assert str(error) == "ValueError: not declared"

    @pytest.mark.parametrize(
        ("kind", "type", "text"),
        [
            ("key", "KeyError", "('a', 'b')"),
            ("empty", "RuntimeError", ""),
            ("own", "OutOfStock", "not declared here"),
            ("ipc", "Disconnected", "of something else"),
        ],
    )
    def test_their_types_and_texts(self, values: Values, kind: str, type: str, text: str) -> None:
        with pytest.raises(mpipc.RemoteError) as caught:
            values.fail(kind)
        # Not Disconnected: this connection is alive.
        assert caught.type is mpipc.RemoteError
        assert (caught.value.type, caught.value.text) == (type, text)
        assert values.small(1, 1) == 2

    def test_tracebacks_only_where_the_server_sends_them(
        self, start: Callable[..., ServerProcess]
    ) -> None:
        with (
            start("--tracebacks").connect() as root,
            pytest.raises(mpipc.RemoteError) as caught,
        ):
            root.values().fail("own")
        error = caught.value
        assert (error.type, error.text) == ("OutOfStock", "not declared here")
        lines = error.traceback.strip().splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1].endswith("OutOfStock: not declared here")
        assert "in fail" in error.traceback
        assert 'raise OutOfStock("not declared here")' in error.traceback
        assert "remote traceback:\nTraceback (most recent call last):" in str(error)

    def test_system_exit_in_a_method_ends_no_thread(self, root: Root) -> None:
        process, threads = root.process(), root.threads()
        ident = threads.ident()
        for leave in (process.leave, process.leave_io):
            with pytest.raises(mpipc.RemoteError, match="SystemExit: 3"):
                leave()
        assert threads.ident() == ident
        assert threads.io_ident() != ident
