"""The reference is true: the schema of each row is derived again, and each signature compared."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpipc
import mpipc.errors
from mpipc.cli import main
from mpipc.derive import derive
from mpipc.errors import SchemaError
from mpipc.schema import module_text
from tests.test_docs import DOCS, blocks, tables

PAGE = DOCS / "reference.md"
TEXT = PAGE.read_text()
BLOCKS, TABLES = blocks(PAGE), tables(PAGE)
DECLARATIONS = "\n\n".join(block.text for block in BLOCKS if block.note == "declarations")
_numbers = itertools.count()


def code(cell: str) -> str:
    """What is inside the backticks."""
    assert cell.startswith("`") and cell.endswith("`"), cell
    return cell[1:-1]


def joined(text: str) -> str:
    """On one line, without ids."""
    text = re.sub(r"\s+", " ", re.sub(r" @0x[0-9a-f]+ ", " ", text))
    return text.replace("( ", "(").replace(" )", ")").strip()


TEMPLATES = {
    "parameter": """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False)
    @abstractmethod
    def f(self, x: {}) -> None: ...
""",
    "result": """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False)
    @abstractmethod
    def f(self) -> {}: ...
""",
    "union": """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False)
    @abstractmethod
    def f(self, x: {}) -> None: ...
""",
    "field": """
@mpipc.struct
class Record(msgspec.Struct):
    {}
""",
    "declared struct": """
{}
class Record(msgspec.Struct):
    first_x: Int32
""",
    "interface": """
{}
class Example(ABC):
    @abstractmethod
    def f(self) -> None: ...
""",
    "constant": "from typing import Final\n{}\n",
    "method": """
@mpipc.interface(destroy=False)
class Example(ABC):
    {}
    @abstractmethod
    def get_block(self) -> Int32: ...
""",
}
# What of the schema the cell shows.
SHOWN = {
    "parameter": r"interface Example \{ f @0 \((.*?)\) -> \(\); \}",
    "result": r"interface Example \{ f @0 \(\) -> \((.*?)\); \}",
    "union": r"(struct \w+ \{ union .*? \} \})",
    "field": r"struct Record \{ (.*?) \}",
    "declared struct": r"(struct (?:Record|Spot) .*?\})",
    "interface": r"(interface (?:Example|Other) .*?\})",
    "constant": r"(const .*?;)",
    "method": r"interface Example \{ (.*?) \}",
}


def rows(*kinds: str) -> list[Any]:
    """The rows of all tables of some kinds."""
    found = []
    for table in TABLES:
        kind = table.note.removeprefix("rows: ")
        if kind in kinds:
            for python, schema, _ in table.rows:
                found.append(pytest.param(kind, code(python), schema, id=f"{kind} {code(python)}"))
    return found


@pytest.fixture
def derived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Derives a module that declares what the page declares, and something more."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def derived(text: str) -> str:
        name = f"documented_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(f"{DECLARATIONS}\n{text}")
        return joined(module_text(derive([name]), name))

    return derived


@pytest.mark.parametrize(("kind", "python", "schema"), rows(*SHOWN))
def test_a_row_shows_what_is_derived(
    kind: str, python: str, schema: str, derived: Callable[[str], str]
) -> None:
    text = derived(TEMPLATES[kind].format(python))
    found = re.search(SHOWN[kind], text)
    assert found, text
    if schema == "nothing":
        assert found[1] == ""
    elif schema.endswith("...`"):
        assert found[1].startswith(code(schema).removesuffix("..."))
    else:
        assert found[1] == code(schema)


@pytest.mark.parametrize(("kind", "python", "message"), rows("refused"))
def test_a_row_shows_why_a_type_is_refused(
    kind: str, python: str, message: str, derived: Callable[[str], str]
) -> None:
    with pytest.raises(SchemaError) as caught:
        derived(TEMPLATES["parameter"].format(python))
    [problem] = caught.value.problems
    assert re.match(r"documented_\d+\.Example\.f\(x\) at .*\.py:\d+", problem.where)
    assert message in problem.what


def test_every_table_of_rows_is_tested() -> None:
    kinds = {table.note.removeprefix("rows: ") for table in TABLES if "rows: " in table.note}
    assert kinds == {*SHOWN, "refused"}


def test_the_attributes_of_a_file_are_written_as_the_table_shows(
    derived: Callable[[str], str],
) -> None:
    [table] = [table for table in TABLES if table.note == "file attributes"]
    given = '0xA1B2C3D4E5F60718, "demo", ["demo.h"], ["demo-types.h"]'
    text = derived(f"__schema__ = mpipc.SchemaFile({given})")
    for attribute, schema, _ in table.rows:
        assert code(schema) in text, attribute


SIGNATURES = dict(re.findall(r"^`?mpipc\.(\w+)(\([^`]*?\))`?(?=$| |:)", TEXT, re.MULTILINE))


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_is_shown_as_it_is(name: str) -> None:
    namespace: dict[str, Any] = {"Limits": mpipc.Limits, "Backoff": mpipc.Backoff}
    exec(f"def shown{SIGNATURES[name]}: ...", namespace)
    assert _parameters(namespace["shown"]) == _parameters(getattr(mpipc, name))


def _parameters(function: Any) -> list[inspect.Parameter]:
    found = inspect.signature(function).parameters.values()
    return [each.replace(annotation=inspect.Parameter.empty) for each in found]


def test_every_public_function_is_shown_with_its_signature() -> None:
    functions = {name for name in mpipc.__all__ if inspect.isfunction(getattr(mpipc, name))}
    assert functions <= SIGNATURES.keys()
    assert {"Field", "Raises", "SchemaFile", "timeout"} <= SIGNATURES.keys()


def test_every_public_name_is_on_the_page() -> None:
    assert not [name for name in mpipc.__all__ if not re.search(rf"\b{name}\b", TEXT)]


def test_the_exceptions_are_drawn_as_in_the_source() -> None:
    assert mpipc.errors.__doc__ is not None
    tree = mpipc.errors.__doc__.partition("\n\n")[2].strip()
    assert tree in TEXT
    for name in re.findall(r"^[ │├└─]*(\w+)", tree, re.MULTILINE):
        assert issubclass(getattr(mpipc, name), mpipc.IpcError)


def test_the_limits_are_those_that_hold() -> None:
    [table] = [t for t in TABLES if t.note == "limits"]
    limits = mpipc.Limits()
    fields = list(inspect.signature(mpipc.Limits).parameters)
    assert [code(name) for name, _, _ in table.rows] == fields
    assert [int(default) for _, default, _ in table.rows] == [
        getattr(limits, field) for field in fields
    ]


def test_the_command_line_is_described_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    [table] = [t for t in TABLES if t.note == "command line"]
    described = {code(row[0]).split()[1] for row in table.rows}
    with pytest.raises(SystemExit):
        main(["--help"])
    usage = capsys.readouterr().out
    commands = set(re.findall(r"^    (\w+)  ", usage, re.MULTILINE))
    assert commands <= described
    for command in commands:
        with pytest.raises(SystemExit):
            main([command, "--help"])
        options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
        shown = {option for row in table.rows for option in re.findall(r"--[a-z]+", row[0])}
        assert options <= shown, command
