"""The declared interfaces, ready to be called: model, referee, and an object that records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from mpipc.derive import derive
from mpipc.model import Field, Interface, Method, python_object
from mpipc.testing.comparing import Comparing
from mpipc.testing.loopback import Loopback
from mpipc.testing.recorder import Recorder
from mpipc.testing.referee import Referee
from tests.codecs.declarations import generics, service, shapes, unions
from tests.codecs.declarations import methods as with_methods

MODEL = derive(
    [service.__name__, shapes.__name__, unions.__name__, with_methods.__name__, generics.__name__]
)
REFEREE = Referee(MODEL)


def interface_of(name: str) -> Interface:
    """The interface of this name."""
    modules = MODEL.modules.values()
    return next(i for module in modules for i in module.interfaces if i.key.name == name)


def methods(*names: str) -> list[Any]:
    """The methods of interfaces, as parameters of a test."""
    found = []
    for name in names:
        interface = interface_of(name)
        for method in interface.methods:
            if method.kind == "method":
                found.append(pytest.param(interface, method, id=f"{name}.{method.name}"))
    return found


def method_of(interface: str, name: str) -> tuple[Interface, Method]:
    """One of them."""
    found = interface_of(interface)
    return found, next(method for method in found.methods if method.name == name)


def loopback(interface: Interface) -> tuple[Loopback, Recorder]:
    """A client of an interface, and the object that it calls."""
    recorder = Recorder()
    impl = recorder.object_of(interface, MODEL)
    return Loopback(python_object(interface.key), impl), recorder


def number_of(loop: Loopback, interface: Interface, method: Method) -> tuple[int, int]:
    """The ids by which a method is called."""
    table = loop.generated.server.methods
    return next(k for k, m in table.items() if m.name == f"{interface.name}.{method.name}")


def same(fields: Sequence[Field], one: Iterable[Any], other: Iterable[Any]) -> bool:
    """Whether the values of some fields are equal."""
    return Comparing(MODEL).same(fields, one, other)
