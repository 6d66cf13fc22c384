"""`mpipc describe PACKAGE`: the interfaces, methods and structs of a package."""

from __future__ import annotations

from mpipc.derive import derive
from mpipc.derive.packages import interface_modules
from mpipc.evolution.describe import DescribedModule
from mpipc.evolution.describe import describe as describe_module
from mpipc.schema import committed_lock


def describe(package: str) -> list[DescribedModule]:
    """The modules of a package that declare something. Raises SchemaError."""
    _, names = interface_modules(package)
    model = derive(names, committed_lock)
    described = [describe_module(model.modules[name]) for name in names]
    return [module for module in described if module.interfaces or module.structs]
