"""A | B -> a struct with a union of a field for A and one for B.

It is called as the alias is that stands for it, `Shape = Circle | Square`; else as
Annotated[Circle | Square, mpipc.struct(name="Shape")] says, or after the place where it stands.

Annotated[A | B, mpipc.struct(generic=True)], where A and B are type parameters, declares a generic
one, for callers in C++.
"""

from __future__ import annotations

import types
from typing import TypeVar, Union, get_args, get_origin

from mpipc import declare
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import ParameterType, UnionType


def rule(annotation: Annotation, site: Site) -> UnionType | None:
    if annotation.origin is not Union:
        return None
    options = annotation.find(declare.StructOptions) or declare.StructOptions()
    alternatives = annotation.args
    unbound = (TypeVar, ParameterType)
    parameters = any(
        isinstance(each, TypeVar) and isinstance(site.bindings.get(each.__name__, each), unbound)
        for each in alternatives
    )
    if options.generic and not parameters:
        raise Mistake("a generic union is only declared for C++", "a union of its own for each use")
    if parameters and not options.generic:
        raise Mistake(
            f"{shown(annotation.base)} is a union of type parameters",
            "a struct with one optional field for each",
        )
    name = options.name or annotation.alias or _alias(alternatives, site) or site.union_name()
    return UnionType(site.session.use_union(name, options, alternatives, site))


def _alias(alternatives: tuple[object, ...], site: Site) -> str:
    """What a module calls the union of these, in this order; empty where it has no name."""
    for name, value in site.scope.names.items():
        if get_origin(value) in (Union, types.UnionType) and get_args(value) == alternatives:
            return name
    return ""
