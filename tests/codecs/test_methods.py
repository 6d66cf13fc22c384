"""Methods of every shape: properties, names, defaults, several bases."""

from __future__ import annotations

import inspect
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc import testing
from mpipc.generate.load import generated_for
from tests.codecs.declarations import methods
from tests.codecs.declarations.methods import Closed, Factory, Moved, Moving, Named, Robot, Sized
from tests.codecs.echo import loopback, method_of


class RealRobot(Robot):
    def __init__(self) -> None:
        self.taken: Any = None

    @property
    def name(self) -> str:
        return "Robby"

    @property
    def open(self) -> bool | None:
        raise Closed("at night")

    def size(self) -> int:
        return 3

    def move(self, position: int, by: int, /, steps: int | None = None) -> Moved:
        return Moved(position + by * (steps or 1), steps, True)

    def options(
        self,
        first: bool,
        second: str = "two",
        *,
        must: int,
        wait: timedelta = timedelta.max,
        count: int | None = None,
    ) -> list[Robot]:
        self.taken = (first, second, must, wait, count)
        return [self]

    def keywords(self, *, a: bool, b: Robot | None) -> bool:
        return a and b is None


@pytest.mark.parametrize("interface", [Named, Sized, Moving, Robot])
def test_through_a_real_connection(interface: type) -> None:
    assert min(testing.roundtrip(interface, max_examples=10).values()) > 0


@pytest.mark.parametrize("interface", [Moving, Robot])
def test_pycapnp_reads_and_writes_the_same(interface: type) -> None:
    assert min(testing.differential(interface, max_examples=10).values()) > 0


def test_a_property_is_a_property_of_the_proxy() -> None:
    with testing.connected(RealRobot(), Robot) as robot:
        assert robot.name == "Robby"
        with pytest.raises(Closed, match="at night"):
            assert robot.open
        with pytest.raises(AttributeError):
            robot.name = "Other"
    assert isinstance(inspect.getattr_static(generated_for(Named).client, "name"), property)
    assert method_of("Named", "open")[1].schema_name == "isOpen"


def test_parameters_by_name_only() -> None:
    impl = RealRobot()
    with testing.connected(impl, Robot) as robot:
        (again,) = robot.options(True, must=5)
        assert isinstance(again, Robot)
        assert impl.taken == (True, "two", 5, timedelta.max, None)
        robot.options(False, "x", count=8, must=-1, wait=timedelta(1))
        assert impl.taken == (False, "x", -1, timedelta(1), 8)
        assert robot.keywords(b=None, a=True) is True
        with pytest.raises(TypeError):
            robot.options(True, "two", 5)
        with pytest.raises(TypeError):
            robot.options(True)


def test_an_in_out_parameter_comes_back() -> None:
    with testing.connected(RealRobot(), Robot) as robot:
        assert robot.move(1, 2, 3) == Moved(7, 3, True)
        assert robot.move(1, 2) == Moved(3, None, True)


def test_what_is_not_abstract_is_local() -> None:
    with testing.connected(RealRobot(), Robot) as robot:
        assert robot.step() == Moved(10, 10, True)
        assert robot.title == "Robby (m)"
        assert (robot.limit(), robot.LIMIT, robot.unit, robot.kind()) == (10, 10, "m", "object")
        assert robot._hook() is None
    names = {method.name for method in method_of("Moving", "move")[0].methods}
    assert names == {"move"}  # `destroy` is that of Named


def test_an_object_has_the_methods_of_all_its_interfaces() -> None:
    client = generated_for(Robot).client
    assert issubclass(client, (Robot, Sized, Moving, Named))
    with testing.connected(RealRobot(), Robot) as robot:
        assert (robot.name, robot.size(), robot.move(0, 1).position) == ("Robby", 3, 1)


def test_a_narrower_reference_has_properties() -> None:
    allowed = mpipc.restrict(RealRobot(), ["name"])
    with testing.connected(allowed, Robot) as robot:
        assert robot.name == "Robby"
        with pytest.raises(mpipc.RemoteError, match="size may not be called"):
            robot.size()
        with pytest.raises(mpipc.RemoteError, match="open may not be called"):
            assert robot.open
    reference, revoke = mpipc.revocable(RealRobot())
    assert reference.name == "Robby"
    revoke()
    with pytest.raises(PermissionError, match="name: this reference was taken back"):
        assert reference.name


def test_properties_and_names_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class RealFactory(Factory):
        def make(self) -> Robot:
            return RealRobot()

    caplog.set_level(logging.DEBUG, "mpipc.ipc")
    with (
        mpipc.serve("unix:s", RealFactory(), datadir=tmp_path) as server,
        mpipc.connect(server.address, Factory) as factory,
    ):
        robot = factory.make()
        assert robot.name == "Robby"
        assert robot.keywords(a=True, b=None)
    logged = [record.getMessage() for record in caplog.records if record.name == "mpipc.ipc"]
    for side in ("client", "server"):
        found = [each for each in logged if each.startswith(side)]
        assert "Robot.name() -> 'Robby'" in found[1]
        assert "Robot.keywords(a=True, b=None) ->" in found[2]


def test_names_are_those_of_the_declaration() -> None:
    loop, recorder = loopback(method_of("Robot", "options")[0])
    recorder.returns = []
    loop.client.options(first=True, must=1)
    assert recorder.taken == (True, "two", 1, timedelta.max, None)
    assert inspect.signature(type(loop.client).options).parameters.keys() == (
        inspect.signature(methods.Robot.options).parameters.keys()
    )


def test_a_root_gives_them() -> None:
    class RealFactory(Factory):
        def make(self) -> Robot:
            return RealRobot()

    with testing.connected(RealFactory(), Factory) as factory, factory.make() as robot:
        assert robot.name == "Robby"
