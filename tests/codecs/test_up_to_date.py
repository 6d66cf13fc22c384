"""Which code runs: the generated file while it fits the declarations, else code made in memory."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpipc.cli import main
from mpipc.generate.load import generated_for
from mpipc.testing.loopback import Loopback

CHAIN = """
from __future__ import annotations
from abc import ABC, abstractmethod
import mpipc
from demo.blocks import Block
from demo.numbers import Height

@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get_block(self, height: Height, verbosity: int = 1) -> list[Block]: ...

@mpipc.interface
class Other(ABC):
    @abstractmethod
    def other(self) -> None: ...
"""
BLOCKS = """
import msgspec
from mpipc import Int32

class Block(msgspec.Struct):
    height: Int32
"""
NUMBERS = """
from typing import Annotated
from mpipc import Int32 as Height
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `demo`, built."""
    directory = tmp_path / "demo"
    directory.mkdir()
    (directory / "__init__.py").touch()
    (directory / "chain.py").write_text(CHAIN)
    (directory / "blocks.py").write_text(BLOCKS)
    (directory / "numbers.py").write_text(NUMBERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # A file that is written twice in a second must be compiled twice.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    assert main(["build", "demo"]) == 0
    forget()
    yield directory
    forget()


def forget() -> None:
    """As in a new process."""
    for name in list(sys.modules):
        if name.split(".")[0] == "demo" or name.startswith("_mpipc_generated.demo"):
            del sys.modules[name]
    importlib.invalidate_caches()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def chain() -> Any:
    return importlib.import_module("demo.chain").Chain


def module_in_use() -> str:
    return generated_for(chain()).client.__module__


FROM_FILE = "demo.generated.chain"
IN_MEMORY = "_mpipc_generated.demo_chain"


@pytest.mark.usefixtures("package")
def test_the_file_is_used_while_it_is_up_to_date() -> None:
    assert module_in_use() == FROM_FILE


PROGRAM = """
import sys, demo.chain
from mpipc.generate.load import generated_for
print(generated_for(demo.chain.Chain).client.__module__)
heavy = ["capnp", "mpipc.derive", "mpipc.schema", "mpipc.generate.module"]
print([name for name in heavy if name in sys.modules])
"""


def test_what_is_up_to_date_needs_no_compiler_and_no_generator(package: Path) -> None:
    command = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": f"{package.parent}:{Path(__file__).parents[2]}"}
    run = subprocess.run(
        command, cwd=package.parent, env=environment, capture_output=True, text=True, timeout=50
    )
    assert (run.stderr, run.stdout) == ("", f"{FROM_FILE}\n[]\n")


def test_an_edited_declaration_is_generated_in_memory(package: Path) -> None:
    edit(package / "chain.py", "def other", "def another")
    assert module_in_use() == IN_MEMORY
    assert "another" in dir(generated_for(sys.modules["demo.chain"].Other).client)


def test_so_is_one_whose_struct_in_another_module_was_edited(package: Path) -> None:
    """The code that reads lists of the struct is in both generated modules."""
    edit(package / "blocks.py", "height: Int32", "height: Int32\n    hash: bytes")
    assert module_in_use() == IN_MEMORY


class FakeChain:
    def __init__(self, blocks: Any) -> None:
        self.blocks = blocks
        self.asked: list[tuple[int, int]] = []

    def get_block(self, height: int, verbosity: int) -> Any:
        self.asked.append((height, verbosity))
        return [self.blocks.Block(height, b"\1")] if height else []


def test_code_in_memory_knows_the_edited_struct(package: Path) -> None:
    edit(package / "blocks.py", "height: Int32", "height: Int32\n    hash: bytes")
    cls = chain()
    impl = FakeChain(sys.modules["demo.blocks"])
    assert Loopback(cls, impl).client.get_block(5) == [sys.modules["demo.blocks"].Block(5, b"\1")]


def test_so_is_one_whose_alias_in_another_module_was_edited(package: Path) -> None:
    """A module without an interface or a struct in it has no generated code of its own."""
    edit(package / "numbers.py", "Int32 as", "UInt8 as")
    assert module_in_use() == IN_MEMORY


def test_a_default_is_the_declared_one(package: Path) -> None:
    edit(package / "chain.py", "verbosity: int = 1", "verbosity: int = 2")
    cls = chain()
    impl = FakeChain(None)
    Loopback(cls, impl).client.get_block(0)
    assert impl.asked == [(0, 2)]


def test_a_comment_changes_nothing(package: Path) -> None:
    for name in ("chain.py", "blocks.py", "numbers.py"):
        with (package / name).open("a") as file:
            file.write("# just a comment\n")
    assert module_in_use() == FROM_FILE


def test_an_interface_that_is_gone_is_not_missed(package: Path) -> None:
    """Importing the file would fail: it names the class."""
    edit(package / "chain.py", "class Other", "class Renamed")
    assert module_in_use() == IN_MEMORY


def test_code_of_another_version_of_the_generator_is_not_used(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "generated" / "chain.py").write_text("raise AssertionError('it ran')\n")
    assert module_in_use() == IN_MEMORY
    main(["build", "demo"])
    forget()
    monkeypatch.setattr("mpipc.generate.stamps.GENERATION", b"another")
    assert module_in_use() == IN_MEMORY


def test_a_module_is_generated_in_memory_once(package: Path) -> None:
    edit(package / "chain.py", "def other", "def another")
    first = sys.modules[module_in_use()]
    generated_for(sys.modules["demo.chain"].Other)
    assert sys.modules[IN_MEMORY] is first


def test_tracebacks_show_the_lines_of_code_in_memory(package: Path) -> None:
    import traceback

    edit(package / "chain.py", "def other", "def another")
    client = Loopback(chain(), FakeChain(None)).client
    try:
        client.get_block("x")
    except ValueError as e:
        text = "".join(traceback.format_exception(e))
    assert re.search(
        r'File "<_mpipc_generated.demo_chain>", line \d+, in _pack_Chain_get_block\n +raise', text
    )


# ------------------------------------------------------------------------------ `build --check`


def test_a_comment_does_not_fail_the_check(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = package / "generated" / "chain.py"
    before = file.read_text()
    edit(package / "chain.py", "@abstractmethod\n", "@abstractmethod  # a comment\n")
    assert main(["build", "demo", "--check"]) == 0
    assert "0 files written, 5 unchanged" in capsys.readouterr().out
    assert file.read_text() == before
    forget()
    assert main(["build", "demo"]) == 0
    assert "1 file written" in capsys.readouterr().out
    assert file.read_text() != before


def test_everything_else_does(package: Path) -> None:
    edit(package / "generated" / "chain.py", "Calls Chain", "Called Chain")
    assert main(["build", "demo", "--check"]) == 1
    assert main(["build", "demo"]) == 0
    forget()
    edit(package / "blocks.py", "height: Int32", "height: Int32\n    hash: bytes")
    assert main(["build", "demo", "--check"]) == 1
