"""Objects and callables among parameters and results: capabilities of the message."""

from __future__ import annotations

from typing import Any

import pytest

from mpipc.errors import ConversionError, ProtocolError
from mpipc.testing.loopback import Loopback, received
from mpipc.testing.recorder import Recorder
from tests.codecs.declarations import service
from tests.codecs.declarations.values import Row
from tests.codecs.echo import loopback, method_of


class Real(service.Many):
    """An object of ours."""

    def mixed(self, *_: Any) -> None: ...

    def results(self, value: int) -> Any: ...

    def raising(self, which: int) -> Any: ...

    def only_raising(self) -> None: ...

    def defaulted(self, *_: Any, **__: Any) -> Any: ...


def objects() -> tuple[Loopback, Recorder]:
    return loopback(method_of("Objects", "objects")[0])


def test_objects_arrive_in_order_and_null_as_none() -> None:
    loop, recorder = objects()
    one, two, three = Real(), Real(), Real()
    recorder.returns = [three, one]
    assert loop.client.objects(one, None, [two, three]) == [three, one]
    assert list(recorder.taken) == [one, None, [two, three]]
    loop.client.objects(one, two, [])
    assert list(recorder.taken) == [one, two, []]


@pytest.mark.parametrize("size", [3, 40])
def test_objects_in_a_dict(size: int) -> None:
    loop, recorder = objects()
    recorder.returns = table = {str(n): Real() for n in range(size)}
    assert loop.client.table(table) == table
    assert recorder.taken == (table,)


def test_callables() -> None:
    loop, recorder = objects()

    def function(number: int, row: Row) -> str:
        return f"{number} {row.text}"

    recorder.returns = None
    assert loop.client.call(function) is None
    assert recorder.taken == (function,)
    recorder.returns = print
    assert loop.client.call(function) is print


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.objects(5, None, []), "objects: one: expected Many, got int 5"),
        (lambda c: c.objects(Real(), "x", []), "objects: maybe: expected Many, got str 'x'"),
        (lambda c: c.objects(Real(), None, [Real(), 7]), "objects: all[1]: expected Many, got"),
        (lambda c: c.objects(Real(), None, Real()), "objects: all: expected a list, got Real"),
        (lambda c: c.table({"a": 1}), "table: value['a']: expected Many, got int 1"),
        (lambda c: c.call(5), "call: function: expected something callable, got int 5"),
    ],
)
def test_what_is_no_object_is_named(call: Any, message: str) -> None:
    loop, _ = objects()
    with pytest.raises(ConversionError) as caught:
        call(loop.client)
    assert str(caught.value).startswith(f"Objects.{message}")


def test_a_capability_that_is_not_in_the_table() -> None:
    loop, recorder = objects()
    recorder.returns = []
    loop.client.objects(Real(), None, [Real()])
    method = next(m for m in loop.generated.server.methods.values() if "objects" in m.name)
    assert method.run is not None
    with pytest.raises(ProtocolError, match="names no capability"):
        method.run(loop.impl, *received(loop.params, [None, None]))


def test_a_text_where_an_object_should_be() -> None:
    loop, _recorder = objects()
    other, taken = loopback(method_of("Echo", "text")[0])
    taken.returns = ""
    other.client.text("x")
    method = next(m for m in loop.generated.server.methods.values() if "objects" in m.name)
    assert method.run is not None
    with pytest.raises(ProtocolError):
        method.run(loop.impl, *received(other.params))
