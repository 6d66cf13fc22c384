"""Packing and unpacking the fixed part of a record in one operation.

From a record's layout follow two `struct` formats that differ only in how they treat pointers:
writing packs a pointer as one word (`Q`), reading unpacks its two halves (`iI`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mpipc.generate.scope import Scope
from mpipc.model import (
    EnumType,
    Primitive,
    Record,
    RecordLayout,
    Slot,
    TimedeltaType,
)

CODES = {
    "Int8": "b", "Int16": "h", "Int32": "i", "Int64": "q",
    "UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q",
    "Float32": "f", "Float64": "d",
}  # fmt: skip
SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}
_INTEGER = {"f": "I", "d": "Q"}


def wire_primitive(slot: Slot) -> Primitive | None:
    """The primitive that a slot holds, None for a pointer."""
    type = slot.type
    if isinstance(type, Primitive):
        return type
    if isinstance(type, EnumType):
        return type.wire
    if isinstance(type, TimedeltaType):
        return Primitive("Float64")
    return None


def slot_is_pointer(slot: Slot) -> bool:
    """Whether a slot is in the pointer section (Context and ThreadMap are)."""
    return wire_primitive(slot) is None


@dataclass(frozen=True)
class _Number:
    """A number in the data section; `bits` are the Bool slots that share its byte."""

    offset: int
    code: str
    slot: Slot | None
    bits: tuple[tuple[int, Slot], ...] = ()


class RecordFormat:
    """The formats of a record and the expressions that go with them.

    Reading binds, in the order of `targets`, `v_x` to a number, `bits_N` to a byte of Bools, and
    `lo_x`, `hi_x` to the halves of a pointer, where x is the slot's schema name.
    """

    def __init__(
        self, record: Record, layout: RecordLayout, scope: Scope, unread: Sequence[str] = ()
    ) -> None:
        self._scope = scope
        self.data_words = layout.data_words
        self.pointers = layout.pointers
        self.words = layout.data_words + layout.pointers
        self.shape = layout.data_words | layout.pointers << 16
        self._offsets = layout.offsets
        self._pointers = {
            layout.offsets[slot.name]: slot for slot in record.slots if slot_is_pointer(slot)
        }
        self._unread = set(unread)
        self._numbers = _numbers(record, layout.offsets)

    def _data(self) -> str:
        parts, position = [], 0
        for number in self._numbers:
            parts.append(_padding(number.offset - position))
            parts.append(number.code)
            position = number.offset + SIZES[number.code]
        parts.append(_padding(self.data_words * 8 - position))
        return "".join(parts)

    @property
    def read_format(self) -> str:
        pointers = [
            "8x" if index not in self._pointers or self._pointers[index].name in self._unread
            else "iI"
            for index in range(self.pointers)
        ]  # fmt: skip
        return f"<{self._data()}{''.join(pointers)}"

    @property
    def write_format(self) -> str:
        pointers = ["Q" if i in self._pointers else "8x" for i in range(self.pointers)]
        return f"<{self._data()}{''.join(pointers)}"

    def targets(self) -> list[str]:
        """Names that unpacking with `read_format` binds, in order."""
        names = [
            f"bits_{number.offset}" if number.slot is None else f"v_{number.slot.name}"
            for number in self._numbers
        ]
        for index in sorted(self._pointers):
            name = self._pointers[index].name
            if name not in self._unread:
                names += [f"lo_{name}", f"hi_{name}"]
        return names

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """Arguments for packing with `write_format`, from an expression for each slot name; a
        missing one is zero, which is the slot's default on the wire."""
        result = []
        for number in self._numbers:
            if number.slot is not None:
                result.append(self._encoded(number.slot, values.get(number.slot.name)))
            else:
                bits = [
                    self._bit(slot, values[slot.name]) + (f" << {bit}" if bit else "")
                    for bit, slot in number.bits
                    if slot.name in values
                ]  # fmt: skip
                result.append(" | ".join(bits) or "0")
        result += [values.get(self._pointers[i].name, "0") for i in sorted(self._pointers)]
        return result

    def number(self, slot: Slot) -> str:
        """The expression for the number, or the bool, in a slot that was read."""
        primitive = wire_primitive(slot)
        assert primitive is not None
        if primitive.name == "Bool":
            offset = self._offsets[slot.name]
            mask = 1 << (offset & 7)
            comparison = "==" if slot.default else "!="
            return f"bits_{offset >> 3} & {mask} {comparison} 0"
        name = f"v_{slot.name}"
        if not slot.default:
            return name
        code = CODES[primitive.name]
        if code in _INTEGER:
            return f'{self._scope.runtime("float_unxor")}("{code}", {name}, {slot.default!r})'
        return f"{name} ^ {slot.default}"

    def _encoded(self, slot: Slot, value: str | None) -> str:
        if value is None:
            return "0"
        if not slot.default:
            return value
        primitive = wire_primitive(slot)
        assert primitive is not None
        code = CODES[primitive.name]
        if code in _INTEGER:
            return f'{self._scope.runtime("float_xor")}("{code}", {value}, {slot.default!r})'
        return f"{value} ^ {slot.default}"

    def _bit(self, slot: Slot, value: str) -> str:
        bit = self._scope.runtime("BIT")
        return f"{bit}[not {value}]" if slot.default else f"{bit}[{value}]"

    def pointer_at(self, slot: Slot, section: str) -> str:
        """The byte position of a slot's pointer, given the variable of the pointer section."""
        index = self._offsets[slot.name]
        return f"{section} + {index * 8}" if index else section

    def pointer_word(self, slot: Slot, base: str | int) -> str:
        """The word of a slot's pointer in a record at word `base`."""
        word = self.data_words + self._offsets[slot.name]
        if isinstance(base, int):
            return str(base + word)
        return f"{base} + {word}" if word else base


def _numbers(record: Record, offsets: Mapping[str, int]) -> list[_Number]:
    numbers = []
    bits: dict[int, list[tuple[int, Slot]]] = {}
    for slot in record.slots:
        primitive = wire_primitive(slot)
        if primitive is None:
            continue
        offset = offsets[slot.name]
        if primitive.name == "Bool":
            bits.setdefault(offset >> 3, []).append((offset & 7, slot))
            continue
        code = CODES[primitive.name]
        size = SIZES[code]
        if slot.default and code in _INTEGER:
            code = _INTEGER[code]
        numbers.append(_Number(offset * size, code, slot))
    numbers += [_Number(byte, "B", None, tuple(sorted(b, key=lambda x: x[0])))
                for byte, b in bits.items()]  # fmt: skip
    return sorted(numbers, key=lambda number: number.offset)


def _padding(size: int) -> str:
    return f"{size}x" if size else ""
