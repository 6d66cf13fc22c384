"""What generated code writes, pycapnp reads as the same values, and the other way round."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from mpipc.generate.load import generated_for
from mpipc.model import Interface, Method
from mpipc.testing.differential import Differential
from mpipc.testing.strategies import Strategies
from mpipc.testing.subject import Subject
from tests.codecs.declarations import service, shapes, unions
from tests.codecs.declarations.values import Row
from tests.codecs.echo import MODEL, REFEREE, loopback, method_of, methods, number_of

INTERFACES = ["Echo", "Many", "Objects", "Clashing", "Shapes", "Canvas", "AllKinds"]
LONG = Strategies(MODEL, most=60, depth=2)


@pytest.fixture
def all_lists_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are written and read in one of two ways, depending on their length: now in the second
    way even if they are short. `tests/test_interfaces.py` checks the first."""
    generated_for(service.Echo)
    generated_for(shapes.Shapes)
    generated_for(unions.Canvas)
    monkeypatch.setattr("mpipc.capnp.columns.FEW", 1)
    for name, module in list(sys.modules.items()):
        if name.startswith("_mpipc_generated.tests_codecs_") and hasattr(module, "FEW"):
            monkeypatch.setattr(module, "FEW", 1)


@pytest.mark.usefixtures("all_lists_long")
@pytest.mark.parametrize(("interface", "method"), methods(*INTERFACES))
def test_each_reads_what_the_other_writes(interface: Interface, method: Method) -> None:
    assert differential(interface).check(interface, method, 20) >= 1


@pytest.mark.parametrize("name", ["sequence", "mapping", "without_context", "lists", "tables"])
def test_long_lists(name: str) -> None:
    interface, method = method_of("Echo", name)
    assert differential(interface).check(interface, method, 20, LONG) >= 20


def differential(interface: Interface) -> Differential:
    return Differential(Subject(MODEL, interface), REFEREE)


def test_very_long_lists() -> None:
    rows = [Row(n, "x" * (n % 50), n / 2, b"\xff" * (n % 33)) for n in range(70_000)]
    interface, method = method_of("Echo", "sequence")
    loop, recorder = loopback(interface)
    recorder.returns = rows[::-1]
    assert loop.client.sequence(rows) == rows[::-1]
    assert recorder.taken == (rows,)
    schema = REFEREE.params(interface, method)
    assert REFEREE.read(schema, method.parameters, loop.params) == (rows,)
    written = REFEREE.write(schema, method.parameters, (rows,))
    loop.serve(*number_of(loop, interface, method), written)
    assert recorder.taken == (rows,)


def test_the_context_is_behind_the_parameters() -> None:
    """Its capabilities are the first two of the call's."""
    interface, method = method_of("Echo", "text")
    loop, recorder = loopback(interface)
    recorder.returns = ""
    loop.client.text("x")
    with REFEREE.params(interface, method).from_bytes(loop.params) as root:
        assert root._has("context") and root.value == "x"
        assert root.context._has("thread") and root.context._has("callbackThread")


def test_bytes_that_can_stand_for_bytes() -> None:
    interface, _ = method_of("Echo", "data")
    for value in (bytearray(b"ab"), memoryview(b"ab")):
        loop, recorder = loopback(interface)
        recorder.returns = value
        assert loop.client.data(value) == b"ab"
        assert recorder.taken == (b"ab",) and type(recorder.taken[0]) is bytes


def test_defaults_are_the_callers() -> None:
    loop, recorder = loopback(method_of("Many", "defaulted")[0])
    recorder.returns = True
    loop.client.defaulted()
    expected = (-1, 'it\'s "quoted"', timedelta.max, service.ORIGIN, None)
    assert recorder.taken == expected
    loop.client.defaulted(text="other", number=5)
    assert recorder.taken == (5, "other", *expected[2:])


@pytest.mark.parametrize("error", [service.NotThere("no such thing"), KeyError("key")])
def test_declared_exceptions_are_raised_again(error: Exception) -> None:
    loop, recorder = loopback(method_of("Many", "raising")[0])
    recorder.returns = error
    with pytest.raises(type(error)) as caught:
        loop.client.raising(1)
    assert caught.value.args == (str(error),)


def test_the_exceptions_of_a_method_without_results() -> None:
    loop, recorder = loopback(method_of("Many", "only_raising")[0])
    assert loop.client.only_raising() is None
    recorder.returns = ValueError("")
    with pytest.raises(ValueError, match=r"\A\Z"):
        loop.client.only_raising()


def test_an_exception_is_not_declared() -> None:
    loop, recorder = loopback(method_of("Many", "raising")[0])
    recorder.returns = OSError("undeclared")
    with pytest.raises(OSError, match="undeclared"):
        loop.client.raising(1)
