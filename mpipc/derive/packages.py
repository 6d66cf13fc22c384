"""The interface modules of a package."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from pathlib import Path
from types import ModuleType

from mpipc.derive.mistakes import shown_path
from mpipc.errors import IpcError, Problem, SchemaError

GENERATED = "generated"
"""The subpackage with what was generated from the others."""

_NO_INTERFACES = (GENERATED, "__main__")
"""What is left alone in a package: importing `__main__` may run a program."""


def interface_modules(package: str) -> tuple[Path, list[str]]:
    """The directory of a package, and its modules, imported, without the generated ones. Raises
    SchemaError."""
    found = find_module(package)
    if found is None:
        raise SchemaError([Problem(package, "no such package", "its name as in `import`")])
    search = getattr(found, "__path__", None)
    if search is None:
        raise SchemaError([Problem(package, "a module, not a package", "the package it is in")])
    names = []
    for module in pkgutil.iter_modules(search):
        if module.name not in _NO_INTERFACES and not module.ispkg:
            names.append(f"{package}.{module.name}")
            find_module(names[-1])
    return Path(next(iter(search))), sorted(names)


def modules_named(name: str) -> list[str] | None:
    """The interface modules of a package, or the one module that has this name; None where there
    is neither. Raises SchemaError."""
    found = find_module(name)
    if found is None:
        return None
    return interface_modules(name)[1] if hasattr(found, "__path__") else [name]


def find_module(name: str) -> ModuleType | None:
    """A module or a package, imported; None where there is none of this name. Raises SchemaError
    where importing fails."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name + ".").startswith(error.name + "."):
            return None
        raise _broken(name, error) from error
    except IpcError:
        raise
    except Exception as error:  # whatever a module does when it is imported
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> SchemaError:
    """A module that cannot be imported, with the line that keeps it from that."""
    line: int | None
    if isinstance(error, SyntaxError) and error.filename:
        what, file, line = error.msg, error.filename, error.lineno
    else:
        called = traceback.extract_tb(error.__traceback__)
        within = [each for each in called if not each.filename.startswith(_NOT_ITS_OWN)]
        what = str(error)
        file, line = (within[-1].filename, within[-1].lineno) if within else ("", None)
    said = f"{type(error).__name__}: {what}" if what else type(error).__name__
    place = f"{name} at {shown_path(file)}:{line}" if file else name
    return SchemaError(f"{place}: it cannot be imported: {said}")


_NOT_ITS_OWN = ("<frozen ", importlib.__file__, str(Path(__file__).parent.parent))
"""The files of what imports modules, and of mpipc."""
