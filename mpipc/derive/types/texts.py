"""str -> Text, bytes -> Data."""

from __future__ import annotations

from mpipc.declare import WireType
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import DataType, TextType


def rule(annotation: Annotation, site: Site) -> TextType | DataType | None:
    if annotation.base is str or annotation.base is bytes:
        picked = annotation.find(WireType)
        if picked is not None:
            raise Mistake(
                f"{picked.name} is no wire type for {shown(annotation.base)}", "no alias for it"
            )
        return TextType() if annotation.base is str else DataType()
    if annotation.base is bytearray:
        raise Mistake("mutable bytes cannot travel: the other side gets a copy", "bytes")
    return None
