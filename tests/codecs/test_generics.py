"""Generic classes: each use is a struct, or an interface, of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mpipc import testing
from mpipc.derive import derive
from mpipc.errors import ConversionError
from mpipc.generate.load import generated_for
from tests.codecs.declarations import generics
from tests.codecs.declarations.generics import (
    Base,
    Derived,
    Result,
    Rows,
    Store,
    Stores,
    Twice,
    Uses,
)
from tests.codecs.declarations.values import Row
from tests.codecs.echo import loopback, method_of


def test_pycapnp_reads_and_writes_the_same() -> None:
    assert min(testing.differential(Uses, max_examples=10).values()) > 0
    assert min(testing.differential(Rows, max_examples=5).values()) > 0


@pytest.mark.parametrize("interface", [Uses, Rows, Stores])
def test_through_a_real_connection(interface: type) -> None:
    assert min(testing.roundtrip(interface, max_examples=10).values()) > 0


test_all = testing.suite("tests.codecs.declarations.generics", max_examples=5)


def test_what_a_use_is_called() -> None:
    module = derive([generics.__name__]).modules[generics.__name__]
    names = {struct.name for struct in module.structs}
    assert {"ResultInt64", "ResultRow", "ExpectedPointText", "ChainChainBool", "Measured"} <= names
    assert not names & {"Result", "Expected", "Chain", "Base"}
    interfaces = {interface.name for interface in module.interfaces}
    assert {"StoreText", "StoreInt64List", "Rows"} <= interfaces
    assert "Store" not in interfaces


def test_a_proxy_is_an_instance_of_the_generic_interface() -> None:
    class Texts(Store[str]):
        def __init__(self) -> None:
            self.kept: dict[str, str] = {}

        def get(self, name: str) -> str | None:
            return self.kept.get(name)

        def put(self, name: str, value: str, *, more: list[str]) -> Result[str]:
            self.kept[name] = value + "".join(more)
            return Result(self.kept[name])

        def watch(self, callback: Any) -> Store[str]:
            callback("called")
            return self

        @property
        def count(self) -> int:
            return len(self.kept)

    class Both(Stores):
        def of_texts(self, store: Store[str]) -> Any:
            assert isinstance(store, Store)
            assert store.get("a") is None
            assert store.put("a", "b", more=["c"]) == Result("bc", "")
            assert (store.get("a"), store.count, store.local("a")) == ("bc", 1, "'bc'")
            heard: list[str] = []
            assert store.watch(heard.append).count == 1
            assert heard == ["called"]

        def of_rows(self, store: Rows | None) -> Any:
            return store

        def of_unions(self, store: Any) -> Any:
            return []

    with testing.connected(Both(), Stores) as stores:
        assert stores.of_texts(Texts()) is None
        assert stores.of_rows(None) is None


def test_which_value_does_not_fit() -> None:
    loop, _ = loopback(method_of("Uses", "result")[0])
    with pytest.raises(ConversionError, match=r"result: value\.value: expected an int for Int64"):
        loop.client.result(Result("x"))
    with pytest.raises(ConversionError, match=r"results: value\[0\]\.value\.text: expected str"):
        loop.client.results([Result(Row(1, 5, 1.0, b""))])  # type: ignore[arg-type]
    with pytest.raises(ConversionError, match=r"twice: value\.both\.value\.value: expected str"):
        twice: Any = Twice(inherited={}, t=b"", both=Result(Result(1)))
        loop.client.twice(twice)


def test_a_class_that_is_derived_from_a_use() -> None:
    loop, recorder = loopback(method_of("Uses", "derived")[0])
    recorder.returns = Base(inherited={"depth": 1, "name": "", "root": None}, all=())
    loop.client.derived(Derived(inherited=5, own=True, all=(1, 2)))
    assert recorder.taken == (Derived(inherited=5, own=True, all=(1, 2)),)
    with pytest.raises(ConversionError, match=r"value\.inherited: 300 is out of range for Int8"):
        loop.client.derived(Derived(inherited=300, own=True))


def test_the_interface_of_a_use_extends_the_right_one() -> None:
    client = generated_for(Rows).client
    assert issubclass(client, Store) and issubclass(client, Rows)
    assert [cls.__name__ for cls in client.__mro__][:2] == ["RowsClient", "StoreRowClient"]


MODERN = """
from abc import ABC, abstractmethod
import msgspec
import mpipc
from mpipc import testing, Int32
{future}

type Either[A, B] = A | B
type Number = int | float

class Box[T](msgspec.Struct):
    value: T
    other: list[T]

class Named[V, T](Box[V]):
    name: T

@mpipc.interface
class Store[T](ABC):
    @abstractmethod
    def get(self, value: Box[T]) -> Named[T, str]: ...
    @abstractmethod
    def number(self, value: Number) -> dict[str, T]: ...

@mpipc.interface
class Ints(Store[Int32]):
    @abstractmethod
    def ints(self, value: Box[int]) -> None: ...
"""


@pytest.mark.parametrize("future", ["", "from __future__ import annotations"])
def test_type_parameters_in_brackets(future: str, tmp_path: Path) -> None:
    """PEP 695: in another process, of a Python that has it."""
    interpreter = modern()
    if interpreter is None:
        pytest.skip("no Python 3.12 here")
    text = MODERN.replace("{future}", "")
    (tmp_path / "modern.py").write_text(f"{future}\n{text}")
    program = """
import modern
from mpipc import testing
print(sorted(testing.roundtrip(modern.Ints, max_examples=5)))
from mpipc.derive import derive
model = derive(["modern"]).modules["modern"]
print([each.name for each in model.structs], [each.name for each in model.interfaces])
"""
    done = subprocess.run(
        [interpreter, "-c", program],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "['get', 'ints', 'number']",
        "['BoxInt32', 'BoxInt64', 'NamedInt32Text', 'Number', 'TextInt32Entry']"
        " ['Ints', 'StoreInt32']",
    ]


def modern() -> str | None:
    """A Python that has what this test needs."""
    probe = "import sys, capnp, msgspec, hypothesis; sys.exit(sys.version_info < (3, 12))"
    for name in (sys.executable, shutil.which("python3.12"), shutil.which("python3.13")):
        if name and not subprocess.run([name, "-c", probe], stderr=subprocess.DEVNULL).returncode:
            return name
    return None
