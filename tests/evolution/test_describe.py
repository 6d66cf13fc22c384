"""`mpipc describe`: the tree of what a package declares."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from mpipc.cli import main
from tests.evolution.support import Package

FIRST = """
    @mpipc.interface
    class Chain(ABC):
        @abstractmethod
        def get_tip(self) -> str: ...
        @abstractmethod
        def get_block(self, height: Int32, name: str) -> bytes: ...
    """
SECOND = '''
    class Color(enum.Enum):
        RED = 1

    class Block(msgspec.Struct):
        """A block.

        And more about it.
        """
        hash: bytes
        sizes: dict[str, tuple[Int8, ...]]
        parent: Block | None

    class Found(mpipc.Results):
        reason: str
        height: Int32 | None

    @mpipc.interface(root=True)
    class Init(ABC):
        """Where it starts."""
        @abstractmethod
        def make_chain(self) -> Chain: ...

    @mpipc.interface(destroy=False)
    class Named(ABC):
        @abstractmethod
        def get_name(self) -> str: ...

    @mpipc.interface
    class Chain(Named):
        @mpipc.method(deprecated="use find", raises=(KeyError, mpipc.Raises(ValueError, "other")))
        @abstractmethod
        def get_block(self, height: Int32) -> Block | None: ...
        @abstractmethod
        def find(self, color: Color, some: set[float]) -> Found: ...
        @mpipc.method(context=False)
        @abstractmethod
        def on_tip(self, callback: Callable[[Block], None]) -> None: ...
    '''
TREE = """\
demo.chain
  Init [root]  Where it starts.
    @0 construct()
    @1 make_chain() -> Chain
  Named
    @0 get_name() -> str
  Chain(Named)
    @0 destroy()
    @1 (removed: getTip)
    @2 get_block(height: Int32) -> Block | None raises KeyError, ValueError [deprecated: use find]
    @3 find(color: Color, some: set[float]) -> (reason: str, height: Int32 | None)
    @4 on_tip(callback: ChainOnTipCallback) [no context]
  ChainOnTipCallback [callback]
    @0 destroy()
    @1 __call__(arg0: Block)
  Block [struct]  A block.
    @0 hash: bytes
    @1 sizes: dict[str, tuple[Int8, ...]]
    @2 parent: Block | None
"""


@pytest.fixture
def described(package: Package) -> Package:
    package.write(FIRST)
    package.build()
    package.write(SECOND)
    return package


def test_the_tree(described: Package, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["describe", "demo"]) == 0
    assert capsys.readouterr().out == TREE


def test_json(described: Package, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["describe", "--json", "demo"]) == 0
    (module,) = json.loads(capsys.readouterr().out)
    assert (module["name"], module["file_id"]) == ("demo.chain", "0xbaba89ee1cc01375")
    chain = next(each for each in module["interfaces"] if each["name"] == "Chain")
    assert chain["bases"] == ["Named"]
    assert chain["removed"] == [{"former_name": "getTip", "ordinal": 1}]
    get_block = chain["methods"][1]
    assert get_block == {
        "name": "get_block",
        "schema_name": "getBlock",
        "ordinal": 2,
        "parameters": [
            {
                "name": "height",
                "schema_name": "height",
                "ordinal": 1,
                "type": "Int32",
                "optional": False,
                "group": False,
            }
        ],
        "results": [
            {
                "name": "result",
                "schema_name": "result",
                "ordinal": 0,
                "type": "Block | None",
                "optional": True,
                "group": False,
            }
        ],
        "raises": ["KeyError", "ValueError"],
        "context": True,
        "kind": "method",
        "deprecated": "use find",
        "doc": "",
        "getter": False,
        "is_async": False,
    }
    block = module["structs"][0]
    assert block["doc"].startswith("A block.")
    assert [field["name"] for field in block["fields"]] == ["hash", "sizes", "parent"]


def test_somebody_who_reads_only_the_beginning_sees_no_traceback(described: Package) -> None:
    command = [sys.executable, "-m", "mpipc", "describe", "demo"]
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=50)
    os.close(writer)
    assert (run.returncode, run.stderr) == (1, b"")


def test_what_cannot_be_described_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "no_such_package"]) == 1
    assert "no such package" in capsys.readouterr().err
