"""A msgspec.Struct, a dataclass, an attrs class, a NamedTuple or a TypedDict -> a struct."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TypeVar, get_args

import msgspec
from typing_extensions import is_typeddict

from mpipc import declare
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.generics import arguments_of, type_parameters
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
    if not type_parameters(cls):
        return StructType(site.session.use_struct(cls, site))
    if not is_template(cls):
        name = (annotation.find(declare.StructOptions) or declare.StructOptions()).name
        arguments = arguments_of(cls, annotation.args, site)
        return StructType(site.session.use_generic_struct(cls, arguments, name, site))
    if annotation.origin is None and not any(
        map(_uses_parameters, field_types(cls, site).values())
    ):
        return StructType(site.session.use_struct(cls, site))
    arguments = arguments_of(cls, annotation.args, site)
    name = re.sub(r"[\w.]+\.", "", shown(annotation.base))
    return StructType(site.session.use_instance(cls, arguments, site), name)


def is_template(cls: type) -> bool:
    """Whether a class is a generic struct in the schema, too."""
    options = declare.options_of(cls, declare.STRUCT)
    return isinstance(options, declare.StructOptions) and options.generic


def field_types(cls: type, site: Site) -> dict[str, object]:
    """What the annotations of a struct class's own fields stand for. Raises Mistake."""
    scope = site.session.scope(cls.__module__)
    return {
        name: scope.unwrap(annotation).base
        for name, annotation in inspect.get_annotations(cls).items()
    }


def _uses_parameters(found: object) -> bool:
    return isinstance(found, TypeVar) or any(map(_uses_parameters, get_args(found)))
