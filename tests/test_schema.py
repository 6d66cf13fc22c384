"""The model becomes schema files that official compilers accept, and layouts come back."""

from __future__ import annotations

import keyword
import os
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpipc
from mpipc.derive import derive
from mpipc.derive.names import camel
from mpipc.errors import SchemaError
from mpipc.model import Model
from mpipc.schema import INCLUDE, compile_layouts, module_text, schema_path
from mpipc.schema.ids import child_id
from tests.declarations.shapes import Color, Point

ROOT = Path(__file__).parents[1]
EVERY = "tests.declarations.every"
GOLDEN = Path(__file__).parent / "data" / "every.capnp"


def write_schemas(model: Model, directory: Path) -> list[Path]:
    paths = []
    for name in model.modules:
        path = directory / schema_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module_text(model, name))
        paths.append(path)
    return paths


def capnp_compile(directory: Path, *paths: Path) -> subprocess.CompletedProcess[bytes]:
    """Debian's compiler, which finds nothing but our include directory and the schemas."""
    command = ["capnp", "compile", "--no-standard-import", f"-I{INCLUDE}", f"-I{directory}", "-o-"]
    return subprocess.run([*command, *map(str, paths)], capture_output=True, check=False)


needs_compiler = pytest.mark.skipif(shutil.which("capnp") is None, reason="no capnp compiler here")


@needs_compiler
@pytest.mark.parametrize("modules", [[EVERY], ["interfaces.init"], ["tests.declarations.plain"]])
def test_the_compiler_accepts_what_is_generated(modules: list[str], tmp_path: Path) -> None:
    paths = write_schemas(derive(modules), tmp_path)
    compiled = capnp_compile(tmp_path, *paths)
    assert compiled.stderr == b""
    assert compiled.returncode == 0 and compiled.stdout


@needs_compiler
def test_the_shipped_includes_compile_by_themselves(tmp_path: Path) -> None:
    compiled = capnp_compile(tmp_path, INCLUDE / "mp" / "proxy.capnp")
    assert compiled.stderr == b"" and compiled.returncode == 0


def test_generated_text_reads_as_in_the_golden_file() -> None:
    """`UPDATE_GOLDEN=1` writes the file."""
    text = module_text(derive([EVERY]), EVERY)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_lines_are_not_longer_than_people_read() -> None:
    model = derive([EVERY, "interfaces.init"])
    for name in model.modules:
        lines = [line for line in module_text(model, name).splitlines() if "$Proxy" not in line]
        assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("seed", ["0", "1"])
def test_text_does_not_depend_on_the_hash_seed(seed: str) -> None:
    script = (
        "from mpipc.derive import derive; from mpipc.schema import module_text\n"
        f"m = derive(['{EVERY}'])\n"
        "print(''.join(module_text(m, n) for n in m.modules))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment)
    model = derive([EVERY])
    assert run.stdout.decode() == "".join(module_text(model, n) for n in model.modules) + "\n"


@needs_compiler
@settings(max_examples=10, deadline=None)
@given(
    st.integers(1 << 63, (1 << 64) - 1), st.from_regex(r"[A-Z][A-Za-z0-9]{0,20}", fullmatch=True)
)
def test_stated_ids_are_those_that_the_compiler_would_choose(file_id: int, name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "x.capnp")
        path.write_text(f"@{file_id:#x};\nstruct {name} {{}}\n")
        command = ["capnp", "compile", "-ocapnp", path.name]
        run = subprocess.run(command, capture_output=True, check=True, cwd=directory)
    assert f"struct {name} @{child_id(file_id, name):#x}".encode() in run.stdout


def test_layout_of_a_struct_is_what_the_compiler_decides() -> None:
    layouts = compile_layouts(derive([EVERY]))
    renamed = layouts["tests.declarations.shapes"].records["Renamed"]
    assert (renamed.data_words, renamed.pointers) == (2, 0)
    assert renamed.offsets == {"a": 0, "b": 32, "c": 1, "d": 33, "hasD": 34}
    every = layouts[EVERY]
    assert every.interfaces["EveryOne"] == child_id(derive([EVERY]).modules[EVERY].id, "EveryOne")
    assert every.records["EveryOne.several$Results"].offsets == {
        "reason": 0,
        "size": 0,
        "hasSize": 64,
        "result": 65,
    }


def test_every_record_of_the_model_has_a_layout() -> None:
    model = derive([EVERY])
    layouts = compile_layouts(model)
    for module in model.modules.values():
        records = [struct.record for struct in module.structs]
        methods = [each for interface in module.interfaces for each in interface.methods]
        records += [record for each in methods for record in (each.params, each.results)]
        assert {record.path for record in records} == set(layouts[module.name].records)
        for record in records:
            offsets = layouts[module.name].records[record.path].offsets
            assert [slot.name for slot in record.slots] == list(offsets)


# ------------------------------------------------------------------ anything that can be declared

leaf_types: st.SearchStrategy[Any] = st.sampled_from(
    [bool, int, float, str, bytes, timedelta, Color, Point, mpipc.Int8, mpipc.UInt64, mpipc.Float32]
)
declared_types: st.SearchStrategy[Any] = st.recursive(
    leaf_types,
    lambda inner: st.one_of(
        st.tuples(inner).map(lambda args: types.GenericAlias(list, args)),
        st.tuples(leaf_types, inner).map(lambda args: types.GenericAlias(dict, args)),
    ),
    max_leaves=4,
)
field_types = st.tuples(declared_types, st.booleans()).map(lambda t: t[0] | None if t[1] else t[0])
field_names = st.from_regex(r"[a-z][a-zA-Z0-9_]{0,8}", fullmatch=True)
fields = st.dictionaries(field_names, field_types, max_size=6)


@contextmanager
def declared(**attributes: object) -> Iterator[str]:
    """A module that exists as long as the context does."""
    module = types.ModuleType("tests.declarations.made_up")
    vars(module).update(attributes)
    sys.modules[module.__name__] = module
    try:
        yield module.__name__
    finally:
        del sys.modules[module.__name__]


@settings(max_examples=100, deadline=None)
@given(fields)
def test_whatever_can_be_declared_compiles(fields: dict[str, Any]) -> None:
    """pycapnp ends the process when a schema does not compile: derive must have refused it."""
    fields = {name: type for name, type in fields.items() if not keyword.iskeyword(name)}
    name = "tests.declarations.made_up"
    made = mpipc.struct(msgspec.defstruct("Made", list(fields.items()), module=name))
    with declared(Made=made) as module:
        try:
            model = derive([module])
        except SchemaError as error:
            named = [camel(field) for field in fields]
            assert "members are called" in str(error) or "dict types" in str(error)
            assert len(named) > 1
            return
        layout = compile_layouts(model)[module].records["Made"]
        slots = model.modules[module].structs[0].record.slots
        assert list(layout.offsets) == [slot.name for slot in slots]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60), st.text(max_size=20))
def test_no_docstring_or_annotation_breaks_the_file(doc: str, wrap: str) -> None:
    made = mpipc.struct(wrap=wrap)(
        msgspec.defstruct(
            "Made",
            [("a", Annotated[int, mpipc.Field(cxx_name=wrap)])],
            module="tests.declarations.made_up",
            namespace={"__doc__": doc},
        )
    )
    with declared(Made=made) as module:
        compile_layouts(derive([module]))


KILLED = """
import sys, time
from mpipc.derive import derive
from mpipc.schema.compile import Schemas

schemas = Schemas(derive(["tests.declarations.shapes"]))
print("compiled", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_has_compiled_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "compiled\n"
        [there] = tmp_path.iterdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        compile_layouts(derive(["tests.declarations.shapes"]))
        assert [*tmp_path.iterdir()] == [there]  # while it lives
        process.kill()
    compile_layouts(derive(["tests.declarations.shapes"]))
    assert [*tmp_path.iterdir()] == []
