"""From the fields of a record to the arguments of its packing, and back to their values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from mpipc.generate.conversions import Conversions
from mpipc.generate.names import quoted
from mpipc.generate.records import RecordFormat, slot_is_pointer
from mpipc.generate.scope import Scope
from mpipc.model import (
    Field,
    InterfaceType,
    ListType,
    MapType,
    Primitive,
    Slot,
    Struct,
    StructType,
    TupleType,
    UnionType,
    VoidType,
)

_COMPOSED = ListType, MapType, StructType, TupleType, UnionType


def packed(
    fields: Iterable[Field],
    values: Mapping[str, str],
    record: RecordFormat,
    base: str | int,
    convert: Conversions,
) -> dict[str, str]:
    """For each slot of the fields, the expression to pack, in a record at word `base`; `values`
    are expressions for the fields' values by field name."""
    slots: dict[str, str] = {}
    for field in fields:
        value = values[field.name]
        if field.group:
            inside = taken_from(convert.group(field), value)
            slots |= packed(field.group, inside, record, base, convert)
        elif slot_is_pointer(field.slot):
            word = record.pointer_word(field.slot, base)
            slots[field.slot.name] = packed_pointer(field, word, value, convert)
        elif not isinstance(field.type, VoidType):
            number = convert.to_number(field.type, value)
            zero = "False" if field.type == Primitive("Bool") else "0"
            slots[field.slot.name] = _or_zero(field, value, number, zero)
        if field.flag is not None:
            slots[field.flag.name] = _there(field, value)
    return slots


def packed_pointer(field: Field, word: str, value: str, convert: Conversions) -> str:
    """The expression for the pointer word of a field."""
    if isinstance(field.type, InterfaceType):  # None is null
        if field.missing:
            value = f'{value.rpartition("[")[0]}.get("{field.name}")'
        return convert.to_pointer(field.type, word, value)
    return _or_zero(field, value, convert.to_pointer(field.type, word, value))


def uses_writer(packing: str) -> bool:
    """Whether packing a record appends anything else to the writer `_w`."""
    return re.search(r"\b_w\b", packing) is not None


def _or_zero(field: Field, value: str, converted: str, zero: str = "0") -> str:
    if field.missing and converted == value:
        return f'{value.rpartition("[")[0]}.get("{field.name}", {zero})'
    if field.missing:
        return f"{converted} if {_there(field, value)} else {zero}"
    return f"{zero} if {value} is None else {converted}" if field.optional else converted


def _there(field: Field, value: str) -> str:
    """The expression for whether an optional field has a value."""
    if field.missing:
        return f'"{field.name}" in {value.rpartition("[")[0]}'
    return f"{value} is not None"


def taken_from(struct: Struct, variable: str) -> dict[str, str]:
    """The expression for each field's value, in an object that a variable stands for."""
    if struct.kind == "typeddict":
        return {field.name: f'{variable}["{field.name}"]' for field in struct.fields}
    if struct.kind == "tuple":
        return {field.name: f"{variable}[{index}]" for index, field in enumerate(struct.fields)}
    return {field.name: f"{variable}.{field.name}" for field in struct.fields}


def passed(fields: Iterable[Field], values: Iterable[str]) -> str:
    """The arguments that pass values for some fields."""
    pairs = list(zip(fields, values, strict=True))
    positional = [value for field, value in pairs if not field.keyword]
    return ", ".join(
        positional + [f"{field.keyword}={value}" for field, value in pairs if field.keyword]
    )


def parts_of(fields: Iterable[Field]) -> list[Field]:
    """Parameters as a method has them in Python, where those that are packed are several."""
    return [each for field in fields for each in (field.parts or [field])]


def apart(fields: Sequence[Field], values: Sequence[str], convert: Conversions) -> list[str]:
    """The expressions for what `parts_of` gives, from those for the fields."""
    found: list[str] = []
    for field, value in zip(fields, values, strict=True):
        inside = taken_from(convert.group(field), value) if field.parts else {"": value}
        found += inside.values()
    return found


Pointer: TypeAlias = tuple[str, str, str]
"""Expressions for a pointer's byte position and for its two halves."""


def unpacked(
    field: Field, record: RecordFormat, pointer: Pointer | None, convert: Conversions
) -> str:
    """The expression for a field's value, from its pointer, or from the name that its number is
    read into."""
    slot = field.slot
    if field.group:
        values = (unpacked(e, record, pointer_of(e, record), convert) for e in field.group)
        return f"{convert.made(field)}({passed(field.group, values)})"
    if isinstance(field.type, VoidType):
        return "None"
    if pointer:
        value = convert.from_pointer(field.type, *pointer, record.place(field))
        if field.secret and isinstance(field.type, _COMPOSED):
            # What is inside is read by functions that do not know that it is secret here.
            value = f"{convert.read_secret}(lambda: {value}, {quoted(record.place(field))})"
    else:
        value = convert.from_number(field.type, record.number(slot), record.place(field))
    present = is_present(field, record, pointer)
    return f"{value} if {present} else None" if present and not field.missing else value


def is_present(field: Field, record: RecordFormat, pointer: Pointer | None) -> str:
    """The expression for whether an optional field that was read has a value; empty for one that
    always has, and for a capability, whose null is None."""
    if not field.optional or (isinstance(field.type, InterfaceType) and not field.missing):
        return ""
    if field.flag is not None:
        return record.number(field.flag)
    assert pointer is not None
    _, lo, hi = pointer
    return f"{lo} or {hi}"


def unpack_lines(
    fields: Sequence[Field],
    record: RecordFormat,
    layout: str,
    convert: Conversions,
    others: Sequence[Slot] = (),
) -> tuple[list[str], list[str]]:
    """Lines that unpack a record at byte `_at` of the message `_m`, and the fields' values. Where
    they or `others`, more pointers, need it, `_s` becomes the position of the pointer section."""
    targets = record.targets()
    values = [unpacked(field, record, pointer_of(field, record), convert) for field in fields]
    if not targets:
        return [], values
    sizes = f"{record.data_words}, {record.pointer_count}"
    left = ", ".join(targets) if len(targets) > 1 else f"({targets[0]},)"
    lines = [
        f"{left} = (",
        f"    {layout}.unpack_from(_m.buf, _at)",
        f"    if _d == {record.data_words} and _p == {record.pointer_count}",
        f"    else {layout}.unpack(_m.resized(_at, _d, _p, {sizes}))",
        ")",
    ]
    if others or any("(_s" in value or " _s" in value for value in values):
        lines.append("_s = _at + (_d << 3)")
    return lines, values


def naming(where: str, lines: Sequence[str], scope: Scope, *, wanted: bool) -> list[str]:
    """Lines that read values; where `wanted`, their errors also say of which method they are."""
    if not wanted:
        return [*lines]
    return [
        "try:",
        *(f"    {line}" for line in lines),
        f"except {scope.runtime('ConversionError')} as _e:",
        f'    _e.args = (f"{where}: {{_e}}",)',
        "    raise",
    ]


def pointer_of(field: Field, record: RecordFormat) -> Pointer | None:
    slot = field.slot
    if field.group or not slot_is_pointer(slot):
        return None
    return record.pointer_at(slot, "_s"), f"lo_{slot.variable}", f"hi_{slot.variable}"


def blamed(field: Field, convert: Conversions) -> str:
    """A field's type as `describe` and `misfit` take it."""
    described = convert.described(field.type)
    if field.secret:
        described = f"{convert.secret}({described})"
    if field.missing:
        return f"({described}, ...)"
    return f"({described}, None)" if field.optional else described
