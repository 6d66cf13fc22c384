"""An Enum whose values are integers -> Int32, or what an alias such as UInt8 picks."""

from __future__ import annotations

import enum

from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import integer_range
from mpipc.derive.site import Site
from mpipc.derive.types.primitives import wire_type
from mpipc.model import EnumType


def rule(annotation: Annotation, site: Site) -> EnumType | None:
    cls = annotation.base
    if not isinstance(cls, type) or not issubclass(cls, enum.Enum):
        return None
    wire = wire_type(annotation, "Int32")
    low, high = integer_range(wire.name)
    for name, item in cls.__members__.items():
        value = item.value
        if not isinstance(value, int) or not low <= value <= high:
            raise Mistake(
                f"{cls.__name__}.{name} is {value!r}, and an Enum travels as {wire.name}",
                f"integers from {low} to {high} as values, or Annotated[{cls.__name__}, Int64]",
            )
    flags = issubclass(cls, enum.Flag)
    return EnumType(site.session.use_enum(cls, site), wire, flags)
