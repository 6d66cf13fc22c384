"""str -> Text, bytes -> Data."""

from __future__ import annotations

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import DataType, TextType


def rule(annotation: Annotation, site: Site) -> TextType | DataType | None:
    if annotation.base is str:
        return TextType()
    if annotation.base is bytes:
        return DataType()
    if annotation.base is bytearray or annotation.base is memoryview:
        raise Mistake("mutable bytes cannot travel: the other side gets a copy", "bytes")
    return None
