"""The fixed part of a record: how it is packed and unpacked in one operation.

From a record's layout follow two `struct` formats that differ only in how they treat pointers:
writing packs a pointer as one word (`Q`), reading unpacks its two halves (`iI`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import pack

from mpipc.capnp.showing import SECRET
from mpipc.generate.scope import Scope
from mpipc.model import (
    Context,
    EnumType,
    Field,
    Primitive,
    Record,
    RecordLayout,
    Slot,
    ThreadMap,
    TimedeltaType,
    VoidType,
    carried,
)

CODES = {
    "Int8": "b", "Int16": "h", "Int32": "i", "Int64": "q",
    "UInt8": "B", "UInt16": "H", "UInt32": "I", "UInt64": "Q",
    "Float32": "f", "Float64": "d",
}  # fmt: skip
SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "i": 4, "I": 4, "q": 8, "Q": 8, "f": 4, "d": 8}
_BITS_OF = {"f": "I", "d": "Q"}


def wire_primitive(slot: Slot) -> Primitive | None:
    """The primitive that a slot holds, None for a pointer."""
    if isinstance(slot.type, Context | ThreadMap):
        return None
    type = carried(slot.type)
    if isinstance(type, Primitive):
        return type
    if isinstance(type, EnumType):
        return type.wire
    if isinstance(type, TimedeltaType):
        return Primitive("Float64")
    return None


def slot_is_pointer(slot: Slot) -> bool:
    """Whether a slot is in the pointer section (Context and ThreadMap are)."""
    return wire_primitive(slot) is None and not isinstance(slot.type, VoidType)


@dataclass(frozen=True)
class Number:
    """A number in the data section: its byte offset and `struct` format, and the slot that it is,
    or the Bool slots that share its byte, each with its bit."""

    offset: int
    code: str
    slot: Slot | None
    bits: tuple[tuple[int, Slot], ...] = ()

    @property
    def name(self) -> str:
        """The variable that it is read into."""
        return f"bits_{self.offset}" if self.slot is None else f"v_{self.slot.variable}"

    @property
    def index(self) -> int:
        """Its offset in multiples of its size."""
        return self.offset // SIZES[self.code]


class RecordFormat:
    """The formats of a record and the expressions that go with them.

    Reading binds, in the order of `targets`, `v_x` to a number, `bits_N` to a byte of Bools, and
    `lo_x`, `hi_x` to the halves of a pointer, where x is the slot's schema name.
    """

    def __init__(self, record: Record, layout: RecordLayout, scope: Scope) -> None:
        self._scope = scope
        self.data_words = layout.data_words
        self.pointer_count = layout.pointers
        self.words = layout.data_words + layout.pointers
        self.shape = layout.data_words | layout.pointers << 16
        self.slots = {slot.name: slot for slot in record.slots}
        self._offsets = layout.offsets
        self._path = record.path
        self.pointers = {
            layout.offsets[slot.name]: slot for slot in record.slots if slot_is_pointer(slot)
        }
        self.numbers = _numbers(record, layout.offsets)

    def place(self, field: Field) -> str:
        """Where a field is, as errors say: `height`, a method's parameter; `Block.height`. It is
        marked where nothing must be said of the values."""
        place = field.name if "$" in self._path else f"{self._path}.{field.name}"
        return place + SECRET * field.secret

    @property
    def read_format(self) -> str:
        pointers = [
            "iI" if index in self.pointers and _is_read(self.pointers[index]) else "8x"
            for index in range(self.pointer_count)
        ]
        return f"<{self._data()}{''.join(pointers)}"

    @property
    def write_format(self) -> str:
        pointers = ["Q" if index in self.pointers else "8x" for index in range(self.pointer_count)]
        return f"<{self._data()}{''.join(pointers)}"

    def _data(self) -> str:
        parts, position = [], 0
        for number in self.numbers:
            parts.append(_padding(number.offset - position) + number.code)
            position = number.offset + SIZES[number.code]
        return "".join(parts) + _padding(self.data_words * 8 - position)

    def targets(self) -> list[str]:
        """Names that unpacking with `read_format` binds, in order."""
        names = [number.name for number in self.numbers]
        for _, slot in sorted(self.pointers.items()):
            if _is_read(slot):
                names += [f"lo_{slot.variable}", f"hi_{slot.variable}"]
        return names

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """Arguments for packing with `write_format`, from an expression for each slot name; a
        missing one is zero, which is the slot's default on the wire."""
        pointers = [values.get(slot.name, "0") for _, slot in sorted(self.pointers.items())]
        return [self.encoded(number, values) for number in self.numbers] + pointers

    def encoded(self, number: Number, values: Mapping[str, str]) -> str:
        """The expression for a number as it is on the wire."""
        if number.slot is None:
            bits = [
                self._bit(slot, values[slot.name], bit)
                for bit, slot in number.bits
                if slot.name in values
            ]
            return " | ".join(bits) or "0"
        if number.slot.name not in values:
            return "0"
        return self._xored(number.slot, values[number.slot.name], "float_xor")

    def number(self, slot: Slot) -> str:
        """The expression for the number, or the bool, in a slot that was read."""
        primitive = wire_primitive(slot)
        assert primitive is not None
        if primitive.name == "Bool":
            name, mask = self.bit(slot)
            return f"{name} & {mask} {'==' if slot.default else '!='} 0"
        return self._xored(slot, f"v_{slot.variable}", "float_unxor")

    def bit(self, slot: Slot) -> tuple[str, int]:
        """The variable of the byte that a Bool slot is in, and the slot's bit there."""
        offset = self._offsets[slot.name]
        return f"bits_{offset >> 3}", 1 << (offset & 7)

    def source(self, slot: Slot) -> Number:
        """The number that a slot is, or is part of."""
        for number in self.numbers:
            if number.slot is slot or any(bit is slot for _, bit in number.bits):
                return number
        raise AssertionError(slot)

    def _xored(self, slot: Slot, value: str, function: str) -> str:
        """A number, where its slot has a default."""
        default = _default(slot)
        if not default:
            return value
        if isinstance(default, int):
            return f"{value} ^ {default}"
        code, literal = default
        if not literal[-1].isdigit():  # infinity and NaN have no literals
            literal = f'{self._scope.builtin("float")}("{literal}")'
        return f'{self._scope.runtime(function)}("{code}", {value}, {literal})'

    def _bit(self, slot: Slot, value: str, position: int) -> str:
        bit = f"{self._scope.runtime('BIT')}[{value}]"
        if slot.default:
            bit = f"({bit} ^ 1)" if position else f"{bit} ^ 1"
        return f"{bit} << {position}" if position else bit

    def pointer_index(self, slot: Slot) -> int:
        """The index of a slot's pointer."""
        return self._offsets[slot.name]

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


def _is_read(slot: Slot) -> bool:
    """The runtime reads a Context by itself."""
    return not isinstance(slot.type, Context)


def _numbers(record: Record, offsets: Mapping[str, int]) -> list[Number]:
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
        if isinstance(_default(slot), tuple):
            code = _BITS_OF[code]  # it is XORed, which only works with bits
        numbers.append(Number(offset * size, code, slot))
    for byte, each in bits.items():
        numbers.append(Number(byte, "B", None, tuple(sorted(each, key=lambda bit: bit[0]))))
    return sorted(numbers, key=lambda number: number.offset)


def _default(slot: Slot) -> int | tuple[str, str] | None:
    """The default that a slot's number is XORed with: an integer, or the format and the `repr` of
    a float; None where there is none, or where it is all zeros."""
    value, primitive = slot.default, wire_primitive(slot)
    if value is None or primitive is None:
        return None
    code = CODES.get(primitive.name, "")
    if code not in _BITS_OF:
        return int(value) or None
    return (code, repr(float(value))) if any(pack(code, value)) else None  # -0.0 is not zeros


def _padding(size: int) -> str:
    return f"{size}x" if size else ""
