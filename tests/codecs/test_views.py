"""Buffers are taken as they are, and arrive as views of the message."""

from __future__ import annotations

import ctypes
from array import array
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mpipc.derive import derive
from mpipc.errors import ConversionError, SchemaError
from tests.codecs.echo import loopback, method_of, number_of


def sent(method: str, value: object) -> Any:
    """What arrives of a value."""
    loop, recorder = loopback(method_of("Echo", method)[0])
    recorder.returns = value
    returned = getattr(loop.client, method)(value)
    (taken,) = recorder.taken
    assert taken == returned
    return taken


@pytest.mark.parametrize(("method", "value"), [("view", b"abc"), ("reals", array("f", [1, 2]))])
def test_a_view_is_no_copy(method: str, value: Any) -> None:
    interface, declared = method_of("Echo", method)
    loop, recorder = loopback(interface)
    recorder.returns = value
    getattr(loop.client, method)(value)
    params = loop.params
    loop.serve(*number_of(loop, interface, declared), params)
    (view,) = recorder.taken
    assert type(view) is memoryview and view.readonly
    assert view.obj is params
    assert view == memoryview(value)


@pytest.mark.parametrize(
    "value",
    [
        b"\1\0\2\0",
        bytearray(b"\1\0\2\0"),
        memoryview(b"\1_\0_\2_\0_")[::2],
        array("H", [1, 2]),
        memoryview(array("B", [1, 0, 2, 0])).cast("B", (2, 2)),
    ],
)
def test_any_buffer_is_bytes(value: Any) -> None:
    assert sent("view", value) == b"\1\0\2\0"


@pytest.mark.parametrize(
    "value",
    [
        array("f", [0.5, -2]),
        memoryview(array("f", [0.5, 7, -2, 7]))[::2],
        (ctypes.c_float * 2)(0.5, -2),
    ],
)
def test_buffers_of_the_element_s_format(value: Any) -> None:
    assert sent("reals", value).tolist() == [0.5, -2]
    assert sent("reals", value).format == "f"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (array("d", [1]), "got one of format 'd'"),
        (array("i", [1]), "got one of format 'i'"),
        (b"abcd", "got one of format 'B'"),
        (memoryview(array("f", [1, 2])).cast("B").cast("f", (2, 1)), "got one of format 'f'"),
        ([1.0], r"got list \[1.0\]"),
        (None, "got None"),
    ],
)
def test_other_buffers_are_refused(value: Any, found: str) -> None:
    with pytest.raises(
        ConversionError, match=f"Echo.reals: value: expected a buffer of Float32, {found}"
    ):
        sent("reals", value)


def test_what_is_no_buffer_is_refused() -> None:
    with pytest.raises(ConversionError, match="value: expected a buffer of bytes, got str"):
        sent("view", "text")


@pytest.mark.parametrize("code", ["l", "q", "i", "h", "B", "Q"])
def test_a_list_of_numbers_may_be_a_buffer(code: str) -> None:
    """Of the same numbers, or of others that fit."""
    interface, _ = method_of("Clashing", "e")
    loop, recorder = loopback(interface)
    recorder.returns = timedelta()
    loop.client.e(1, timedelta(), "", array(code, [1, 2, 255 if code == "B" else 300]))
    assert recorder.taken[3] == [1, 2, 255 if code == "B" else 300]


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        ("set[memoryview]", "what a buffer holds is not"),
        ("dict[memoryview, int]", "a dict's key must be hashable"),
        ("Annotated[memoryview, mpipc.Void]", "a buffer has no elements of type Void"),
    ],
)
def test_where_a_buffer_cannot_be(
    annotation: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"declares_{abs(hash(annotation))}"
    (tmp_path / f"{name}.py").write_text(
        "from abc import ABC, abstractmethod\n"
        "from typing import Annotated\n"
        "import mpipc\n"
        "@mpipc.interface\n"
        "class Taker(ABC):\n"
        "    @abstractmethod\n"
        f"    def take(self, value: {annotation}) -> None: ...\n"
    )
    with pytest.raises(SchemaError, match=what):
        derive([name])
