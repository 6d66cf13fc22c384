"""Enums: integers, texts, or enums of the schema.

An Enum whose values are integers    ->  Int32, or what an alias such as UInt8 picks
one whose values are texts           ->  Text
one that is decorated: @mpipc.enum   ->  an enum that the schema declares
"""

from __future__ import annotations

import enum

from mpipc import declare
from mpipc.derive.annotations import Annotation
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import integer_range
from mpipc.derive.site import Site
from mpipc.derive.types.primitives import wire_type
from mpipc.model import EnumType, HookedType, Primitive, TextType, TypeName
from mpipc.standard import enums


def rule(annotation: Annotation, site: Site) -> EnumType | HookedType | None:
    cls = annotation.base
    if not isinstance(cls, type) or not issubclass(cls, enum.Enum):
        return None
    picked = annotation.find(declare.WireType)
    if declare.options_of(cls, declare.ENUM) is not None:
        if picked is not None:
            raise Mistake(
                f"{picked.name} is no wire type for {cls.__name__}, which is an enum in the schema",
                "no alias for it, or no @mpipc.enum",
            )
        key = site.session.use_declared_enum(cls, site)
        return EnumType(key, Primitive("UInt16"), declared=True)
    members = cls.__members__
    if members and picked is None and all(isinstance(m.value, str) for m in members.values()):
        return _text_enum(cls, site)
    wire = wire_type(annotation, "Int32")
    low, high = integer_range(wire.name)
    for name, item in members.items():
        value = item.value
        if not isinstance(value, int) or not low <= value <= high:
            raise Mistake(
                f"{cls.__name__}.{name} is {value!r}, and an Enum travels as {wire.name}",
                f"integers from {low} to {high} as values, Annotated[{cls.__name__}, Int64], or "
                "@mpipc.enum",
            )
    flags = issubclass(cls, enum.Flag)
    return EnumType(site.session.use_enum(cls, site), wire, flags)


def _text_enum(cls: type[enum.Enum], site: Site) -> HookedType:
    key = site.session.key_of(cls)
    build = TypeName(enums.__name__, enums.build_text_enum.__name__)
    return HookedType(key, (), cls.__name__, TextType(), build, key)
