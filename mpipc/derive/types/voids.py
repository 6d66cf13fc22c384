"""Void, which is None and nothing else -> Void."""

from __future__ import annotations

from mpipc.declare import WireType
from mpipc.derive.annotations import Annotation
from mpipc.derive.site import Site
from mpipc.model import VoidType


def rule(annotation: Annotation, site: Site) -> VoidType | None:
    picked = annotation.find(WireType)
    is_none = annotation.base is None or annotation.base is type(None)
    return VoidType() if is_none and picked is not None and picked.name == "Void" else None
