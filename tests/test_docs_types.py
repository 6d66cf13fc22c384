"""The page of types is true: each row's schema is derived, and its value sent both ways."""

from __future__ import annotations

import importlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mpipc import testing
from mpipc.derive import derive
from mpipc.model import TypeName
from mpipc.recording.json_values import JsonValues
from mpipc.schema import module_text
from mpipc.testing.comparing import Comparing
from mpipc.testing.loopback import Loopback
from tests.test_docs import DOCS, blocks, tables
from tests.test_docs_reference import code, joined

PAGE = DOCS / "types.md"
DECLARATIONS = "\n\n".join(b.text for b in blocks(PAGE) if b.note == "declarations")
_numbers = itertools.count()

TEMPLATE = """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False)
    @abstractmethod
    def f(self, x: {0}) -> Annotated[{0}, Field(name="x")]: ...


class Same(Example):
    def f(self, x):
        self.taken = x
        return x
"""
METHOD = r"interface Example \{ f @0 \((.*?)\) -> \((.*?)\);(?: #.*?)? \}"


def rows() -> list[Any]:
    return [
        pytest.param(code(python), code(schema), value, id=f"{code(python)} {value}")
        for table in tables(PAGE)
        if table.note == "rows: types"
        for python, schema, value, _ in table.rows
    ]


@pytest.mark.parametrize(("python", "schema", "value"), rows())
def test_a_row_is_true(
    python: str, schema: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"documented_type_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(f"{DECLARATIONS}\n{TEMPLATE.format(python)}")

    model = derive([name])
    declared = re.search(METHOD, joined(module_text(model, name)))
    assert declared
    assert declared[1] == schema

    module = importlib.import_module(name)
    sent, _, arrives = value.partition(" → ")
    given = eval(code(sent), vars(module))
    expected = eval(code(arrives), vars(module)) if arrives else given
    impl = module.Same()
    returned = Loopback(module.Example, impl).client.f(given)
    [method] = model.interface(TypeName(name, "Example")).methods
    # As `mpipc call` prints it, and as somebody may type it.
    [field] = method.parameters
    values = JsonValues(model)
    printed = json.dumps(values.field(field, given))
    can_be_typed = not re.search("Handler|Callable", python)
    typed = values.argument(field, printed) if can_be_typed else expected
    for arrived in (impl.taken, returned, typed):
        assert Comparing(model).same(method.parameters, [expected], [arrived]), arrived
    assert testing.roundtrip(module.Example, max_examples=5)["f"] > 0  # of Void there is one


PARAMETERS = """
@mpipc.interface(destroy=False)
class Example(ABC):
    @mpipc.method(context=False, {1})
    @abstractmethod
    def f(self, {0}) -> None: ...


class Keeping(Example):
    def f(self, *positional, **named):
        self.taken = (*positional, *named.values())
"""


def parameter_rows() -> list[Any]:
    return [
        pytest.param(*map(code, row), id=code(row[0]))
        for table in tables(PAGE)
        if table.note == "rows: parameters"
        for row in table.rows
    ]


@pytest.mark.parametrize(("python", "attribute", "schema", "call", "taken"), parameter_rows())
def test_a_row_of_parameters_is_true(
    python: str,
    attribute: str,
    schema: str,
    call: str,
    taken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"documented_type_{next(_numbers)}"
    text = f"{DECLARATIONS}\n{PARAMETERS.format(python, attribute)}"
    (tmp_path / f"{name}.py").write_text(text)
    found = joined(module_text(derive([name]), name))
    assert f"interface Example {{ f @0 ({schema}) -> (); }}" in found
    module = importlib.import_module(name)
    impl = module.Keeping()
    eval(f"client.{call}", {**vars(module), "client": Loopback(module.Example, impl).client})
    assert impl.taken == eval(f"({taken},)", vars(module))


def test_every_table_is_tested() -> None:
    kinds = {table.note for table in tables(PAGE)}
    assert kinds == {"rows: types", "rows: parameters"}
    assert len(parameter_rows()) >= 4
    assert len(rows()) > 40
