"""A msgspec.Struct, a dataclass, an attrs class, a NamedTuple or a TypedDict -> a struct."""

from __future__ import annotations

import dataclasses

import msgspec
from typing_extensions import is_typeddict

from mpipc import declare
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.model import StructKind, StructType


def kind_of(cls: type) -> StructKind | None:
    """What kind of struct class it is, or None."""
    if issubclass(cls, msgspec.Struct):
        return "msgspec"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    if is_typeddict(cls):
        return "typeddict"
    if issubclass(cls, tuple) and hasattr(cls, "_fields") and hasattr(cls, "__annotations__"):
        return "namedtuple"
    return None


def rule(annotation: Annotation, site: Site) -> StructType | None:
    cls = annotation.origin or annotation.base
    if not isinstance(cls, type) or kind_of(cls) is None:
        return None
    if issubclass(cls, declare.Results):
        raise Mistake(
            f"{cls.__name__} is a Results class: only a method returns it, and never None instead",
            "a msgspec.Struct, or the Results class alone as the return type",
        )
    if annotation.origin is not None or getattr(cls, "__parameters__", None):
        raise Mistake(
            f"{shown(annotation.base)} is generic", "a struct class of its own for each use"
        )
    return StructType(site.session.use_struct(cls, site))
