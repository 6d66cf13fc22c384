"""memoryview or Buffer -> Data; Annotated[memoryview, Float64] -> List(Float64)."""

from __future__ import annotations

from typing_extensions import Buffer

from mpipc.declare import WireType
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.primitives import wire_type
from mpipc.model import ViewType


def rule(annotation: Annotation, site: Site) -> ViewType | None:
    if annotation.base is not memoryview and annotation.base is not Buffer:
        return None
    picked = annotation.find(WireType)
    if picked is None:
        return ViewType()
    if picked.name in ("Void", "Bool"):
        raise Mistake(f"a buffer has no elements of type {picked.name}", "a number's alias")
    return ViewType(wire_type(annotation, "Float64" if "Float" in picked.name else "Int64"))
