"""The programs on the pages are typed into an empty directory, as a reader would, and print what
the pages show.

A block below a line that is only a file's name is that file. A `console` block is what a terminal
shows: commands after "$ ", and what they print. One below the comment "keeps running" does so; a
later block with the same command shows its terminal as it is then, and "^C" ends it.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.test_docs import DOCS, ROOT, Block, blocks

PATIENCE = 30.0
EXAMPLES = ROOT / "examples" / "tutorial"


class Terminal:
    """A directory in which commands are typed."""

    def __init__(self, directory: Path, commands: Path) -> None:
        self.directory = directory
        # `python` and `mpipc` are those that run the tests.
        for name, arguments in (("python", ""), ("mpipc", "-m mpipc")):
            script = commands / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
            script.chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self._servers: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}

    def follow(self, page: list[Block]) -> None:
        """Write the files of a page and run its commands, in order."""
        for block in page:
            if block.file:
                (self.directory / block.file).write_text(block.text)
            elif block.language == "console" and block.note != "not run by the tests":
                for command, shown in commands_of(block):
                    if block.note == "keeps running":
                        log = f"output-{len(self._servers)}"
                        self._servers[command] = self._start(command, log)
                    self._type(command, shown)

    def _type(self, command: str, shown: list[str]) -> None:
        if command in self._servers:
            self._look_at_server(command, shown)
            return
        process, log = self._start(command, "output")
        process.wait(PATIENCE)
        assert self._printed(log) == comparable(shown), command

    def _start(self, command: str, log: str) -> tuple[subprocess.Popen[bytes], Path]:
        path = self.directory.parent / log
        with path.open("wb") as output:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.directory,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return process, path

    def _look_at_server(self, command: str, shown: list[str]) -> None:
        process, log = self._servers[command]
        if shown[-1] == "^C":
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0, self._printed(log)
            del self._servers[command]
            assert self._printed(log) == comparable(shown[:-1])
            return
        deadline = time.monotonic() + PATIENCE
        while self._printed(log) != comparable(shown):
            assert process.poll() is None, self._printed(log)
            assert time.monotonic() < deadline, self._printed(log)
            time.sleep(0.02)

    def _printed(self, log: Path) -> list[str]:
        text = log.read_text().replace(str(self.directory), "/home/ada")
        return comparable(text.splitlines())

    def close(self) -> None:
        """End what still runs."""
        for process, _ in self._servers.values():
            process.terminate()
            process.wait(PATIENCE)


def comparable(lines: list[str]) -> list[str]:
    """Neither the ids of processes are compared nor how long something takes, nor what pytest adds
    where mpipc is installed."""
    lines = [re.sub(r" in \d+\.\d\ds$", "", line) for line in lines]
    lines = [line for line in lines if not re.match(r"mpipc: \d+ methods checked", line)]
    lines = [re.sub(r"\(\d+\.\d\d s\)", "(0.00 s)", line) for line in lines]
    return [re.sub(r"^(node|wallet) \d+ +", r"\1 0 ", line) for line in lines]


def commands_of(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a console block, each with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield command, shown


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    directories = tmp_path / "ada", tmp_path / "bin"
    for directory in directories:
        directory.mkdir()
    with closing(Terminal(*directories)) as terminal:
        yield terminal


# ---------------------------------------------------------------------------------- the tutorial

STEPS = {
    section: list(group)
    for section, group in itertools.groupby(
        (block for block in blocks(DOCS / "tutorial.md") if not block.note.startswith("not run")),
        lambda block: block.section,
    )
}


def example_of(section: str) -> Path:
    """`3. Objects` -> `examples/tutorial/3_objects`."""
    [found] = EXAMPLES.glob(f"{section.partition('.')[0]}_*")
    return found


@pytest.mark.parametrize("section", STEPS)
def test_a_step_of_the_tutorial_works_as_typed(section: str, terminal: Terminal) -> None:
    terminal.follow(STEPS[section])


@pytest.mark.parametrize("section", STEPS)
def test_a_step_of_the_tutorial_shows_the_files_of_the_example(section: str) -> None:
    example = example_of(section)
    files = {str(path.relative_to(example)): path.read_text() for path in example.rglob("*.py")}
    shown = {block.file: block.text for block in STEPS[section] if block.file}
    assert shown == {name: text for name, text in files.items() if text}


def test_every_example_is_a_step_of_the_tutorial() -> None:
    examples = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert sorted(example_of(section).name for section in STEPS) == examples
    text = (DOCS / "tutorial.md").read_text()
    assert re.findall(r"\]\(\.\./examples/tutorial/(\w+)/\)", text) == examples


# -------------------------------------------------------------------------------- the other pages


@pytest.mark.timeout(240)  # some start a dozen programs
@pytest.mark.parametrize(
    "page",
    [
        *("threads-and-lifetimes.md", "bitcoin-core.md", "deployment.md", "json-rpc.md"),
        *("testing.md", "reference.md", "observability.md", "performance.md"),
    ],
)
def test_the_programs_of_a_page_work_as_typed(page: str, terminal: Terminal) -> None:
    if page == "bitcoin-core.md":
        pytest.importorskip("btclib_wallet", reason="the example's library needs Python 3.11")
    terminal.follow(blocks(DOCS / page))


def test_the_example_of_the_readme_works_as_typed(terminal: Terminal) -> None:
    page = [block for block in blocks(ROOT / "README.md") if block.section == "An example"]
    assert [block.file for block in page if block.file]
    terminal.follow(page)
