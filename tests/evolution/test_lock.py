"""The committed schema is the lock: what has an ordinal keeps it, and what is gone leaves it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipc.derive import derive
from mpipc.derive.lock import former_name, number, reserved_name
from mpipc.derive.mistakes import Mistake
from mpipc.errors import SchemaError
from mpipc.model import Reserved
from mpipc.schema import INCLUDE, module_text
from mpipc.schema.committed import read_lock
from tests.evolution.support import Package, members

CHAIN = """
@mpipc.interface
class Chain(ABC):
    @abstractmethod
    def get_a(self) -> int: ...
    @abstractmethod
    def get_b(self, height: Int32, verbose: bool) -> str: ...
    @abstractmethod
    def get_c(self) -> int: ...
"""


def test_methods_keep_their_ordinals_wherever_they_stand(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write("""
        @mpipc.interface
        class Chain(ABC):
            @abstractmethod
            def get_new(self) -> int: ...
            @abstractmethod
            def get_c(self) -> int: ...
            @abstractmethod
            def get_a(self) -> int: ...
        """)
    package.build()
    assert members(package.schema(), "Chain") == [
        "destroy @0 (context :Proxy.Context) -> ();",
        "getA @1 (context :Proxy.Context) -> (result :Int64);",
        "reserved2GetB @2 () -> ();",
        "getC @3 (context :Proxy.Context) -> (result :Int64);",
        "getNew @4 (context :Proxy.Context) -> (result :Int64);",
    ]


def test_an_ordinal_is_never_given_to_another_not_even_to_one_of_the_same_name(
    package: Package,
) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_c", "get_d"))
    package.build()
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_c", "get_e"))
    package.build()
    assert members(package.schema(), "Chain")[3:] == [
        "reserved3GetC @3 () -> ();",
        "reserved4GetD @4 () -> ();",
        "reserved5GetC @5 () -> ();",
        "getE @6 (context :Proxy.Context) -> (result :Int64);",
    ]


def test_an_explicit_ordinal_takes_a_place_back(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_c", "get_d"))
    package.build()
    package.write(CHAIN.replace("    @abstractmethod\n    def get_c", "    @mpipc.method(3)\n"
                                "    @abstractmethod\n    def get_c"))  # fmt: skip
    package.build()
    assert members(package.schema(), "Chain")[3:] == [
        "getC @3 (context :Proxy.Context) -> (result :Int64);",
        "reserved4GetD @4 () -> ();",
    ]


def test_a_method_renamed_with_its_ordinal_keeps_those_of_its_parameters(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("height: Int32, verbose", "verbose: bool, height: Int32, x"))
    package.build()
    package.write("""
        @mpipc.interface
        class Chain(ABC):
            @mpipc.method(2)
            @abstractmethod
            def find_b(self, x: bool, verbose: bool, height: Int32) -> str: ...
        """)
    package.build()
    assert members(package.schema(), "Chain")[2] == (
        "findB @2 (context :Proxy.Context, height :Int32, verbose :Bool, x :Bool) "
        "-> (result :Text);"
    )


def test_fields_keep_their_places_and_removed_ones_keep_theirs_free(package: Package) -> None:
    package.write("""
        @mpipc.struct
        class Tip(msgspec.Struct):
            name: str
            small: Int8
            inner: Tip | None
            optional: Int32 | None
            default: Annotated[Int32, Field(wire_default=7)]
            last: Int32
        """)
    package.build()
    package.write("""
        @mpipc.struct
        class Tip(msgspec.Struct):
            first: bool
            last: Int32
        """)
    package.build()
    assert members(package.schema(), "Tip") == [
        "reserved0Name @0 :AnyPointer $Proxy.skip;",
        "reserved1Small @1 :Int8 $Proxy.skip;",
        "reserved2Inner @2 :AnyPointer $Proxy.skip;",
        "reserved3Optional @3 :Int32 $Proxy.skip;",
        "reserved4HasOptional @4 :Bool $Proxy.skip;",
        "reserved5Default @5 :Int32 $Proxy.skip;",
        "last @6 :Int32;",
        "first @7 :Bool;",
    ]


def test_parameters_results_flags_and_exceptions_keep_their_places(package: Package) -> None:
    package.write("""
        class Found(mpipc.Results):
            reason: str
            height: Int32 | None

        @mpipc.interface
        class Chain(ABC):
            @mpipc.method(raises=ValueError)
            @abstractmethod
            def find(self, height: Int32, name: str, limit: int) -> Found: ...
        """)
    package.build()
    package.write("""
        class Found(mpipc.Results):
            size: int
            height: Int32

        @mpipc.interface
        class Chain(ABC):
            @mpipc.method(raises=(KeyError, ValueError))
            @abstractmethod
            def find(self, exact: bool, limit: int | None, height: Int32) -> Found: ...
        """)
    wrong = "both called 'error'"
    with pytest.raises(SchemaError, match=wrong):
        package.model()
    package.write("""
        class Found(mpipc.Results):
            size: int
            height: Int32

        @mpipc.interface
        class Chain(ABC):
            @mpipc.method(raises=(mpipc.Raises(KeyError, "keyError"), ValueError))
            @abstractmethod
            def find(self, exact: bool, limit: int | None, height: Int32) -> Found: ...
        """)
    package.build()
    assert members(package.schema(), "Chain")[1:] == [
        "find @1 (",
        "context :Proxy.Context,",
        "height :Int32,",
        "reserved2Name :AnyPointer $Proxy.count(0),",
        "limit :Int64,",
        "exact :Bool,",
        "hasLimit :Bool",
        ") -> (",
        'error :Text $Proxy.exception("std::exception"),',
        "reserved1Reason :AnyPointer $Proxy.count(0),",
        "height :Int32,",
        "reserved3HasHeight :Bool $Proxy.count(0),",
        'keyError :Text $Proxy.exception("std::exception"),',
        "size :Int64",
        ");",
    ]


def test_the_flag_behind_an_explicit_ordinal_is_the_next_unless_that_is_taken(
    package: Package,
) -> None:
    text = """
        @mpipc.struct
        class Tip(msgspec.Struct):
            a: Annotated[{}, Field(0)]
            b: Int32
        """
    package.write(text.format("Int32 | None"))
    assert members(package.declared(), "Tip") == ["a @0 :Int32;", "hasA @1 :Bool;", "b @2 :Int32;"]
    package.write(text.format("Int32"))
    package.build()
    package.write(text.format("Int32 | None"))
    package.build()
    assert members(package.schema(), "Tip") == ["a @0 :Int32;", "b @1 :Int32;", "hasA @2 :Bool;"]


def test_what_the_protocol_adds_keeps_its_place_too(package: Package) -> None:
    text = """
        @mpipc.interface(destroy={})
        class Chain(ABC):
            @abstractmethod
            def get_a(self) -> None: ...
            @abstractmethod
            def on_tip(self, tip: Annotated[Callable[[int], None], mpipc.interface(name="Tip",
                       destroy={})]) -> None: ...
        """
    package.write(text.format(True, True))
    package.build()
    package.write(text.format(False, False))
    package.build()
    assert members(package.schema(), "Chain")[0] == "reserved0Destroy @0 () -> ();"
    assert members(package.schema(), "Tip") == [
        "reserved0Destroy @0 () -> ();",
        "call @1 (context :Proxy.Context, arg0 :Int64) -> ();",
    ]
    package.write(text.format(True, True))
    package.build()
    assert members(package.schema(), "Chain")[-1] == "destroy @3 (context :Proxy.Context) -> ();"
    assert members(package.schema(), "Tip")[-1] == "destroy @2 (context :Proxy.Context) -> ();"


def test_a_context_that_goes_leaves_its_place_and_one_that_comes_moves_the_others(
    package: Package,
) -> None:
    text = """
        @mpipc.interface(destroy=False)
        class Chain(ABC):
            @mpipc.method(context={})
            @abstractmethod
            def get(self, height: Int32) -> int: ...
        """
    without = ["get @0 (height :Int32) -> (result :Int64);"]
    package.write(text.format(False))
    package.build()
    assert members(package.schema(), "Chain") == without
    package.write(text.format(True))
    package.build()
    with_context = ["get @0 (context :Proxy.Context, height :Int32) -> (result :Int64);"]
    assert members(package.schema(), "Chain") == with_context
    package.write(text.format(False))
    package.build()
    assert members(package.schema(), "Chain") == [
        "get @0 (reserved0Context :AnyPointer $Proxy.count(0), height :Int32) -> (result :Int64);"
    ]
    package.write(text.format(True))
    package.build()
    assert members(package.schema(), "Chain") == with_context


def test_entries_of_dicts_and_types_of_other_modules_are_locked_by_their_own_schema(
    package: Package,
) -> None:
    shapes = """
        @mpipc.struct
        class Point(msgspec.Struct):
            x: Int32
            y: Int32
        """
    chain = """
        from demo.shapes import Point

        @mpipc.interface
        class Chain(ABC):
            @abstractmethod
            def get(self) -> dict[str, Point]: ...
        """
    package.write(shapes, "shapes")
    package.write(chain)
    package.build()
    package.write(shapes.replace("x: Int32", "z: Int32"), "shapes")
    model = package.model()
    point = model.modules["demo.shapes"].structs[0].record
    assert [(slot.name, slot.ordinal) for slot in point.slots] == [("y", 1), ("z", 2)]
    assert point.reserved == (Reserved("reserved0X", 0, "Int32"),)


def test_building_twice_changes_nothing(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_b", "get_d").replace("get_a", "get_e"))
    package.build()
    before = package.files()
    assert package.build("--check") == 0
    package.build()
    assert package.files() == before


def test_without_a_committed_schema_the_order_of_declaration_counts(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_a", "get_z"))
    package.build()
    package.drop_generated()
    package.build()
    ordinals = [line.split(" (")[0] for line in members(package.schema(), "Chain")]
    assert ordinals == ["destroy @0", "getZ @1", "getB @2", "getC @3"]


UP_TO_DATE = """
import sys
from demo.chain import Chain
from mpipc.generate.load import generated_for

print(generated_for(Chain).client.__module__, "capnp" in sys.modules)
"""


def test_code_that_is_up_to_date_needs_no_compiler(package: Package, tmp_path: Path) -> None:
    """Not even when a removed member is in the schema, and a comment makes somebody look at it."""
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_b", "get_d"))
    package.build()
    package.write(CHAIN.replace("get_b", "get_d") + "# a comment\n")
    command = [sys.executable, "-c", UP_TO_DATE]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert (run.stderr, run.stdout) == ("", "demo.generated.chain False\n")


PROGRAM = """
import sys
import mpipc
from demo.chain import Chain, Root

class RealChain(Chain):
    def get_c(self): return 3
    def get_new(self): return 4

class RealRoot(Root):
    def make(self): return RealChain()

address = "unix:" + sys.argv[1]
with mpipc.serve(address, RealRoot()), mpipc.connect(address, Root) as root:
    chain = root.make()
    from mpipc.generate.load import generated_for
    client = generated_for(Chain).client
    print(client.__module__, chain.get_c(), chain.get_new())
    print(sorted(number for _, number in generated_for(Chain).server.methods))
"""


def test_code_generated_in_memory_has_the_committed_ordinals(
    package: Package, tmp_path: Path
) -> None:
    """Somebody runs a program after a change, without a build in between."""
    root = """
@mpipc.interface(root=True)
class Root(ABC):
    @abstractmethod
    def make(self) -> Chain: ...
"""
    package.write(CHAIN + root)
    package.build()
    changed = CHAIN.replace("get_a", "get_new").replace("    @abstractmethod\n    def get_b(self, "
                            "height: Int32, verbose: bool) -> str: ...\n", "")  # fmt: skip
    package.write(changed + root)
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py", str(tmp_path / "socket")]
    run = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False
    )
    assert run.stderr == ""
    assert run.stdout == "_mpipc_generated.demo_chain 3 4\n[0, 3, 4]\n"
    assert "getNew" not in package.schema()


def test_a_method_may_not_have_the_name_of_a_place(package: Package) -> None:
    package.write(CHAIN.replace("get_a", "reserved1_x"))
    with pytest.raises(SchemaError, match="'reserved1X', as the place of a removed member"):
        package.model()


def test_an_explicit_ordinal_that_another_member_has_is_an_error(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("@abstractmethod\n    def get_a", "@mpipc.method(3)\n"
                                "    @abstractmethod\n    def get_a"))  # fmt: skip
    with pytest.raises(SchemaError, match="ordinal 3 is that of getC in the committed schema"):
        package.model()


def test_a_merge_conflict_is_an_error_that_says_what_to_do(
    package: Package, capsys: pytest.CaptureFixture[str]
) -> None:
    package.write(CHAIN)
    package.build()
    text = package.schema().replace("    getB", "<<<<<<< ours\n    getB")
    package.path().write_text(text)
    line = text.splitlines().index("<<<<<<< ours") + 1
    assert package.build() == 1
    error = capsys.readouterr().err
    assert f"demo/generated/chain.capnp:{line}: not a schema: '<'" in error
    assert "in a merge, the side that was published" in error


@pytest.mark.parametrize("text", ["interface A {", "}", "struct A { a @x :Int32; }", "a \\", "{}"])
def test_a_file_that_is_no_schema_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.capnp"
    path.write_text(text)
    with pytest.raises(SchemaError, match=r"a\.capnp:1: "):
        read_lock(path)


EVERY = ["tests.declarations.every", "tests.declarations.shapes", "interfaces.mining"]


@pytest.mark.parametrize("module", EVERY)
def test_a_lock_changes_nothing_where_nothing_changed(module: str, tmp_path: Path) -> None:
    model = derive([module])
    for name in model.modules:
        (tmp_path / name).write_text(module_text(model, name))
    assert derive([module], lambda name: read_lock(tmp_path / name)) == model


@pytest.mark.skipif(shutil.which("capnp") is None, reason="no capnp compiler here")
def test_official_compilers_accept_reserved_places(package: Package) -> None:
    package.write(CHAIN)
    package.build()
    package.write(CHAIN.replace("get_a", "get_z").replace("height: Int32", "name: str"))
    package.build()
    assert "reserved1Height :Int32 $Proxy.count(0)" in package.schema()
    command = ["capnp", "compile", "--no-standard-import", f"-I{INCLUDE}", "-o-"]
    run = subprocess.run([*command, str(package.path())], capture_output=True, check=False)
    assert run.stderr == b"" and run.returncode == 0


# ------------------------------------------------------------------------- whatever the history

names = st.sampled_from(["a", "b", "c", "d", "e", "hasA"])
versions = st.lists(st.lists(names, unique=True), max_size=6)


@given(versions)
def test_in_every_history_an_ordinal_has_one_owner(history: list[list[str]]) -> None:
    lock: list[Reserved] = []
    owners: dict[int, str] = {}
    for declared in history:
        before = {each.name: each.ordinal for each in lock}
        ordinals, places = number([(name, None) for name in declared], lock)
        for name, ordinal in zip(declared, ordinals, strict=True):
            assert owners.setdefault(ordinal, name) == name
            assert before.get(name, ordinal) == ordinal
        for place in places:
            assert owners[place.ordinal] == former_name(place.name)
        lock = [*places, *map(Reserved, declared, ordinals)]
        assert sorted(each.ordinal for each in lock) == list(range(len(owners)))


@given(st.from_regex(r"[a-z][A-Za-z0-9]*", fullmatch=True), st.integers(0, 65535))
def test_a_place_remembers_who_had_it(name: str, ordinal: int) -> None:
    assert former_name(reserved_name(name, ordinal)) == name


def test_gaps_are_no_way_to_remove_a_member() -> None:
    with pytest.raises(Mistake, match="leave a gap: 1 is missing"):
        number([("a", 0), ("c", 2)])
    assert number([("a", 0), ("c", 2)], [Reserved("b", 1)])[1] == (Reserved("reserved1B", 1),)
