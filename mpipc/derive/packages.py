"""The interface modules of a package."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from mpipc.errors import Problem, SchemaError

GENERATED = "generated"
"""The subpackage with what was generated from the others."""


def interface_modules(package: str) -> tuple[Path, list[str]]:
    """The directory of a package, and its modules, imported, without the generated ones."""
    try:
        found = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not (package + ".").startswith(error.name + "."):
            raise
        raise SchemaError(
            [Problem(package, "no such package", "its name as in `import`")]
        ) from None
    search = getattr(found, "__path__", None)
    if search is None:
        raise SchemaError([Problem(package, "a module, not a package", "the package it is in")])
    names = []
    for module in pkgutil.iter_modules(search):
        if module.name != GENERATED and not module.ispkg:
            names.append(f"{package}.{module.name}")
            importlib.import_module(names[-1])
    return Path(next(iter(search))), sorted(names)
