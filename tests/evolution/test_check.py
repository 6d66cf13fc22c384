"""`mpipc check`: exit status, drift, places, and what is printed for whom."""

from __future__ import annotations

import importlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import mpipc
from mpipc.cli import main
from tests.evolution.support import Package, commit

ROOT = Path(__file__).parents[2]
CHAIN = """
@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get_block(self, height: Int32) -> str: ...

    @abstractmethod
    def get_size(self) -> int: ...
"""
WIDER = CHAIN.replace("Int32", "int")


def built(package: Package) -> None:
    package.write(CHAIN)
    package.build()


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["check", *arguments, "demo"])
    return status, capsys.readouterr().out


def line_of(package: Package, text: str) -> int:
    lines = (package.directory / "chain.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_nothing_changed(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    package.forget()
    status, out = checked(capsys)
    assert (status, out) == (0, "demo, compared with demo/generated\n\nnothing changed\n")


def test_a_comment_is_no_drift(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    package.write(CHAIN + "# What is generated holds a digest of this file.\n")
    status, out = checked(capsys)
    assert (status, out) == (0, "demo, compared with demo/generated\n\nnothing changed\n")


def test_a_safe_change_is_drift_until_it_is_built(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    package.write(CHAIN + "    @abstractmethod\n    def more(self) -> None: ...\n")
    status, out = checked(capsys)
    assert status == 1
    assert f"  safe    demo/chain.py:{line_of(package, 'def more')}  Chain.more: added @3" in out
    assert "1 change is safe; 2 files are out of date: run `mpipc build`" in out
    package.build()
    assert checked(capsys)[0] == 0


def test_a_breaking_change_names_the_place_the_victims_and_the_way_out(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    package.write(WIDER)
    status, out = checked(capsys)
    assert status == 1
    place = f"demo/chain.py:{line_of(package, 'height: int')}"
    assert (
        f"  breaks  {place}  Chain.get_block(height): type changed from Int32 to Int64\n"
        "          old clients and old servers: the number is read from other bytes than it was"
        " written to: wrong, without an error\n"
        "          write instead: leave it as it is, and add another parameter of the new type\n"
    ) in out


def test_what_is_gone_is_reported_where_it_was(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    package.write(
        """
        @mpipc.interface
        class Chain(ABC):
            @abstractmethod
            def get_block(self) -> str: ...

            @abstractmethod
            def size_of_all(self) -> int: ...
        """
    )
    _, out = checked(capsys)
    line = line_of(package, "@mpipc.interface")
    assert f"demo/chain.py:{line + 1}  Chain.getSize: removed" in out
    assert "if it is now called 'sizeOfAll': @mpipc.method(2) there; else keep it" in out
    line = line_of(package, "@abstractmethod")
    assert f"demo/chain.py:{line + 1}  Chain.get_block(height): removed" in out


def test_a_module_that_is_gone_or_new(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    package.write(CHAIN.replace("class Chain", "class Node"), "node")
    (package.directory / "chain.py").unlink()
    package.forget()
    status, out = checked(capsys)
    assert status == 1
    assert "demo/generated/chain.capnp:7  Chain: removed" in out
    assert "demo/node.py:12  Node: added" in out


def test_a_package_that_was_never_built_has_only_drift(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(CHAIN)
    status, out = checked(capsys)
    assert status == 1
    assert f"safe    demo/chain.py:{line_of(package, 'class Chain')}  Chain: added" in out
    assert "1 change is safe; 3 files are out of date" in out


def test_an_interface_that_is_no_root_any_more_cannot_be_connected_to(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    root = CHAIN.replace("@mpipc.interface", "@mpipc.interface(root=True)")
    package.write(root)
    package.build()
    package.write(CHAIN)
    _, out = checked(capsys)
    assert "Chain: no longer has 'construct'" in out
    assert "old clients: they find no object to start with" in out
    chain = importlib.import_module("demo.chain").Chain
    real = type("RealChain", (chain,), {"get_block": len, "get_size": len})
    with pytest.raises(mpipc.SchemaError, match="implements no root interface"):
        mpipc.serve(f"unix:{package.directory}/socket", real())


def test_json_says_the_same_for_programs(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    package.write(WIDER)
    status, out = checked(capsys, "--json")
    assert status == 1
    (report,) = json.loads(out)
    assert report["old"] == "demo/generated" and report["new"] == "demo"
    assert report["drift"] == ["demo/generated/chain.capnp", "demo/generated/chain.py"]
    (finding,) = report["findings"]
    assert finding == {
        "rule": "parameter-type",
        "breaking": True,
        "name": "Chain.get_block(height)",
        "file": "demo/chain.py",
        "line": line_of(package, "height: int"),
        "what": "type changed from Int32 to Int64",
        "effect": "the number is read from other bytes than it was written to: wrong, "
        "without an error",
        "breaks": ["old clients", "old servers"],
        "instead": "leave it as it is, and add another parameter of the new type",
    }


def test_annotations_for_github(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    package.write(WIDER + "    @abstractmethod\n    def more(self) -> None: ...\n")
    status, out = checked(capsys, "--github")
    assert status == 1
    breaking, safe, *drift = out.splitlines()
    line = line_of(package, "height: int")
    assert breaking.startswith(
        f"::error file=demo/chain.py,line={line},title=breaks old clients and old servers::"
        "Chain.get_block(height): type changed from Int32 to Int64."
    )
    assert "%0AWrite instead: leave it" in breaking
    assert safe.startswith("::notice file=demo/chain.py,line=")
    assert drift == [
        f"::error file=demo/generated/{name},line=1,title=out of date::"
        "Run `mpipc build` and commit it."
        for name in ("chain.capnp", "chain.py")
    ]


def test_several_packages_in_one_go(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    other = Package(package.directory.parent, "other")
    other.write(CHAIN)
    other.build()
    other.write(WIDER)
    package.forget()
    capsys.readouterr()
    assert main(["check", "demo", "other"]) == 1
    out = capsys.readouterr().out
    other.forget()
    assert "demo, compared with demo/generated\n\nnothing changed\n\nother, compared with" in out


# ---------------------------------------------------------------------------------- against git


def test_against_a_revision_what_was_built_since_breaks_too(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    commit(package.directory.parent)
    package.write(WIDER)
    package.build()
    assert checked(capsys)[0] == 0
    status, out = checked(capsys, "--against", "HEAD")
    assert status == 1
    assert "demo, compared with HEAD:demo" in out
    assert f"demo/chain.py:{line_of(package, 'height: int')}  Chain.get_block(height): type" in out


def test_against_a_revision_a_package_that_was_not_there_breaks_nobody(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(package.directory.parent)
    (package.directory / "__init__.py").unlink()
    commit(package.directory.parent)
    (package.directory / "__init__.py").touch()
    built(package)
    status, out = checked(capsys, "--against", "HEAD")
    assert status == 0, out
    assert "1 change is safe" in out


def test_a_revision_that_is_not_there_is_wrong_usage(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    assert main(["check", "--against", "HEAD", "demo"]) == 2
    assert "mpipc: HEAD: no revision that git knows" in capsys.readouterr().err


# --------------------------------------------------------------------------------------- errors


def test_declarations_without_a_schema_are_an_error(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    package.write(CHAIN.replace("Int32", "object"))
    assert main(["check", "demo"]) == 1
    assert "Chain.get_block(height) at demo/chain.py:" in capsys.readouterr().err


def test_a_committed_schema_that_does_not_compile_is_an_error(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    built(package)
    path = package.path()
    path.write_text(path.read_text().replace("height :Int32", "height :Nothing"))
    package.forget()
    assert main(["check", "demo"]) == 1
    error = capsys.readouterr().err
    assert f"mpipc: {path}:" in error and "Not defined: Nothing" in error


@pytest.mark.parametrize(
    "argv", [["check"], ["check", "demo", "--json", "--github"], ["diff", "demo"], ["describe"]]
)
def test_wrong_usage_exits_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(argv)
    assert raised.value.code == 2


# -------------------------------------------------------------------------------------- colours


def on_terminal(directory: Path, **variables: str) -> bytes:
    """What `mpipc check demo` prints to a terminal."""
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    environment["PYTHONPATH"] = os.pathsep.join([str(directory), str(ROOT)])
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "mpipc", "check", "demo"]
    run = subprocess.Popen(command, cwd=directory, env=environment | variables, stdout=slave)
    os.close(slave)
    output = b""
    while True:
        try:
            read = os.read(master, 4096)
        except OSError:  # nobody has the other end open any more
            break
        if not read:
            break
        output += read
    os.close(master)
    run.wait(50)
    return output


def test_colours_only_for_people_who_want_them(package: Package, tmp_path: Path) -> None:
    built(package)
    package.write(WIDER)
    assert b"\x1b[31mbreaks\x1b[0m" in on_terminal(tmp_path)
    plain = on_terminal(tmp_path, NO_COLOR="1")
    assert b"breaks" in plain and b"\x1b" not in plain


def test_no_colours_in_a_file(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    built(package)
    package.write(WIDER)
    assert "\x1b" not in checked(capsys)[1]


def test_the_way_out_for_a_module_that_was_moved(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(CHAIN)
    package.write("@mpipc.struct\nclass Point(msgspec.Struct):\n    x: Int32\n", "shapes")
    package.build()
    old = package.model().modules["demo.chain"].id
    package.write(CHAIN.replace("get_block", "find_block"))
    package.build()
    before = package.schema()
    (package.directory / "chain.py").unlink()
    moved = CHAIN.replace("get_block", "find_block")
    package.write(moved, "node")
    status, out = checked(capsys)
    assert status == 1
    assert f"or, if its module was: mpipc.SchemaFile(id={old:#x}), and its committed schema" in out
    package.write(f"__schema__ = mpipc.SchemaFile(id={old:#x})\n{moved}", "node")
    package.path().rename(package.path("node"))
    assert "breaks" not in checked(capsys)[1]
    package.build()
    assert checked(capsys)[0] == 0
    assert package.schema("node") == before.replace("demo.chain", "demo.node")


def test_a_recursive_union_and_generic_classes_can_be_checked(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(RECURSIVE)
    package.build()
    capsys.readouterr()
    package.write(RECURSIVE.replace("left: Tree", "left: Tree\n    right: Tree"))
    package.forget()
    assert main(["check", package.name]) == 1
    found = capsys.readouterr().out
    assert "Node.right: added @1" in found
    assert "the first alternative of Tree has another Tree inside: reading it fails" in found


RECURSIVE = """
from typing import Generic, TypeVar
T = TypeVar("T")

class Result(msgspec.Struct, Generic[T]):
    value: T | None

class Node(msgspec.Struct):
    left: Tree

class Leaf(msgspec.Struct):
    value: Int32

Tree = Node | Leaf

@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get(self, tree: Tree) -> Result[Tree]: ...
"""
