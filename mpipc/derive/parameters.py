"""Parameters that do not travel as they are declared: several as one, and some not at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from mpipc import hooks
from mpipc.derive.annotations import Annotation, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import camel, member_name
from mpipc.derive.records import Member
from mpipc.derive.site import Site
from mpipc.derive.structs import attributes_of
from mpipc.derive.types import type_of
from mpipc.derive.types.hooked import named
from mpipc.model import (
    Context,
    Field,
    Model,
    Slot,
    StructType,
    Supplied,
    ThreadMap,
    TypeName,
)


def packed(
    passed: Iterable[Member], structs: Sequence[tuple[str, type]], site: Site
) -> Iterator[Member]:
    """The parameters of a method, with one in the place of those that a struct is for."""
    members = [*passed]
    for name, cls in structs:
        with site.session.reporting(site.parameter(name).place):
            made = type_of(Annotation(cls), site.parameter(name))
            if not isinstance(made, StructType) or not isinstance(cls, type):
                raise Mistake(f"packed into {shown(cls)}, which is no struct", "a struct class")
            wanted = [each.name for each in attributes_of(cls)]
            names = [each.field for each in members]
            at = names.index(wanted[0]) if wanted and wanted[0] in names else 0
            if not wanted or names[at : at + len(wanted)] != wanted:
                fields = ", ".join(wanted) or "(none)"
                raise Mistake(
                    f"packed into {shown(cls)}, which has the fields {fields}",
                    "parameters of these names, side by side and in this order",
                )
            parts = members[at : at + len(wanted)]
            parameter = Member(
                member_name(camel(name)), made, field=name, parts=tuple(map(_part, parts))
            )
            members[at : at + len(wanted)] = [parameter]
    yield from members


def _part(part: Member) -> Field:
    if part.ordinal is not None or part.default is not None or part.slot != camel(part.field):
        raise Mistake(
            f"Field(...) says how {part.field} travels, which does not travel alone",
            "Field(...) in the struct class",
        )
    if part.filled_in is not None:
        raise Mistake(
            f"{part.field} is filled in where callers leave it out, and does not travel alone",
            "a parameter that is not packed",
        )
    assert not isinstance(part.type, Context | ThreadMap)
    slot = Slot(part.slot, 0, part.type)
    return Field(
        part.field, part.type, slot, part.optional, keyword=part.keyword, secret=part.secret
    )


def check_parts(model: Model, field: Field) -> None:
    """Parameters that travel as one are what the struct has. Raises Mistake."""
    if not field.parts:
        return
    assert isinstance(field.type, StructType)
    struct = model.struct(field.type.key)
    for part, inside in zip(field.parts, struct.fields, strict=True):
        if _kind(part) != _kind(inside):
            raise Mistake(
                f"{part.name} is another type than the field of {struct.name} that it travels as",
                "the annotation that the field has",
            )


def _kind(field: Field) -> object:
    return field.type, field.optional, field.secret, field.missing


def supplier_of(annotation: object, site: Site) -> Callable[..., object] | None:
    """The function that says what a parameter is which the caller does not pass."""
    return hooks.supplier(site.unwrap(annotation).base)


def filler_of(annotation: object, site: Site) -> TypeName | None:
    """The function that says what a parameter is which may be None, where the caller leaves it
    out. Raises Mistake."""
    found = site.unwrap(annotation)
    function = hooks.filler(found.base)
    if function is None or not found.optional:
        return None
    return named(function, f"the function that fills in {shown(found.base)}")


def supplied(
    parameters: Sequence[tuple[str, object]],
    keywords: Collection[str],
    defaults: Mapping[str, object],
    site: Site,
) -> Iterator[Supplied]:
    """The parameters that the side that is called fills in; mistakes become problems."""
    for name, annotation in parameters:
        at = site.parameter(name)
        with site.session.reporting(at.place):
            function = supplier_of(annotation, at)
            if function is None:
                continue
            found = at.unwrap(annotation)
            if not (found.optional and name in keywords and defaults.get(name, ...) is None):
                cls = shown(found.base)
                raise Mistake(
                    f"{cls} is filled in by the side that is called, and not passed",
                    f"`*, {name}: {cls} | None = None`",
                )
            yield Supplied(
                name,
                named(found.base, "the class"),
                named(function, f"the function that supplies {shown(found.base)}"),
            )
