"""An interface that is declared in the script itself is the one that others import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A file that is written twice in a second must be compiled twice.
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
SERVER = """
from abc import ABC, abstractmethod
import sys
import mpipc

@mpipc.interface(root=True)
class Clock(ABC):
    @abstractmethod
    def first(self) -> str: ...
    @abstractmethod
    def second(self) -> str: ...

class RealClock(Clock):
    def first(self) -> str:
        return "one"
    def second(self) -> str:
        return "two"

if __name__ == "__main__":
    assert mpipc.serve_spawned(RealClock())
"""
CLIENT = """
import sys
import mpipc
from {name} import Clock
with mpipc.spawn([sys.executable, *{arguments}], Clock) as clock:
    print(clock.first(), clock.second())
"""


def run(directory: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A client in another process spawns the server, and calls it."""
    program = CLIENT.format(name=name, arguments=arguments)
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, cwd=directory, env=ENVIRONMENT | {"PYTHONPATH": f"{directory}:{ROOT}"},
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "clock.py"
    path.write_text(SERVER)
    return path


@pytest.fixture
def package(tmp_path: Path) -> Path:
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "clock.py").write_text(SERVER)
    return directory


def test_a_script(script: Path) -> None:
    assert run(script.parent, "clock", str(script)).stdout == "one two\n"


def test_a_module_of_a_package(package: Path) -> None:
    assert run(package.parent, "demo.clock", "-m", "demo.clock").stdout == "one two\n"


def test_a_script_in_a_package_is_known_by_a_name_that_nobody_can_tell(package: Path) -> None:
    done = run(package.parent, "demo.clock", str(package / "clock.py"))
    assert "SchemaError: __main__ at demo/clock.py: it is run as a script" in done.stderr
    assert "`python -m PACKAGE.MODULE`" in done.stderr


def test_unless_its_file_id_is_declared(package: Path) -> None:
    clock = package / "clock.py"
    clock.write_text(f"{SERVER.replace('import mpipc', FILE, 1)}")
    assert run(package.parent, "demo.clock", str(clock)).stdout == "one two\n"


FILE = "import mpipc\n__schema__ = mpipc.SchemaFile(id=0xA1B2C3D4E5F60718)"


def test_the_ordinals_are_those_that_were_committed(script: Path) -> None:
    """As if the methods had been declared in another order before."""
    package = script.parent / "demo"
    package.mkdir()
    (package / "__init__.py").touch()
    first, second = "def first", "def second"
    clock = package / "clock.py"
    clock.write_text(SERVER.replace(first, "def x").replace(second, first).replace("def x", second))
    command = [sys.executable, "-m", "mpipc", "build", "demo"]
    subprocess.run(command, cwd=script.parent, env=ENVIRONMENT, check=True, timeout=50)
    clock.write_text(SERVER)
    schema = (package / "generated" / "clock.capnp").read_text()
    assert schema.index("second ") < schema.index("first ")
    assert run(script.parent, "demo.clock", "-m", "demo.clock").stdout == "one two\n"


def test_what_is_typed_into_an_interpreter_needs_no_name(tmp_path: Path) -> None:
    program = (
        SERVER.partition("if __name__")[0]
        + """
from mpipc import testing
with testing.connected(RealClock(), Clock) as clock:
    print(clock.second())
"""
    )
    done = subprocess.run(
        [sys.executable], input=program, cwd=tmp_path, capture_output=True, text=True, timeout=50,
        env=ENVIRONMENT,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("two\n", "")
