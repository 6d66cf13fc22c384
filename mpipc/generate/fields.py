"""From the fields of a record to the arguments of its packing, and back to their values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mpipc.generate.conversions import Conversions
from mpipc.generate.records import RecordFormat, slot_is_pointer
from mpipc.model import Field


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
        if slot_is_pointer(field.slot):
            word = record.pointer_word(field.slot, base)
            slots[field.slot.name] = _or_none(
                field, value, convert.to_pointer(field.type, word, value)
            )
        else:
            slots[field.slot.name] = _or_none(field, value, convert.to_number(field.type, value))
        if field.flag is not None:
            slots[field.flag.name] = f"({value} is not None)"
    return slots


def _or_none(field: Field, value: str, converted: str) -> str:
    return f"(0 if {value} is None else {converted})" if field.optional else converted


def unpacked(field: Field, record: RecordFormat, section: str, convert: Conversions) -> str:
    """The expression for a field's value, from the names that unpacking bound; `section` is the
    variable that holds the byte position of the pointer section."""
    slot = field.slot
    if slot_is_pointer(slot):
        lo, hi = f"lo_{slot.name}", f"hi_{slot.name}"
        value = convert.from_pointer(field.type, record.pointer_at(slot, section), lo, hi)
        present = f"({lo} or {hi})"
    else:
        value = convert.from_number(field.type, record.number(slot))
        present = "True"
    if not field.optional:
        return value
    if field.flag is not None:
        present = record.number(field.flag)
    return f"({value} if {present} else None)"


def unpack_lines(
    fields: Sequence[Field], record: RecordFormat, name: str, convert: Conversions
) -> tuple[list[str], list[str]]:
    """Lines that unpack a record at byte `_at` of the message `_m`, and the fields' values."""
    targets = record.targets()
    if not targets:
        return [], []
    left = [f"{', '.join(targets)} = ("] if len(targets) > 1 else [f"({targets[0]},) = ("]
    if len(left[0]) > 90:
        left = ["(", *(f"    {target}," for target in targets), ") = ("]
    lines = [
        *left,
        f"    {name}.unpack_from(_m.buf, _at)",
        f"    if _d == {record.data_words} and _p == {record.pointers}",
        f"    else {name}.unpack(_m.resized(_at, _d, _p, {record.data_words}, {record.pointers}))",
        ")",
    ]
    section = "_s"
    values = [unpacked(field, record, section, convert) for field in fields]
    if any("_s" in _words(value) for value in values):
        lines.append("_s = _at + (_d << 3)")
    return lines, values


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())


def call(prefix: str, arguments: Sequence[str], indent: str, suffix: str = "") -> list[str]:
    """`prefix(arguments)suffix` as lines of at most 100 characters where that is possible."""
    line = f"{indent}{prefix}({', '.join(arguments)}){suffix}"
    if len(line) <= 100:
        return [line]
    return [
        f"{indent}{prefix}(",
        *(f"{indent}    {argument}," for argument in arguments),
        f"{indent}){suffix}",
    ]


def tuple_lines(name: str, items: Sequence[str], indent: str) -> list[str]:
    """`name = (items)` as lines."""
    if len(items) == 1:
        return [f"{indent}{name} = ({items[0]},)"]
    return call(f"{name} = ", items, indent)
