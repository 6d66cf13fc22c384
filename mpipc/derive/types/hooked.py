"""What is registered in mpipc.hooks -> what it travels as.

The types of the standard library are registered there, too, and what a user registers overrides
every other rule.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import get_args, get_origin

from mpipc import hooks
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import type_of
from mpipc.model import HookedType, TypeName
from mpipc.standard import addresses, complexes, decimals, paths, times, uuids

__all__ = ["addresses", "complexes", "decimals", "paths", "rule", "times", "uuids"]


def rule(annotation: Annotation, site: Site) -> HookedType | None:
    hook = hooks.find(annotation.base, annotation.metadata)
    if hook is None:
        return None
    wire = site.unwrap(hook.wire)
    if wire.optional:
        raise Mistake(
            f"{shown(annotation.base)} would travel as {shown(hook.wire)}, and None is no value",
            "a wire type without `| None`",
        )
    # What is said of the type holds for what it travels as.
    wire = Annotation(wire.base, (*wire.metadata, *annotation.metadata))
    with site.session.resolving(hook, annotation):
        type = type_of(wire, site)
    cls = get_origin(annotation.base) or annotation.base
    return HookedType(
        named(cls, "the class"),
        tuple(named(each, "the type argument") for each in get_args(annotation.base)),
        hook.name or shown(annotation.base),
        type,
        _function(hook.build, "build", annotation.base),
        _function(hook.read, "read", annotation.base),
        hook.takes_type,
    )


def _function(function: Callable[..., object], role: str, base: object) -> TypeName:
    return named(function, f"the function `{role}` of the hook for {shown(base)}")


def named(found: object, what: str) -> TypeName:
    """How generated code imports a class or a function."""
    module = getattr(found, "__module__", None) or "builtins"
    name = getattr(found, "__qualname__", "")
    # pathlib._local -> pathlib, where that has it, too.
    for each in (module.partition("._")[0], module):
        at: object = sys.modules.get(each)
        for part in name.split("."):
            at = getattr(at, part, None)
        if at is not None and at == found:
            return TypeName(each, name)
    raise Mistake(
        f"{what} cannot be imported: {module}.{name or shown(found)}",
        "a class, a function, or a method of a class, at the top level of a module",
    )
