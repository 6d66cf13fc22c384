"""An interface under test."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass

from mpipc.capnp.proxy import Generated
from mpipc.derive import derive, derive_interface
from mpipc.derive.packages import modules_named
from mpipc.errors import SchemaError
from mpipc.generate.load import generated_for
from mpipc.model import Interface, Method, Model, TypeName, python_object
from mpipc.schema import committed_lock
from mpipc.testing.objects import used_by


@dataclass(frozen=True)
class Subject:
    """An interface under test, and what is derived from its module."""

    model: Model
    interface: Interface

    def methods(self, names: Collection[str] | None = None) -> list[tuple[Interface, Method]]:
        """The methods of these names, by default all, each with the interface that declares it;
        inherited ones included."""
        return [
            (each, method)
            for each in self.model.ancestry(self.interface)
            for method in each.methods
            if method.kind == "method" and (names is None or method.name in names)
        ]

    @property
    def generated(self) -> Generated:
        """Its client and server, up to date."""
        key = self.interface.key
        if not self.interface.callable and self.interface.generic is None:
            return generated_for(python_object(key))
        # It has no class of its own, but the generated module has it.
        declared = next(
            each
            for each in self.model.modules[key.module].interfaces
            if not each.classless and each.generic is None
        )
        beside = generated_for(python_object(declared.key)).client.__module__
        found: Generated = sys.modules[beside].INTERFACES[key.name]
        return found


def subject_of(cls: type) -> Subject:
    """The interface that a class declares. Raises SchemaError."""
    model = derive_interface(cls, committed_lock)
    return Subject(model, model.interface(TypeName(cls.__module__, cls.__qualname__)))


def subjects_of(tested: type | str) -> list[Subject]:
    """The interface that a class declares, with those of the Callables in it; or all interfaces of
    a package or a module. Raises SchemaError."""
    if isinstance(tested, type):
        subject = subject_of(tested)
        found = {subject.interface.key: subject.interface}
        for interface in used_by(subject.model, subject.interface):
            if interface.callable:
                found[interface.key] = interface
        return [Subject(subject.model, interface) for interface in found.values()]
    names = modules_named(tested)
    if names is None:
        raise SchemaError(f"{tested}: no such package or module")
    model = derive(names, committed_lock)
    return [
        Subject(model, each)
        for name in names
        for each in model.modules[name].interfaces
        if each.stream is None
    ]
