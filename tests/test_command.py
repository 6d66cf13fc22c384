"""The command `mpipc` in a terminal: help, completion, colours, Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mpipc.cli import main
from tests.test_docs import ROOT

COMMAND = [sys.executable, "-m", "mpipc"]


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `--help` prints."""
    with pytest.raises(SystemExit) as exited:
        main([*arguments, "--help"])
    assert exited.value.code == 0
    return capsys.readouterr().out


def test_each_command_has_an_example_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^    (\w+)  ", helped(capsys), re.MULTILINE)
    assert "call" in commands
    for command in commands:
        text = helped(capsys, command)
        assert f"\n  mpipc {command} " in text.partition("example:")[2], command


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
@pytest.mark.parametrize(
    "line",
    [
        "call unix:nobody Echo.echo 1 --timeout", "top unix:nobody --interval",
        "trace replay no-such-file unix:nobody --timeout",
    ],
)  # fmt: skip
def test_what_is_no_time_is_said(line: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([*line.split(), value])
    assert exited.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {line.split()[-1]}: " in said and value in said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mpipc ", {"build", "call", "check", "describe", "diff"}),
        ("mpipc call --", {"--package", "--timeout", "--root", "--follow"}),
        ("mpipc call unix:s Echo.", {"Echo.echo "}),
        ("mpipc call unix:s --package no_such_package Echo.", set()),
    ],
)
def test_a_shell_is_told_how_a_line_could_go_on(
    tmp_path: Path, line: str, expected: set[str]
) -> None:
    pytest.importorskip("argcomplete")
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
        "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "out"),
        "IFS": "\n",
    }
    run = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = set(re.split(r"[\n\v]", (tmp_path / "out").read_text()))
    assert expected <= found
    assert expected or found == {""}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("mpipc descr", "mpipc describe "),
        ("mpipc describe --js", "mpipc describe --json "),
        ("mpipc describe interfaces.Mini", "mpipc describe interfaces.Mining "),
        ("mpipc call unix:s Echo.ec", "mpipc call unix:s Echo.echo "),
    ],
)
def test_bash_completes(typed: str, completed: str) -> None:
    pytest.importorskip("argcomplete")
    commands = Path(sys.executable).parent
    terminal, shells = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=ROOT, stdin=shells, stdout=shells, stderr=shells, start_new_session=True,
        env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}", "TERM": "dumb"},
    )  # fmt: skip
    os.close(shells)
    shown = b""
    try:
        os.write(terminal, b'eval "$(register-python-argcomplete mpipc)"\n')
        os.write(terminal, b"echo rea''dy\n")
        while b"ready\r\n" not in shown:
            shown += os.read(terminal, 1000)
        shown = b""
        os.write(terminal, f"{typed}\t".encode())
        while completed.encode() not in shown:
            shown += os.read(terminal, 1000)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)


def in_terminal(tmp_path: Path, **environment: str) -> str:
    """What a wrong command prints where somebody looks at it."""
    here, there = pty.openpty()
    run = subprocess.run(
        [*COMMAND, "build", "no_such_package"],
        cwd=tmp_path, stdout=there, stderr=there,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip
    assert run.returncode == 1
    os.close(there)
    text = os.read(here, 10_000).decode()
    os.close(here)
    return text


def test_errors_are_coloured_in_a_terminal_unless_somebody_dislikes_that(tmp_path: Path) -> None:
    coloured = in_terminal(tmp_path, NO_COLOR="", TERM="xterm")
    assert coloured.startswith("\x1b[1;31mmpipc:\x1b[0m no_such_package")
    for environment in ({"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": "", "TERM": "dumb"}):
        assert in_terminal(tmp_path, **environment).startswith("mpipc: no_such_package: ")


def test_a_package_may_be_named_by_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["build", "--check", f"{ROOT}/interfaces/"]) == 0
    assert capsys.readouterr().out.startswith("interfaces: ")
    assert main(["build", "--check", "./interfaces"]) == 2
    assert "./interfaces: there is no such directory" in capsys.readouterr().err


BROKEN = {
    "syntax": ("x = (1,\n", "at broken/api.py:1: it cannot be imported: SyntaxError: "),
    "import": (
        "\nimport no_such_module\n",
        "at broken/api.py:2: it cannot be imported: ModuleNotFoundError: "
        "No module named 'no_such_module'",
    ),
    "name": (
        "def f():\n    return nothing\nf()\n",
        "at broken/api.py:2: it cannot be imported: NameError: name 'nothing' is not defined",
    ),
    "bytes": ("'\udcff'\n", "it cannot be imported: SyntaxError: "),
    "declared": (
        "import mpipc\n\n\n@mpipc.interface(nmae='x')\nclass A: ...\n",
        "at broken/api.py:4: it cannot be imported: TypeError: ",
    ),
}


@pytest.mark.parametrize(
    "command", ["build", "check", "describe", "call --package", "diff interfaces"]
)
@pytest.mark.parametrize(("text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_module_that_cannot_be_imported_is_said_with_its_line(
    tmp_path: Path, command: str, text: str, said: str
) -> None:
    package = tmp_path / "broken"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "api.py").write_text(text, errors="surrogateescape")
    target = ["unix:nobody", "A.b"] if command.startswith("call") else []
    run = subprocess.run(
        [*COMMAND, *command.split(), "broken", *target],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1, run.stderr
    [line] = run.stderr.splitlines()
    assert line.startswith("mpipc: ") and said in line


LATIN = """
import mpipc
from abc import ABC, abstractmethod


@mpipc.interface
class Stadt(ABC):
    '''Zürich \u2013 😀.'''
    @abstractmethod
    def wo(self) -> None: ...
"""


@pytest.mark.parametrize(
    ("options", "expected"), [((), "Z\\xfcrich"), (("--json",), "Z\\u00fcrich \\u2013 \\ud83d")]
)
def test_a_terminal_without_a_character_gets_its_number(
    tmp_path: Path, options: Sequence[str], expected: str
) -> None:
    (tmp_path / "stadt.py").write_text(LATIN)
    run = subprocess.run(
        [*COMMAND, "describe", *options, "stadt"],
        cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert expected in run.stdout
    if options:
        [module] = json.loads(run.stdout)
        assert module["interfaces"][0]["doc"] == "Zürich \u2013 😀."


def test_a_working_directory_that_is_gone_is_said_in_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = (
        "import os, sys; from mpipc.cli import main; sys.path.remove(''); os.rmdir(os.getcwd());"
        "sys.exit(main(['describe', 'x']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=gone, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (run.returncode, run.stderr) == (1, "mpipc: No such file or directory\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file that is full")
def test_a_full_disk_is_said_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [*COMMAND, "describe", "interfaces"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE
        )
    assert (run.returncode, run.stderr) == (1, b"mpipc: No space left on device\n")


def test_programs_in_a_package_are_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "runnable"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("raise SystemExit('it runs')")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["describe", "runnable"]) == 1
    assert capsys.readouterr().err.startswith("mpipc: runnable: nothing is declared in it\n")
