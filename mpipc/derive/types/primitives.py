"""bool -> Bool, int -> Int64, float -> Float64, or what an alias such as Int32 picks."""

from __future__ import annotations

from typing import cast, get_args

from mpipc.declare import WireType
from mpipc.derive.annotations import Annotation
from mpipc.derive.site import Site
from mpipc.derive.types.registry import no_wire_type
from mpipc.model import Primitive, PrimitiveName

_DEFAULTS: dict[object, PrimitiveName] = {bool: "Bool", int: "Int64", float: "Float64"}


def rule(annotation: Annotation, site: Site) -> Primitive | None:
    try:
        default = _DEFAULTS.get(annotation.base)
    except TypeError:  # not hashable, so nothing of ours
        return None
    if default is None:
        return None
    return wire_type(annotation, default)


def wire_type(annotation: Annotation, default: PrimitiveName) -> Primitive:
    """The primitive that an alias in the metadata picks: one of the default's kind (integer or
    floating point). Raises Mistake for another."""
    picked = annotation.find(WireType)
    if picked is None:
        return Primitive(default)
    kind = default.rstrip("0123456789")
    if picked.name not in get_args(PrimitiveName) or kind not in picked.name:
        raise no_wire_type(picked, annotation)
    return Primitive(cast(PrimitiveName, picked.name))
