"""The names that a generated module uses and where they come from."""

from __future__ import annotations

import sys
from typing import Any

from mpipc.generate.names import generated_module, identifier
from mpipc.model import TypeName


class Scope:
    """Hands out expressions for names of other modules, and remembers what must be imported."""

    def __init__(self, module: str, *, in_memory: bool) -> None:
        self.module = module
        self._in_memory = in_memory
        self._runtime: set[str] = set()
        self._declared: set[str] = set()
        self._generated: set[str] = set()
        self._standard: set[str] = set()

    def runtime(self, name: str) -> str:
        """A name of `mpipc.capnp.runtime`."""
        self._runtime.add(name)
        return name

    def standard(self, name: str) -> str:
        """A name of the standard library, as `module.name`."""
        self._standard.add(name)
        return name.rpartition(".")[2]

    def declared(self, key: TypeName) -> str:
        """A class that a user declared; builtins by their bare name."""
        if key.module == "builtins":
            return key.name
        self._declared.add(key.module)
        return f"_{_alias(key.module)}_types.{key.name}"

    def generated(self, key: TypeName, pattern: str) -> str:
        """A generated name that belongs to a declared type; `{}` in the pattern is its name."""
        name = pattern.format(identifier(key))
        if key.module == self.module:
            return name
        self._generated.add(key.module)
        return f"_{_alias(key.module)}_codec.{name}"

    def import_lines(self) -> list[str]:
        """The import statements, in the order that linters want."""
        lines = ["from __future__ import annotations", ""]
        standard: dict[str, list[str]] = {}
        for full in sorted(self._standard):
            module, _, name = full.rpartition(".")
            standard.setdefault(module, []).append(name)
        lines += [f"from {module} import {', '.join(names)}" for module, names in standard.items()]
        if standard:
            lines.append("")
        modules = [(name, f"_{_alias(name)}_types") for name in self._declared]
        modules += [
            (generated_module(name, in_memory=self._in_memory), f"_{_alias(name)}_codec")
            for name in self._generated
        ]
        lines += [f"import {module} as {alias}" for module, alias in sorted(modules)]
        lines.append("from mpipc.capnp.runtime import (")
        lines += [f"    {name}," for name in sorted(self._runtime, key=_import_order)]
        lines.append(")")
        return lines


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _alias(module: str) -> str:
    return module.replace(".", "_")


def python_object(key: TypeName) -> Any:
    """The Python class that a declared type's name stands for."""
    found: Any = sys.modules[key.module]
    for part in key.name.split("."):
        found = getattr(found, part)
    return found
