"""What is derived from `interfaces/` is, entry by entry, what the tables of Bitcoin Core say: of
v30.0, and of what is proposed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mpipc.derive import derive
from mpipc.schema import INCLUDE, compile_layouts, module_text, schema_path
from tests.wire_tables import read_table

DATA = Path(__file__).parent / "data" / "wire"
SHARED = Path(__file__).parents[2] / "shared" / "wire"
RELEASED = json.loads((DATA / "bitcoin-core-v30.0.json").read_text())["files"]
PROPOSED = json.loads((DATA / "bitcoin-core-proposed.json").read_text())["files"]
FILES = sorted({*RELEASED, *PROPOSED} - {"proxy.capnp"})
MODULES = [f"interfaces.{name.removesuffix('.capnp')}" for name in FILES]
CXX = "/capnp/c++.capnp"  # which the table of proposed files leaves out


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every single fact of a table: `init.capnp/interfaces/Init/id` -> `0x8838c700ba5cba65`."""
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        pairs = [(item["name"], item) for item in value]
    else:
        return {path: value}
    found: dict[str, Any] = {}
    for key, item in pairs:
        found.update(leaves(item, f"{path}/{key}".lstrip("/")))
    return found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schemas of `interfaces/`, compiled, as a table."""
    directory = tmp_path_factory.mktemp("schemas")
    model = derive(MODULES)
    files = {}
    for name in MODULES:
        path = directory / schema_path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module_text(model, name))
        files[path.name] = path
    table = read_table(directory, files)
    for name, path in files.items():
        table[name]["imports"] = sorted(re.findall(r'import "(.*)"', path.read_text()))
    return table


def expected_entries(file: str) -> dict[str, Any]:
    """What the tables say of a file. Where they differ, what was released counts."""
    found = {**leaves(PROPOSED.get(file, {})), **leaves(RELEASED.get(file, {}))}
    found["imports"] = sorted({*found["imports"], CXX})
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_entry_of_the_tables_is_derived(
    file: str, generated: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    expected, found = expected_entries(file), leaves(generated[file])
    different = sorted(
        key for key in {*expected, *found} if expected.get(key, ...) != found.get(key, ...)
    )
    with capsys.disabled():
        print(f"\n{file}: {len(expected)} entries, {len(different)} differences", end="")
    assert not different


def test_the_tables_contradict_each_other_nowhere() -> None:
    for file in RELEASED.keys() & PROPOSED.keys():
        released, proposed = leaves(RELEASED[file]), leaves(PROPOSED[file])
        both = released.keys() & proposed.keys() - {"imports"}
        assert {key: released[key] for key in both} == {key: proposed[key] for key in both}


def test_proxy_capnp_has_the_ids_of_the_table() -> None:
    table = read_table(INCLUDE, {"proxy.capnp": INCLUDE / "mp" / "proxy.capnp"})["proxy.capnp"]
    expected = leaves({**PROPOSED["proxy.capnp"], "imports": []})
    assert leaves({**table, "imports": []}) == expected


@pytest.mark.parametrize(
    ("tables", "count"), [(RELEASED, 48), (PROPOSED, 540)], ids=["released", "proposed"]
)
def test_layouts_agree_with_the_tables(tables: dict[str, Any], count: int) -> None:
    layouts = compile_layouts(derive(MODULES))
    compared = 0
    for file in tables.keys() & {*FILES}:
        table, layout = tables[file], layouts[f"interfaces.{file.removesuffix('.capnp')}"]
        for struct, entry in table["structs"].items():
            found = layout.records[struct]
            assert (hex(found.id), found.data_words, found.pointers) == (
                entry["id"],
                entry["dataWords"],
                entry["pointers"],
            )
            assert found.offsets == {field["name"]: field["offset"] for field in entry["fields"]}
            compared += 1
        for interface, entry in table["interfaces"].items():
            assert hex(layout.interfaces[interface]) == entry["id"]
            for method, sides in entry["methods"].items():
                for side in ("params", "results"):
                    found = layout.records[f"{interface}.{method}${side.capitalize()}"]
                    expected = {field["name"]: field["offset"] for field in sides[side]}
                    assert found.offsets == expected
                    compared += 1
    assert compared == count


@pytest.mark.skipif(not SHARED.exists(), reason="the tables are not beside this checkout")
@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.json")))
def test_copied_tables_are_the_shared_ones(name: str) -> None:
    assert (DATA / name).read_bytes() == (SHARED / name).read_bytes()
