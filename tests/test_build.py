"""`mpipc build`: what it writes, leaves alone, removes and says."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpipc.cli import main

ROOT = Path(__file__).parents[1]
CHAIN = """
from abc import ABC, abstractmethod
import mpipc

@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get_height(self) -> int: ...
"""
FILES = ["__init__.py", "chain.capnp", "chain.py"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `demo` of one interface module, in the working directory."""
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "chain.py").write_text(CHAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield directory
    forget()


def forget() -> None:
    """As in a new process."""
    for name in [name for name in sys.modules if name.split(".")[0] == "demo"]:
        del sys.modules[name]


def generated(package: Path) -> list[str]:
    return sorted(path.name for path in (package / "generated").iterdir())


def test_writes_a_schema_and_a_module_for_each_interface_module(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "demo"]) == 0
    assert generated(package) == FILES
    assert "interface Chain" in (package / "generated" / "chain.capnp").read_text()
    assert "1 interface, 2 methods, 0 structs; 3 files written" in capsys.readouterr().out
    for name in FILES:
        mode = (package / "generated" / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o644


def test_writes_nothing_when_nothing_changed(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["build", "demo"])
    before = {name: (package / "generated" / name).stat().st_mtime_ns for name in FILES}
    assert main(["build", "demo"]) == 0
    assert {name: (package / "generated" / name).stat().st_mtime_ns for name in FILES} == before
    assert "0 files written, 3 unchanged" in capsys.readouterr().out


def test_check_prints_what_differs_and_writes_nothing(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["build", "demo"])
    assert main(["build", "demo", "--check"]) == 0
    (package / "chain.py").write_text(CHAIN.replace("get_height", "get_the_height"))
    forget()
    capsys.readouterr()
    assert main(["build", "demo", "--check"]) == 1
    out = capsys.readouterr().out
    assert "--- demo/generated/chain.capnp" in out
    assert "-    getHeight @1" in out and "+    reserved1GetHeight @1 () -> ();" in out
    assert "2 files out of date" in out
    assert "getTheHeight" not in (package / "generated" / "chain.capnp").read_text()


def test_removes_files_of_modules_that_are_gone_but_no_others(package: Path) -> None:
    (package / "more.py").write_text(CHAIN)
    main(["build", "demo"])
    assert "more.capnp" in generated(package)
    (package / "more.py").unlink()
    (package / "generated" / "own.py").write_text("# written by hand\n")
    forget()
    assert main(["build", "demo", "--check"]) == 1
    assert main(["build", "demo"]) == 0
    assert generated(package) == [*FILES, "own.py"]


def test_a_failed_build_leaves_the_old_files(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["build", "demo"])
    before = (package / "generated" / "chain.capnp").read_text()
    (package / "chain.py").write_text(CHAIN.replace("-> int", "-> object"))
    forget()
    assert main(["build", "demo"]) == 1
    error = capsys.readouterr().err
    assert "mpipc: demo.chain.Chain.get_height(result) at demo/chain.py:8" in error
    assert "Traceback" not in error
    assert (package / "generated" / "chain.capnp").read_text() == before


@pytest.mark.parametrize("name", ["no_such_package", "demo.chain", "demo.none"])
def test_a_name_that_is_no_package_is_an_error(
    name: str, package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", name]) == 1
    assert f"mpipc: {name}: " in capsys.readouterr().err


def test_a_package_without_interfaces_is_an_error(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "chain.py").write_text("")
    assert main(["build", "demo"]) == 1
    assert "no interface in it" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["build"], ["no-command"], ["build", "x", "--wrong"]])
def test_wrong_usage_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2


def test_interrupting_exits_with_130(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("mpipc.cli.build.build", interrupted)
    assert main(["build", "demo"]) == 130


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["build", "--help"]])
def test_the_module_runs_as_a_command(argv: list[str]) -> None:
    command = [sys.executable, "-m", "mpipc", *argv]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "mpipc" in run.stdout
