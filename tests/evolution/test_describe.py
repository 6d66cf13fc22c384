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
                "default": None,
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
                "default": None,
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


DEFAULTS = """
    class Color(enum.IntFlag):
        RED = 1
        BLUE = 2

    class Plan(msgspec.Struct, frozen=True):
        name: str
        steps: list[str] = msgspec.field(default_factory=lambda: ["one"])
        color: Color = Color.RED
        both: Color = Color.RED | Color.BLUE

    @dataclass
    class Bag:
        things: list[int] = field(default_factory=list)
        label: str = ""

    @attrs.define
    class Box:
        things: list[int] = attrs.Factory(list)
        size: Int8 = 3

    class Pair(NamedTuple):
        left: int
        right: float = 0.5

    class Maybe(TypedDict):
        key: NotRequired[int]

    Any = Plan | Bag | Box | Pair | Maybe

    @mpipc.interface
    class Builder(ABC):
        @abstractmethod
        def build(
            self, plan: Plan, times: Int32 = 1, wait: timedelta = timedelta(seconds=5), *,
            tell: Callable[[Any], None] | None = None,
            password: Annotated[str, Field(secret=True)] = "hidden",
        ) -> None: ...
    """
DEFAULTS_TREE = """\
demo.chain
  Builder
    @0 destroy()
    @1 build(plan: Plan, times: Int32 = 1, wait: timedelta = datetime.timedelta(seconds=5), \
tell: BuilderBuildTellCallback | None = None, password: str = ...)
  BuilderBuildTellCallback [callback]
    @0 destroy()
    @1 __call__(arg0: Any)
  Plan [struct]
    @0 name: str
    @1 steps: list[str] = ...
    @2 color: Color = Color.RED
    @3 both: Color = Color(3)
  Bag [struct]
    @0 things: list[int] = ...
    @1 label: str = ''
  Box [struct]
    @0 things: list[int] = ...
    @1 size: Int8 = 3
  Pair [struct]
    @0 left: int
    @1 right: float = 0.5
  Maybe [struct]
    @0 key: int | None
  Any [union]
    @0 plan: Plan
    @1 bag: Bag
    @2 box: Box
    @3 pair: Pair
    @4 maybe: Maybe
"""
IMPORTS = """
    from dataclasses import dataclass, field
    from datetime import timedelta
    from typing import NamedTuple
    from typing_extensions import NotRequired, TypedDict
    import attrs
"""


def test_defaults(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    package.write(IMPORTS + DEFAULTS)
    assert main(["describe", "demo"]) == 0
    assert capsys.readouterr().out == DEFAULTS_TREE
    assert main(["describe", "--json", "demo.Plan"]) == 0
    (module,) = json.loads(capsys.readouterr().out)
    (plan,) = module["structs"]
    assert [each["default"] for each in plan["fields"]] == [None, "...", "Color.RED", "Color(3)"]


ALL = {"Init", "Named", "Chain", "ChainOnTipCallback", "Block"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("demo.chain", ALL),
        ("demo.chain.Init", {"Init"}),
        ("demo.Chain", {"Chain", "ChainOnTipCallback"}),
        ("demo.Block", {"Block"}),
        ("{}/demo/", ALL),
        ("{}/demo/chain.py", ALL),
    ],
)
def test_a_part_of_a_package(
    described: Package, name: str, expected: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["describe", "--json", name.format(described.directory.parent)]) == 0
    (module,) = json.loads(capsys.readouterr().out)
    assert {each["name"] for each in (*module["interfaces"], *module["structs"])} == expected


def test_somebody_who_reads_only_the_beginning_sees_no_traceback(described: Package) -> None:
    command = [sys.executable, "-m", "mpipc", "describe", "demo"]
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, timeout=50)
    os.close(writer)
    assert (run.returncode, run.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_package", "mpipc: no_such_package: no such package, module or interface\n"),
        ("demo.Chian", "mpipc: demo.Chian: there is no Chian in demo\n"),
        ("demo.chain.Chian", "mpipc: demo.chain.Chian: there is no Chian in demo.chain\n"),
        ("./chain.py", "mpipc: ./chain.py: there is no such directory or module\n"),
    ],
)
def test_what_is_not_there(
    described: Package, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["describe", name]) == 2
    assert capsys.readouterr().err == said
