"""A client that was not written with mpipc: pycapnp's own RPC, in a process of its own."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import mpipc
from tests.interop.service import Foreign, Service, write_schema
from tests.runtime.support import eventually

SCENARIOS = Path(__file__).parent / "interop" / "scenarios"


def scenarios(module: str) -> list[tuple[str, str]]:
    """The scenarios of a module, which cannot be imported here."""
    text = (SCENARIOS / f"{module}.py").read_text()
    return [(module, name) for name in re.findall(r"^async def (\w+)\(root: Any\)", text, re.M)]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("schema")
    write_schema(directory)
    return str(directory)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def address(tmp_path: Path, service: Service) -> Iterator[str]:
    with mpipc.serve(f"unix:{tmp_path}/s", service, limits=mpipc.Limits(threads=20)):
        yield f"{tmp_path}/s"


@pytest.mark.parametrize(
    ("module", "scenario"), [*scenarios("calls"), *scenarios("objects"), *scenarios("promises")]
)
def test_scenario(schema: str, address: str, module: str, scenario: str) -> None:
    Foreign("client", schema, address, module, scenario).output()


def test_a_client_that_leaves_in_the_middle_of_calls(
    schema: str, address: str, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mpipc")
    Foreign("client", schema, address, "endings", "leaves_in_the_middle_of_calls").output()
    assert service.noted == ["holding k"]
    # What it lent is gone, which also says that its end was noticed.
    assert service.kept_counter is not None
    with pytest.raises(mpipc.Disconnected):
        service.kept_counter.add(1)
    # What it asked for runs to its end, and the log says that nobody waits for it.
    service.let_go("k")
    eventually(lambda: "queued" in service.noted)
    assert service.noted == ["holding k", "held k", "queued"]
    eventually(lambda: "Root.hold ran to its end, but its caller is gone" in caplog.text)
    # What it held ends.
    eventually(lambda: not service.made)
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "left"])
    Foreign("client", schema, address, "calls", "every_value_comes_back").output()


def test_a_client_that_leaves_in_the_middle_of_a_callback(
    schema: str, address: str, service: Service
) -> None:
    Foreign("client", schema, address, "endings", "leaves_in_the_middle_of_a_callback").output()
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "left"])
    Foreign("client", schema, address, "calls", "every_value_comes_back").output()
