"""How generated modules and what is in them are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpipc.model import Interface, Method, TypeName

IN_MEMORY = "_mpipc_generated"
"""Parent name of modules that are generated at first use instead of being imported."""


def generated_module(module: str, *, in_memory: bool) -> str:
    """The module generated for an interface module.

    interfaces.mining  ->  interfaces.generated.mining
                           _mpipc_generated.interfaces_mining   (in memory)
    """
    if in_memory:
        return f"{IN_MEMORY}.{module.replace('.', '_')}"
    package, _, stem = module.rpartition(".")
    return f"{package}.generated.{stem}" if package else f"generated.{stem}"


def identifier(key: TypeName) -> str:
    """A declared type's name as part of an identifier: a nested class has dots in its name."""
    return key.name.replace(".", "_").replace("<locals>", "local")


def method_prefix(interface: Interface, method: Method) -> str:
    """Beginning of the names of a method's constants and functions."""
    return f"_{identifier(interface.key)}_{method.name.strip('_')}"
