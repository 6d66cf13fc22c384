"""Annotated ABCs -> the model.

derive(["interfaces.mining"])  ->  Model with interfaces.mining and interfaces.common
"""

from __future__ import annotations

from collections.abc import Iterable

from mpipc.derive.lock import Locks, no_lock
from mpipc.derive.session import Session
from mpipc.model import Model

__all__ = ["derive", "derive_interface"]


def derive(module_names: Iterable[str], locks: Locks = no_lock) -> Model:
    """Derive interface modules and every interface module that their types reach.

    Imports the modules where needed. `locks` tells the ordinals that a module's members have
    already: `mpipc.schema.committed_lock` reads them from its committed schema; without, members
    are numbered in order of declaration. Raises SchemaError with every problem found.
    """
    return Session(locks).run(module_names)


def derive_interface(cls: type, locks: Locks = no_lock) -> Model:
    """Derive the module of a class, and what it reaches. Raises SchemaError."""
    return derive([cls.__module__], locks)
