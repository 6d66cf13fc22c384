"""An interface under test."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from mpipc.derive import derive_interface
from mpipc.model import Interface, Method, Model, TypeName
from mpipc.schema import committed_lock


@dataclass(frozen=True)
class Subject:
    """An interface under test: its class and what is derived from it."""

    cls: type
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


def subject_of(cls: type) -> Subject:
    """The interface that a class declares. Raises SchemaError."""
    model = derive_interface(cls, committed_lock)
    return Subject(cls, model, model.interface(TypeName(cls.__module__, cls.__qualname__)))
