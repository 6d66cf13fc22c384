"""Parameters that are damaged are read as some values, or refused with an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpipc.errors import IpcError
from mpipc.model import Interface, Method
from mpipc.testing.loopback import received
from mpipc.testing.strategies import Strategies
from tests.codecs.echo import MODEL, REFEREE, loopback, methods, number_of
from tests.mutations import damaged

VALUES = Strategies(MODEL)
STRUCTS = [each for each in methods("Echo", "Canvas") if each.values[1].parameters]


@pytest.mark.parametrize(("interface", "method"), STRUCTS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_parameters(interface: Interface, method: Method, data: st.DataObject) -> None:
    arguments = data.draw(VALUES.fields(method.parameters))
    first_segment = data.draw(st.sampled_from([0, 1, 5]))
    valid = REFEREE.write(
        REFEREE.params(interface, method), method.parameters, arguments, first_segment
    )
    broken = data.draw(damaged(st.just(valid)))
    loop, recorder = loopback(interface)
    recorder.returns = Done()
    served = loop.generated.server.methods[number_of(loop, interface, method)]
    assert served.run is not None
    try:
        served.run(loop.impl, *received(broken))
    except (IpcError, Done):
        pass


class Done(Exception):
    """The parameters were read."""
