"""What generated code writes, pycapnp reads as the same values, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpipc.derive import derive
from mpipc.model import Context, Interface, Method, Slot, TypeName
from tests.codecs.declarations import service
from tests.codecs.loopback import Loopback, received
from tests.codecs.referee import Referee
from tests.codecs.values import Values, plain_field

MODEL = derive([service.__name__])
REFEREE = Referee(MODEL)
VALUES = Values(MODEL)
MANY = Values(MODEL, most=40)


def methods(*names: str) -> Iterator[Any]:
    for name in names:
        interface = MODEL.interface(TypeName(service.__name__, name))
        for method in interface.methods:
            if method.kind == "method":
                yield pytest.param(interface, method, id=f"{name}.{method.name}")


class Recorder:
    """Implements any interface: remembers what it was called with, and returns what it is told."""

    def __init__(self) -> None:
        self.taken: tuple[Any, ...] = ()
        self.returns: Any = None

    def __getattr__(self, name: str) -> Any:
        def called(*values: Any) -> Any:
            self.taken = values
            return self.returns

        return called


@pytest.fixture(params=["few", "many"])
def threshold(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of structs are read and written in one of two ways, depending on their length; here
    the second one is taken for short lists, too."""
    if request.param == "many":
        import sys

        modules = [
            m for n, m in sys.modules.items() if n.startswith("_mpipc_generated.tests_codecs")
        ]
        monkeypatch.setattr("mpipc.capnp.columns.FEW", 1)
        for module in modules:
            if hasattr(module, "FEW"):
                monkeypatch.setattr(module, "FEW", 1)


def loopback(interface: Interface) -> tuple[Loopback, Recorder]:
    recorder = Recorder()
    return Loopback(getattr(service, interface.key.name), recorder), recorder


def same(fields: Any, one: Any, other: Any) -> bool:
    return [plain_field(MODEL, f, v) for f, v in zip(fields, one, strict=True)] == [
        plain_field(MODEL, f, v) for f, v in zip(fields, other, strict=True)
    ]


def returned(method: Method, values: Any) -> Any:
    """The results, as a method returns them."""
    if method.returns == "none":
        return None
    if method.returns == "value":
        return values[0]
    return service.Found(*values)


def results_of(method: Method, value: Any) -> tuple[Any, ...]:
    """The reverse of `returned`."""
    if method.returns == "none":
        return ()
    if method.returns == "value":
        return (value,)
    return tuple(getattr(value, field.name) for field in method.result_fields)


def run(data: st.DataObject, interface: Interface, method: Method, values: Values) -> None:
    loop, recorder = loopback(interface)
    inputs, outputs = method.parameters, method.result_fields
    given_values = data.draw(values.fields(inputs), label="parameters")
    result_values = data.draw(values.fields(outputs), label="results")
    recorder.returns = returned(method, result_values)

    # Generated code writes, generated code reads.
    result = getattr(loop.client, method.name)(*given_values)
    assert same(inputs, recorder.taken, given_values)
    assert same(outputs, results_of(method, result), result_values)

    # Generated code writes, pycapnp reads.
    params, results = REFEREE.params(interface, method), REFEREE.results(interface, method)
    assert same(inputs, REFEREE.read(params, inputs, loop.params), given_values)
    assert same(outputs, REFEREE.read(results, outputs, loop.results), result_values)

    # pycapnp writes, in one segment or in many, generated code reads.
    first_segment = data.draw(st.sampled_from([0, 1, 2, 7]), label="words of the first segment")
    number = loop.generated.server.methods
    key = next(k for k, m in number.items() if m.name == f"{interface.name}.{method.name}")
    loop.serve(*key, REFEREE.write(params, inputs, given_values, first_segment))
    assert same(inputs, recorder.taken, given_values)
    answer = REFEREE.write(results, outputs, result_values, first_segment)
    loop.call = lambda *_: received(answer)  # type: ignore[method-assign]
    result = getattr(loop.client, method.name)(*given_values)
    assert same(outputs, results_of(method, result), result_values)


@pytest.mark.usefixtures("threshold")
@pytest.mark.parametrize(("interface", "method"), [*methods("Echo", "Many", "Clashing")])
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_both_read_what_the_other_writes(
    interface: Interface, method: Method, data: st.DataObject
) -> None:
    run(data, interface, method, VALUES)


def test_the_context_is_where_every_peer_expects_it() -> None:
    """The first two entries of the capability table, behind the parameters."""
    interface = MODEL.interface(TypeName(service.__name__, "Echo"))
    method = next(method for method in interface.methods if method.name == "text")
    slot = method.params.slots[0]
    assert slot == Slot("context", 0, Context())
    loop, recorder = loopback(interface)
    recorder.returns = ""
    loop.client.text("x")
    schema = REFEREE.params(interface, method)
    with schema.from_bytes(loop.params) as root:
        assert root._has("context") and root.context._has("thread")
        assert root.context._has("callbackThread")
