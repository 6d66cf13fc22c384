"""A type parameter of a generic struct -> what stands for it."""

from __future__ import annotations

from typing import TypeVar

from mpipc.derive.annotations import Annotation
from mpipc.derive.site import Site
from mpipc.model import Type


def rule(annotation: Annotation, site: Site) -> Type | None:
    base = annotation.base
    return site.bindings.get(base.__name__) if isinstance(base, TypeVar) else None
