"""`mpipc diff`: what can be compared, and what only hand-written schemas can do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import capnp
import pytest

from mpipc.cli import main
from tests.evolution.support import Package, commit, git

CHAIN = """
@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get_block(self, height: Int32) -> str: ...
"""
WIDER = CHAIN.replace("Int32", "int")
BREAKS = "Chain.getBlock(height): type changed from Int32 to Int64"


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["diff", *arguments])
    printed = capsys.readouterr()
    return status, printed.out + printed.err


def versions(package: Package) -> None:
    """Two commits; the second breaks the first."""
    package.write(CHAIN)
    package.build()
    commit(package.directory.parent)
    package.write(WIDER)
    package.build()
    commit(package.directory.parent)
    package.forget()


def test_two_revisions(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    versions(package)
    status, out = compared(capsys, "HEAD~1:demo", "HEAD:demo")
    assert status == 1
    assert "HEAD:demo, compared with HEAD~1:demo" in out
    assert f"breaks  demo/generated/chain.capnp:9  {BREAKS}" in out
    assert compared(capsys, "HEAD:demo", "HEAD:demo")[0] == 0


def test_all_packages_of_two_revisions(
    package: Package, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions(package)
    top = package.directory.parent
    (top / "inside" / "more").mkdir(parents=True)
    git(top, "mv", "demo", "inside/more/demo")
    commit(top)
    for old, new in (
        ("HEAD~2", "HEAD~1"),
        ("HEAD~2:.", "HEAD:."),
        ("HEAD~2", "."),
        (".", "HEAD~2"),
    ):
        status, out = compared(capsys, old, new)
        assert status == 1 and f"{new}, compared with {old}" in out
        assert "Chain.getBlock(height): type changed" in out
    assert compared(capsys, "HEAD", "HEAD")[0] == 0
    monkeypatch.chdir(top / "inside")
    assert BREAKS in compared(capsys, "HEAD~2", "HEAD")[1]
    assert BREAKS in compared(capsys, "HEAD~2", "more")[1]


def test_a_revision_without_schemas(package: Package, capsys: pytest.CaptureFixture[str]) -> None:
    package.write(CHAIN)
    commit(package.directory.parent)
    assert compared(capsys, "HEAD", "demo") == (
        2,
        "mpipc: HEAD: nothing in this revision was built: HEAD:PACKAGE\n",
    )


def test_a_revision_and_what_is_there_now(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(package)
    for now in ("demo", "./demo", "demo/generated", "demo/generated/chain.capnp"):
        assert BREAKS in compared(capsys, "HEAD~1:demo", now)[1]
    assert compared(capsys, "HEAD~1:demo/generated/chain.capnp", "demo")[0] == 1
    assert compared(capsys, "HEAD:demo", "demo")[0] == 0


def test_a_revision_is_found_from_below_the_top_and_in_a_source_folder(
    package: Package, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions(package)
    top = package.directory.parent
    (top / "src").mkdir()
    git(top, "mv", "demo", "src/demo")
    commit(top)
    assert BREAKS in compared(capsys, "HEAD~2:demo", "HEAD:demo")[1]
    monkeypatch.chdir(top / "src")
    assert BREAKS in compared(capsys, "HEAD~2:demo", "HEAD:demo")[1]


def test_the_repository_is_left_as_it_was(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(package)
    package.write(CHAIN)
    git(package.directory.parent, "add", "demo/chain.py")
    before = git(package.directory.parent, "status", "--porcelain", "--ignored")
    compared(capsys, "HEAD~1:demo", "HEAD:demo")
    assert git(package.directory.parent, "status", "--porcelain", "--ignored") == before


def test_two_directories(
    package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(CHAIN)
    package.build()
    shutil.copytree(package.directory, tmp_path / "elsewhere" / "demo")
    package.write(WIDER)
    package.build()
    assert BREAKS in compared(capsys, "elsewhere/demo", "demo")[1]


def test_packages_that_were_never_built_are_compared_as_they_are_declared(
    package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(CHAIN)
    commit(tmp_path)
    shutil.copytree(package.directory, tmp_path / "elsewhere" / "demo")
    package.write(WIDER)
    package.forget()
    for old in ("elsewhere/demo", "HEAD:demo"):
        status, out = compared(capsys, old, "demo")
        assert status == 1
        assert "demo/chain.py:14  Chain.get_block(height): type changed" in out
    package.write(CHAIN.replace("Int32", "object"))
    status, out = compared(capsys, "HEAD:demo", "demo")
    assert status == 1 and "the type object cannot travel" in out


def test_packages_that_use_each_other(
    package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Package(tmp_path, "other")
    other.write("@mpipc.struct\nclass Point(msgspec.Struct):\n    x: Int32\n", "shapes")
    other.build()
    package.write("from other.shapes import Point\n" + CHAIN.replace("Int32", "Point"))
    package.build()
    commit(tmp_path)
    package.write(CHAIN)
    package.build()
    status, out = compared(capsys, "HEAD:demo", "demo")
    other.forget()
    assert status == 1
    assert "type changed from Point to Int32" in out


def test_a_package_within_another_that_is_called_as_one_that_it_uses(
    package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write("@mpipc.struct\nclass Point(msgspec.Struct):\n    x: Int32\n" + CHAIN)
    package.build()
    outer = Package(tmp_path, "outer")
    inner = Package(outer.directory, "demo")
    chain = "from demo.chain import Point\n" + CHAIN
    inner.write(chain.replace("Int32", "Point"))
    assert main(["build", "outer.demo"]) == 0
    commit(tmp_path)
    inner.write(chain)
    outer.forget()
    assert main(["check", "--against", "HEAD", "outer.demo"]) == 1
    assert "type changed from Point to Int32" in capsys.readouterr().out
    outer.forget()


@pytest.mark.parametrize(
    "name", ["nowhere", "no.such.package", "HEAD:nowhere", "none:demo", "x.capnp"]
)
def test_a_name_of_nothing_is_wrong_usage(
    name: str, package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(package)
    status, out = compared(capsys, name, "demo")
    assert status == 2
    assert out.startswith(f"mpipc: {name.partition(':')[0]}") and "Traceback" not in out


def test_a_schema_that_does_not_compile_is_an_error_that_names_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(tmp_path, "struct A { a @0 :Int8; }", "struct A { a @0 :Int8; b @2 :Int8; }")
    status, out = compared(capsys, old, new)
    assert status == 1
    assert (
        out == f"mpipc: {new}:2: Skipped ordinal @1.  Ordinals must be sequential with no holes.\n"
    )


# ------------------------------------------------------------------------ hand-written schemas


def schemas(tmp_path: Path, old: str, new: str) -> tuple[str, str]:
    """Two versions of a schema file."""
    paths = tmp_path / "old.capnp", tmp_path / "new.capnp"
    for path, text in zip(paths, (old, new), strict=True):
        path.write_text(f"@0xa93fc509624c72d9;\n{text}\n")
    return str(paths[0]), str(paths[1])


def rules(capsys: pytest.CaptureFixture[str], old: str, new: str) -> list[str]:
    _, out = compared(capsys, "--json", old, new)
    (report,) = json.loads(out)
    return [
        f"{'breaks' if each['breaking'] else 'safe'} {each['name']} {each['rule']}"
        for each in report["findings"]
    ]


def sent(old: str, new: str, value: str) -> str:
    """What the official implementation reads with one schema of what it wrote with the other."""
    encode = ["capnp", "encode", old, "A"]
    decode = ["capnp", "decode", "--short", new, "A"]
    message = subprocess.run(encode, input=value.encode(), capture_output=True, check=True).stdout
    return (
        subprocess.run(decode, input=message, capture_output=True, check=True)
        .stdout.decode()
        .strip()
    )


needs_capnp = pytest.mark.skipif(shutil.which("capnp") is None, reason="no capnp command here")


@needs_capnp
def test_a_new_union_of_two_old_fields_loses_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(
        tmp_path,
        "struct A { a @0 :Int32; b @1 :Int32; }",
        "struct A { union { a @0 :Int32; b @1 :Int32; } }",
    )
    assert rules(capsys, old, new) == ["breaks A.a field-union", "breaks A.b field-union"]
    assert sent(old, new, "(a = 1, b = 2)") == "()"


@needs_capnp
def test_a_field_moved_into_a_union_is_not_what_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(
        tmp_path,
        "struct A { union { a @0 :Int32; b @1 :Text; } c @2 :Int32; }",
        "struct A { union { a @0 :Int32; b @1 :Text; c @2 :Int32; } }",
    )
    assert rules(capsys, old, new)[0] == "breaks A.c field-union"
    assert sent(old, new, "(c = 5)") == "(a = 0)"
    assert rules(capsys, new, old)[0] == "breaks A.c field-union"
    assert sent(new, old, "(c = 5)") == "(c = 0)"


@needs_capnp
def test_a_field_in_a_new_union_of_new_fields_is_read_as_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(
        tmp_path,
        "struct A { a @0 :Int32; }",
        "struct A { value :union { a @0 :Int32; b @1 :Text; } }",
    )
    assert rules(capsys, old, new) == [
        "safe A.value.a field-renamed",
        "safe A.value.a field-union",
        "safe A.value.b field-added",
    ]
    assert sent(old, new, "(a = 7)") == "(value = (a = 7))"


@needs_capnp
def test_an_enumerant_that_moves_is_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(
        tmp_path,
        "struct A { e @0 :E; } enum E { red @0; green @1; blue @2; }",
        "struct A { e @0 :E; } enum E { red @0; blue @1; green @2; yellow @3; }",
    )
    assert rules(capsys, old, new) == [
        "breaks E enumerant-changed",
        "breaks E enumerant-changed",
        "safe E enumerant-added",
    ]
    assert sent(old, new, "(e = green)") == "(e = blue)"


def test_types_are_followed_by_their_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = schemas(
        tmp_path,
        "interface I @0x9b1b1b1b1b1b1b1b { f @0 (j :J) -> (); } interface J { }"
        "struct A @0x9c1c1c1c1c1c1c1c { a @0 :List(B); struct B { b @0 :Int8; } }",
        "interface K @0x9b1b1b1b1b1b1b1b { f @0 (j :J) -> (); }"
        "interface J @0x9d1d1d1d1d1d1d1d { }"
        "struct C @0x9c1c1c1c1c1c1c1c { a @0 :List(B); } struct B { c @0 :Int8; }",
    )
    assert rules(capsys, old, new) == [
        "breaks J interface-id",
        "safe K interface-renamed",
        "safe C struct-renamed",
        "safe B struct-added",
        "safe A.B struct-removed",
    ]


def test_the_official_schemas_of_the_rpc_protocol_can_be_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = str(Path(capnp.__file__).parent / "rpc.capnp")
    status, out = compared(capsys, path, path)
    assert status == 0
    assert "nothing changed" in out
