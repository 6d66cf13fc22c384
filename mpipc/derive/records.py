"""Parameters, results and fields -> the slots of a Cap'n Proto struct."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType

import msgspec

from mpipc import declare
from mpipc.derive.annotations import Annotation
from mpipc.derive.lock import check_ordinal, number
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import camel, capitalized, integer_range, member_name, repeated
from mpipc.derive.secrets import is_secret
from mpipc.derive.site import Site
from mpipc.derive.types import type_of
from mpipc.model import (
    CheckedType,
    Context,
    EnumType,
    Field,
    LiteralType,
    Primitive,
    Record,
    Reserved,
    Slot,
    SlotType,
    ThreadMap,
    TimedeltaType,
    Type,
    TypeName,
    VoidType,
    is_pointer,
)


@dataclass(frozen=True)
class Member:
    """A member of a record before it has an ordinal. `field`: its Python name, empty for slots
    that only the protocol knows."""

    slot: str
    type: SlotType
    ordinal: int | None = None
    default: bool | int | float | None = None
    annotations: tuple[tuple[str, str | None], ...] = ()
    field: str = ""
    optional: bool = False
    flag: Primitive | None = None
    flag_ordinal: int | None = None
    keyword: str = ""
    missing: bool = False
    secret: bool = False
    group: tuple[Member, ...] = ()
    parts: tuple[Field, ...] = ()
    filled_in: TypeName | None = None

    def within(self, group: str) -> Member:
        """It as a member of a group; the ordinals that it asks for are those of its own struct."""
        return replace(self, slot=f"{group}.{self.slot}", ordinal=None, flag_ordinal=None)


def member(
    name: str,
    annotation: object,
    site: Site,
    *,
    wrapped: bool = False,
    keyword: str = "",
    required: bool = True,
) -> Member:
    """One parameter, result or struct field as declared. `wrapped`: a field of a struct with
    `wrap`, whose C++ members are called as in Python. `keyword`: as in `model.Field`. `required`:
    whether a TypedDict has it unless it says otherwise. Raises Mistake."""
    found = site.unwrap(annotation)
    missing = not (required if found.required is None else found.required)
    if missing and found.optional:
        raise Mistake(
            "NotRequired and None: on the other side it could not be told which of them it was",
            "`| None` without NotRequired, or NotRequired without `| None`",
        )
    found = replace(found, optional=found.optional or missing)
    for cls in (declare.Field, msgspec.Meta):
        if cls in found.metadata:
            raise Mistake(f"{cls.__name__} without parentheses", f"{cls.__name__}(...)")
    type = type_of(found, site)
    if missing and isinstance(type, VoidType):
        raise Mistake(
            "NotRequired[Void]: on the other side it could not be told whether it is there",
            "Void without NotRequired, or a bool",
        )
    options = found.find(declare.Field) or declare.Field()
    slot = member_name(options.name if options.name is not None else camel(name))
    cxx_name = options.cxx_name
    if cxx_name is None and wrapped and slot != name:
        cxx_name = name
    return Member(
        slot=slot,
        type=type,
        ordinal=options.ordinal,
        default=_default(options.wire_default, type),
        annotations=tuple(_annotations(cxx_name, options)),
        field=name,
        optional=found.optional,
        flag=_flag(options.has_flag, found, type, site),
        flag_ordinal=options.flag_ordinal,
        keyword=keyword,
        missing=missing,
        secret=is_secret(annotation, site),
    )


def _annotations(cxx_name: str | None, options: declare.Field) -> Iterator[tuple[str, str | None]]:
    if options.skip:
        yield "skip", None
    elif cxx_name:
        yield "name", cxx_name


def _flag(asked: object, annotation: Annotation, type: Type, site: Site) -> Primitive | None:
    """The type of the flag, None where there is none. Raises Mistake."""
    if not annotation.optional:
        if asked not in (False, ...):
            raise Mistake("has_flag=True on a value that cannot be None", "`| None` after its type")
        return None
    if asked is False and not is_pointer(type):
        raise Mistake(
            "has_flag=False, but without a flag None could not be told from a value",
            "a type without `| None`, or no has_flag",
        )
    if isinstance(asked, bool | EllipsisType):
        wanted = not is_pointer(type) if asked is ... else asked
        return Primitive("Bool") if wanted else None
    found = type_of(site.unwrap(asked), site)
    if not isinstance(found, Primitive):
        raise Mistake("has_flag is no type of a number", "True, or an alias such as UInt32")
    return found


def _default(value: object, type: Type) -> bool | int | float | None:
    """The wire default of a slot as its primitive type stores it. Raises Mistake."""
    if value is ...:
        return None
    while isinstance(type, LiteralType | CheckedType):
        type = type.wire
    if isinstance(type, TimedeltaType):
        if isinstance(value, datetime.timedelta):
            value = value / datetime.timedelta(milliseconds=1)
        type = Primitive("Float64")
    elif isinstance(type, EnumType) and not type.declared:
        value = value.value if isinstance(value, enum.Enum) else value
        type = type.wire
    if not isinstance(type, Primitive):
        raise Mistake("a wire default on a type that is no primitive", "no wire_default")
    if type.name == "Bool" and isinstance(value, bool):
        return value
    if type.name.startswith("Float") and isinstance(value, int | float):
        return float(value)
    low, high = integer_range(type.name)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return int(value)
    raise Mistake(f"the wire default {value!r} is no {type.name}", f"a value of {type.name}")


def record(
    path: str, members: Sequence[Member], locked: Sequence[Reserved]
) -> tuple[Record, list[Field], list[Slot]]:
    """Number the members, flags right after their values. Returns the record, the declared fields
    in order of declaration, and the slot of every member. Raises Mistake."""
    asked: list[tuple[str, int | None]] = []
    for each in _leaves(members):
        check_ordinal(each.slot, each.ordinal)
        asked.append((each.slot, each.ordinal))
        if each.flag:
            asked.append((_flag_name(each.slot), _flag_ordinal(each, locked)))
    groups = [each.slot for each in members if each.group]
    again = repeated([*groups, *(name for name, _ in asked)])
    if again:
        raise Mistake(
            f"two of its members are called {again[0]!r} in the schema",
            'Annotated[..., Field(name="...")], or Raises(..., name="..."), for one of them',
        )
    ordinals, reserved = number(asked, locked)
    numbers = iter(ordinals)
    slots: list[Slot] = []
    flags: list[Slot] = []

    def made(each: Member) -> Field | None:
        if each.group:
            inside = tuple(filter(None, (made(one.within(each.slot)) for one in each.group)))
            first = Slot(each.slot, inside[0].slot.ordinal, each.type)
            assert not isinstance(each.type, Context | ThreadMap)
            return Field(
                each.field, each.type, first,
                keyword=each.keyword, secret=each.secret, group=inside,
            )  # fmt: skip
        slot = Slot(each.slot, next(numbers), each.type, each.default, each.annotations)
        slots.append(slot)
        flag = None
        if each.flag:
            flag = Slot(_flag_name(each.slot), next(numbers), each.flag)
            flags.append(flag)
        if not each.field:
            return None
        assert not isinstance(each.type, Context | ThreadMap)
        how = each.optional, flag, each.keyword, each.missing, each.secret
        return Field(each.field, each.type, slot, *how, parts=each.parts, filled_in=each.filled_in)

    fields = [*filter(None, map(made, members))]
    every = sorted([*slots, *flags], key=lambda slot: slot.ordinal)
    return Record(path, tuple(every), reserved), fields, slots


def _leaves(members: Iterable[Member]) -> Iterator[Member]:
    """The members, those of groups in the place of the group."""
    for each in members:
        if each.group:
            yield from _leaves(one.within(each.slot) for one in each.group)
        else:
            yield each


def _flag_name(value: str) -> str:
    group, dot, name = value.rpartition(".")
    return f"{group}{dot}has{capitalized(name)}"


def _flag_ordinal(member: Member, locked: Sequence[Reserved]) -> int | None:
    """The ordinal that a flag asks for: the one behind its value's. Where that is somebody else's
    already it asks for none, unless its value was only renamed."""
    if member.flag_ordinal is not None:
        return member.flag_ordinal
    if member.ordinal is None or not locked:
        return None if member.ordinal is None else member.ordinal + 1
    had = {each.name: each.ordinal for each in locked}
    former = next((each.name for each in locked if each.ordinal == member.ordinal), None)
    return None if former is None else had.get(_flag_name(former))
