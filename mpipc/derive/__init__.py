"""Annotated ABCs -> the model.

derive(["interfaces.mining"])  ->  Model with interfaces.mining and interfaces.common
"""

from __future__ import annotations

from collections.abc import Iterable

from mpipc.derive.session import Session
from mpipc.model import Model

__all__ = ["derive", "derive_interface"]


def derive(module_names: Iterable[str]) -> Model:
    """Derive interface modules and every interface module that their types reach.

    Imports the modules where needed. Raises SchemaError with every problem found.
    """
    return Session().run(module_names)


def derive_interface(cls: type) -> Model:
    """Derive the module of a class, and what it reaches. Raises SchemaError."""
    return derive([cls.__module__])
