"""How generated modules and what is in them are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpipc.model import Interface, Method, TypeName

IN_MEMORY = "_mpipc_generated"
"""Parent name of modules that are generated at first use instead of being imported."""

GENERATION = b"3"
"""Changes when generated code changes: what an older mpipc generated is not up to date."""

LOCALS = frozenset(
    {"_at", "_d", "_e", "_hi", "_impl", "_key", "_lo", "_m", "_p", "_part", "_pointer", "_result"}
    | {"_rows", "_s", "_v", "_value", "_values", "_w", "_x"}
)
"""The variables of generated functions; what users name never begins with an underscore."""


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
    """A declared type's name as part of an identifier, which joins several by underscores."""
    return key.name.replace("_", "__")


def method_name(interface: Interface, method: Method) -> str:
    """What a generated name says about a method."""
    return f"{identifier(interface.key)}_{method.name.strip('_')}"


def quoted(text: str) -> str:
    """A string literal as formatters like it: in double quotes, unless it has more of them inside
    than single ones."""
    # `repr` escapes what is inside the quotes that it chooses: single ones for a text with double.
    escaped = repr('"' + text)[2:-1]
    if text.count('"') > text.count("'"):
        return f"'{escaped}'"
    unescaped = re.sub(r"\\(.)", lambda found: "'" if found[1] == "'" else found[0], escaped)
    return '"' + unescaped.replace('"', '\\"') + '"'


def hexadecimal(number: int) -> str:
    """A literal as formatters like it."""
    return f"0x{number:X}"
