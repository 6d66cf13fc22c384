"""A type parameter of a generic struct -> what stands for it."""

from __future__ import annotations

from typing import TypeVar

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import Type


def rule(annotation: Annotation, site: Site) -> Type | None:
    base = annotation.base
    if not isinstance(base, TypeVar):
        return None
    if base.__name__ not in site.bindings:
        raise Mistake(f"nothing says what the type parameter {base.__name__} stands for", "a type")
    return site.bindings[base.__name__]
