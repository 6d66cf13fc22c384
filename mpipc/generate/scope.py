"""The names that a generated module uses and where they come from."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mpipc.generate.layout import WIDTH
from mpipc.generate.names import LOCALS, generated_module, identifier
from mpipc.model import Module, TypeName


class Scope:
    """Hands out expressions for names of other modules, and remembers what must be imported.

    Where the parameter or the method of an interface has such a name, an alias stands for it.
    """

    def __init__(self, module: Module, *, in_memory: bool) -> None:
        self.module = module.name
        self._in_memory = in_memory
        self._taken = set(_chosen_names(module))
        self._from: dict[str, dict[str, str]] = {}
        self._modules: dict[str, str] = {}

    def runtime(self, name: str) -> str:
        """A name of `mpipc.capnp.runtime`."""
        return self._imported("mpipc.capnp.runtime", name)

    def standard(self, name: str) -> str:
        """A name of the standard library, as `module.name`."""
        module, _, name = name.rpartition(".")
        return self._imported(module, name)

    def builtin(self, name: str) -> str:
        """A builtin function or type."""
        return self._imported("builtins", name) if name in self._taken else name

    def declared(self, key: TypeName) -> str:
        """A class that a user declared."""
        if key.module == "builtins":
            return self.builtin(key.name)
        if key.module.partition(".")[0] in sys.stdlib_module_names and "." not in key.name:
            return self.standard(f"{key.module}.{key.name}")
        return f"{self._alias(key.module, '_types')}.{key.name}"

    def generated(self, key: TypeName, pattern: str) -> str:
        """A generated name that belongs to a declared type; `{}` in the pattern is its name."""
        name = pattern.format(identifier(key))
        if key.module == self.module:
            return name
        target = generated_module(key.module, in_memory=self._in_memory)
        return f"{self._alias(target, '_codec')}.{name}"

    def local(self, key: TypeName, pattern: str) -> str:
        """A name in this module that belongs to a type which may be declared in another."""
        name = identifier(key)
        if key.module != self.module:
            name = f"{self._alias(key.module, '_types').strip('_')}_{name}"
        return pattern.format(name)

    def _imported(self, module: str, name: str) -> str:
        alias = f"_{name}" if name in self._taken else name
        self._from.setdefault(module, {})[name] = alias
        return alias

    def _alias(self, module: str, suffix: str) -> str:
        if module not in self._modules:
            stem = "_" + module.rpartition(".")[2].strip("_")
            full = "_" + module.replace(".", "_")
            used = {*LOCALS, *self._modules.values()}
            names = [stem, stem + suffix, full + suffix] if suffix == "_types" else [stem + suffix]
            self._modules[module] = next((n for n in names if n not in used), full + suffix)
        return self._modules[module]

    # ---------------------------------------------------------------------------------- imports

    def import_lines(self) -> list[str]:
        """The import statements, in the order that linters want."""
        package = generated_module(self.module, in_memory=self._in_memory).rpartition(".")[0]
        above = package.rpartition(".")[0]
        standard: list[tuple[str, list[str]]] = []
        others: list[tuple[str, list[str]]] = []
        relative: list[tuple[str, list[str]]] = []
        for module in self._from:
            section = others if module.startswith("mpipc.") else standard
            section.append((module, [*self._import(module)]))
        for module, alias in self._modules.items():
            parent, _, stem = module.rpartition(".")
            if parent in (above, package) and parent and not self._in_memory:
                # The furthest package first, which the keys see to.
                dots = ".." if parent == above else "."
                relative.append((f"{dots}/{stem}", [f"from {dots} import {stem} as {alias}"]))
                continue
            line = f"from {parent} import {stem}" if parent else f"import {stem}"
            known = module.partition(".")[0] in sys.stdlib_module_names
            # `import` comes before `from`.
            key = parent if parent else f" {stem}"
            (standard if known else others).append((key, [f"{line} as {alias}"]))
        lines = ["from __future__ import annotations"]
        for section in (standard, others, relative):
            if section:
                lines += ["", *(line for _, each in sorted(section) for line in each)]
        return lines

    def _import(self, module: str) -> Iterator[str]:
        """`from module import …`: the plain names together, each renamed one by itself."""
        names = self._from[module]
        plain = sorted((name for name in names if names[name] == name), key=_import_order)
        statements = [
            (_import_order(name), [f"from {module} import {name} as {names[name]}"])
            for name in names
            if names[name] != name
        ]
        if plain:
            lines = [f"from {module} import {', '.join(plain)}"]
            if len(lines[0]) > WIDTH:
                lines = [f"from {module} import (", *(f"    {name}," for name in plain), ")"]
            statements.append((_import_order(plain[0]), lines))
        for _, lines in sorted(statements):
            yield from lines


def _chosen_names(module: Module) -> Iterator[str]:
    """The names that users chose and that stand where generated code uses its own."""
    for interface in module.interfaces:
        for method in interface.methods:
            yield method.name
            for field in method.parameters:
                yield from (each.name for each in (field, *field.parts))
            yield from (each.name for each in method.supplied)


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as linters sort them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name.lower())
