"""A struct class -> `model.Struct`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import msgspec

from mpipc import declare
from mpipc.derive.docs import docstring
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import type_name
from mpipc.derive.records import Member, member, record
from mpipc.derive.site import Site
from mpipc.derive.types.structs import kind_of
from mpipc.model import Struct, TypeName

if TYPE_CHECKING:
    from mpipc.derive.session import Session


def struct_name(cls: type) -> str:
    """The schema name of a struct class, not checked."""
    options = cast(declare.StructOptions | None, declare.options_of(cls, declare.STRUCT))
    return (options and options.name) or cls.__name__


def field_names(cls: type) -> tuple[str, ...]:
    """The fields of a struct class in the order of its positional arguments. Raises Mistake."""
    if issubclass(cls, msgspec.Struct):
        names = cls.__struct_fields__
    elif dataclasses.is_dataclass(cls):
        names = tuple(field.name for field in dataclasses.fields(cls))
    else:
        names = cast(tuple[str, ...], cls._fields)  # type: ignore[attr-defined]
    positional = tuple(
        parameter.name
        for parameter in inspect.signature(cls).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    )
    if positional != names:
        raise Mistake(
            f"it is built from ({', '.join(positional)}) by position, but has the fields "
            f"({', '.join(names)})",
            "fields that are all positional: no kw_only, init=False, InitVar or own __init__",
        )
    return names


def field_annotations(cls: type, names: tuple[str, ...]) -> Iterator[tuple[str, object, type]]:
    """Each field with its annotation and the class, perhaps a base, that declares it."""
    for name in names:
        for owner in cls.__mro__:
            annotations = inspect.get_annotations(owner)
            if name in annotations:
                yield name, annotations[name], owner
                break


def field_members(cls: type, site: Site, *, wrapped: bool = False) -> list[Member]:
    """The fields of a struct or Results class; mistakes become problems."""
    members = []
    for name, annotation, owner in field_annotations(cls, field_names(cls)):
        scope = site.session.scope(owner.__module__)
        at = dataclasses.replace(site.member(name), scope=scope)
        with site.session.reporting(at.place):
            members.append(member(name, annotation, at, wrapped=wrapped))
    return members


def derive_struct(session: Session, cls: type) -> Struct:
    """Describe a struct class. Raises Mistake; mistakes in its fields become problems."""
    kind = kind_of(cls)
    if kind is None:
        raise Mistake(
            "decorated with @mpipc.struct, but no struct class",
            "a msgspec.Struct, a dataclass (@mpipc.struct above @dataclass) or a NamedTuple",
        )
    options = declare.options_of(cls, declare.STRUCT) or declare.StructOptions()
    assert isinstance(options, declare.StructOptions)
    name = type_name(struct_name(cls))
    module = cls.__module__
    site = Site(session, module, session.scope(module), Place(module, cls.__name__), (name,))
    members = field_members(cls, site, wrapped=options.wrap is not None)
    found, fields, _ = record(name, members, session.locked(module, name))
    key = TypeName(module, cls.__name__)
    return Struct(key, name, kind, found, tuple(fields), options.wrap, docstring(cls))
