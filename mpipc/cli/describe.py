"""`mpipc describe WHAT`: the interfaces, methods and structs of a package, of a module, or one of
them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from mpipc.cli.packages import package_name
from mpipc.cli.usage import Usage
from mpipc.derive import derive
from mpipc.derive.packages import modules_named
from mpipc.errors import Problem, SchemaError
from mpipc.evolution.describe import DescribedModule
from mpipc.evolution.describe import describe as describe_module
from mpipc.schema import committed_lock


def describe(what: str) -> list[DescribedModule]:
    """The modules of a package that declare something; one module; or one of the interfaces,
    structs and enums in these: `interfaces`, `interfaces.mining`, `interfaces.mining.Mining` or
    `interfaces.Mining`. Raises Usage, SchemaError."""
    name = package_name(what)
    modules = modules_named(name)
    if modules is not None:
        shown = [*_described(modules)]
        if not shown:
            raise SchemaError(
                [Problem(name, "nothing is declared in it", "@mpipc.interface above an ABC")]
            )
        return shown
    inside, _, declared = name.rpartition(".")
    modules = modules_named(inside) if inside else None
    if modules is None:
        raise Usage(f"{what}: no such package, module or interface")
    found = [part for module in _described(modules) for part in _only(declared, module)]
    if not found:
        raise Usage(f"{what}: there is no {declared} in {inside}")
    return found


def _described(names: list[str]) -> Iterator[DescribedModule]:
    model = derive(names, committed_lock)
    for name in names:
        module = describe_module(model.modules[name])
        if module.interfaces or module.structs or module.enums:
            yield module


def _only(name: str, module: DescribedModule) -> Iterator[DescribedModule]:
    """The module with nothing but what is called so, and the callables that an interface names;
    none where it has nothing of this name."""
    interfaces = [each for each in module.interfaces if each.name == name]
    structs = tuple(each for each in module.structs if each.name == name)
    enums = tuple(each for each in module.enums if each.name == name)
    if interfaces or structs or enums:
        methods = [method for each in interfaces for method in each.methods]
        types = [
            value.type for method in methods for value in (*method.parameters, *method.results)
        ]
        words = set(re.findall(r"\w+", " ".join(types)))
        interfaces += [each for each in module.interfaces if each.callback and each.name in words]
        yield msgspec.structs.replace(
            module, interfaces=tuple(interfaces), structs=structs, enums=enums
        )
