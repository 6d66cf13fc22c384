"""Every method of Bitcoin Core's interfaces is called through a real connection, and what arrives
is what was sent, in both directions. Then the table of modules in the documentation."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from mpipc import IpcError, testing
from mpipc.capnp.proxy import Generated
from mpipc.derive import derive
from mpipc.derive.packages import interface_modules
from mpipc.model import Interface, Method, TypeName, python_object
from mpipc.schema import committed_lock
from mpipc.testing.comparing import Comparing, of_its_interface
from mpipc.testing.examples import run_examples
from mpipc.testing.outcomes import answers, outcome_of, same_outcome
from mpipc.testing.recorder import Recorder, recorders
from mpipc.testing.strategies import Strategies
from tests.test_docs import DOCS, tables

_, NAMES = interface_modules("interfaces")
MODEL = derive(NAMES, committed_lock)
MODULES = [MODEL.modules[name] for name in NAMES]
INTERFACES = [each for module in MODULES for each in module.interfaces]
EXAMPLES = 6

called: dict[tuple[TypeName, str], int] = {}
"""How often each method was called."""


def generated_for(interface: Interface) -> Generated:
    package, _, stem = interface.key.module.rpartition(".")
    module = importlib.import_module(f"{package}.generated.{stem}")
    found: Generated = module.INTERFACES[interface.key.name]
    return found


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda each: each.name)
def test_every_method_takes_and_returns_the_same_values(interface: Interface) -> None:
    recorder = Recorder()
    impl = recorder.object_of(interface, MODEL)
    with testing.connected(impl, generated_for(interface)) as client:
        for method in interface.methods:
            if method.kind == "method":
                count = check(interface, method, client, recorder)
                called[interface.key, method.name] = count
        for method in interface.methods:
            if method.kind != "method":
                called[interface.key, method.name] = 1  # `construct` began the connection
            if method.kind == "destroy":
                destroy(client)
                with pytest.raises(IpcError):
                    destroy(client)


def check(interface: Interface, method: Method, client: Any, recorder: Recorder) -> int:
    comparing = Comparing(MODEL, of_its_interface)
    strategies = Strategies(MODEL, recorders(MODEL))

    def example(arguments: tuple[Any, ...], answer: Any) -> None:
        recorder.returns = answer
        returned = outcome_of(method, lambda: getattr(client, method.name)(*arguments))
        where = f"{interface.name}.{method.name}"
        assert comparing.same(method.parameters, arguments, recorder.taken), where
        assert same_outcome(comparing, method, answer, returned), where

    parameters = strategies.fields(method.parameters)
    return run_examples(example, parameters, answers(method, strategies), max_examples=EXAMPLES)


def destroy(client: Any) -> None:
    """Call `destroy`, although the object is what its connection started with."""
    connection, method = client._mpipc_connection, client._mpipc_destroy
    connection.call(client._mpipc_target, method, connection.empty_params(method))


CLASSES = [each for each in INTERFACES if not each.callable]


@pytest.mark.parametrize("interface", CLASSES, ids=lambda each: each.name)
def test_pycapnp_reads_the_same_values(interface: Interface) -> None:
    methods = [method.name for method in interface.methods if method.kind == "method"]
    counts = testing.differential(python_object(interface.key), methods=methods, max_examples=3)
    assert counts.keys() == {*methods}


def test_no_method_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    declared = {(each.key, method.name) for each in INTERFACES for method in each.methods}
    if not called:
        pytest.skip("the calls were not made")
    with capsys.disabled():
        calls = sum(called.values())
        print(f"\n{calls} calls of {len(called)} methods of {len(INTERFACES)} interfaces", end="")
    assert called.keys() == declared
    assert all(called.values())


def rows() -> Iterator[list[str]]:
    """What the documentation's table says of each module, and of all together."""
    counts = []
    for module in filter(lambda each: each.structs or each.interfaces, MODULES):
        callbacks = sum(each.callable for each in module.interfaces)
        methods = sum(len(each.methods) for each in module.interfaces)
        objects = len(module.interfaces) - callbacks
        counts.append([objects, callbacks, methods, len(module.structs)])
        yield [f"`{module.name}`", *map(str, counts[-1])]
    yield ["together", *(str(sum(column)) for column in zip(*counts, strict=True))]


def test_the_documentation_counts_right() -> None:
    [table] = [each for each in tables(DOCS / "bitcoin-core.md") if each.note == "modules"]
    assert [[row[0], *row[2:]] for row in table.rows] == list(rows())
