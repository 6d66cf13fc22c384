"""The functions that write and read a struct.

_fixed_Block         pack its fixed part, to be put at a word; appends what its pointers lead to
_write_Block         append a Block; gives the pointer word
_load_Block          read one whose position and sizes are known
_read_Block          read the one behind a pointer
_write_list_Block    append a list of Blocks: few one by one, many column by column
_read_list_Block     read one
_write_dict_Entry    as for lists, for the entries of a dict
_read_dict_Entry
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import (
    Pointer,
    blamed,
    is_present,
    packed,
    packed_pointer,
    passed,
    pointer_of,
    taken_from,
    unpack_lines,
    unpacked,
)
from mpipc.generate.names import identifier
from mpipc.generate.records import Number, RecordFormat, slot_is_pointer
from mpipc.generate.scope import Scope
from mpipc.model import (
    CONVERTED,
    MADE_UP,
    DataType,
    Field,
    RecordLayout,
    Struct,
    StructType,
    TextType,
    VoidType,
)


def struct_lines(
    struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions, *, recursive: bool
) -> list[str]:
    """The source of a struct's functions. `recursive`: it can contain itself."""
    name = identifier(struct.key)
    record = RecordFormat(struct.record, layout, scope)
    lines = [*format_lines(name, record, scope)]
    if struct.kind not in MADE_UP:
        described = [f"{field.name}={blamed(field, convert)}" for field in struct.fields]
        arguments = ", ".join([scope.declared(struct.cls), *described])
        if struct.generic is None:
            lines.append(f"{scope.runtime('describe')}({arguments})")
        elif not struct.is_instance:
            name_of_use = convert.described(StructType(struct.key))
            lines.append(f"{scope.runtime('describe_generic')}({name_of_use}, {arguments})")
        else:
            lines.append(f"_fields_{name} = {scope.runtime('Instance')}({arguments})")
    lines += ["", "", *_writing(struct, record, scope, convert)]
    lines += ["", "", *_reading(struct, record, scope, convert, recursive=recursive)]
    return lines


def _writing(
    struct: Struct, record: RecordFormat, scope: Scope, convert: Conversions
) -> Iterator[str]:
    name = identifier(struct.key)
    writer, structure = scope.runtime("Writer"), _class(struct, scope, convert, taken=True)
    if struct.kind == "entry":
        values = {"key": "_v[0]", "value": "_v[1]"}
    else:
        values = taken_from(struct, "_v")
    slots = packed(struct.fields, values, record, "_at", convert)
    taken = f"_w: {writer}, _at: int, _v: {structure}"
    yield f"def _fixed_{name}({taken}) -> {scope.builtin('bytes')}:"
    if struct.kind == "tuple":
        yield f"    {scope.runtime('check_tuple')}(_v, {len(struct.fields)})"
    if record.words:
        yield f"    return _out_{name}.pack({', '.join(record.arguments(slots))})"
    else:
        yield '    return b""'
    if struct.kind != "entry":
        sizes = f"{record.data_words}, {record.pointer_count}"
        yield from ("", "")
        yield f"def _write_{name}({taken}) -> {scope.builtin('int')}:"
        yield f"    _at, _part, _pointer = _w.struct(_at, {sizes})"
        yield f"    _w.parts[_part] = _fixed_{name}(_w, _at, _v)"
        yield "    return _pointer"


def _reading(
    struct: Struct, record: RecordFormat, scope: Scope, convert: Conversions, *, recursive: bool
) -> Iterator[str]:
    name = identifier(struct.key)
    message, structure = scope.runtime("Message"), _class(struct, scope, convert, taken=False)
    unpack, values = unpack_lines(struct.fields, record, f"_in_{name}", convert)
    yield f"def _load_{name}(_m: {message}, _at: int, _d: int, _p: int) -> {structure}:"
    yield from (f"    {line}" for line in unpack)
    if struct.kind == "entry":
        yield from returned(", ".join(values), recursive=recursive)
    else:
        if struct.kind == "tuple":
            made = f"({', '.join(values)}{',' if len(values) == 1 else ''})"
        else:
            made = f"{scope.declared(struct.cls)}({passed(*_always(struct, values))})"
        yield from returned(made, recursive=recursive, then=_present(struct, record, values))
        yield from ("", "")
        yield f"def _read_{name}(_m: {message}, _at: int, _lo: int, _hi: int) -> {structure}:"
        yield f"    return _load_{name}(_m, *_m.struct(_at, _lo, _hi))"


def _class(struct: Struct, scope: Scope, convert: Conversions, *, taken: bool) -> str:
    """What a struct is in Python; an entry is a tuple."""
    if struct.kind not in MADE_UP:
        return convert.annotation(StructType(struct.key), taken=taken)
    pair = [
        convert.annotation(f.type, taken=taken) + (" | None" if f.optional else "")
        for f in struct.fields
    ]
    return f"{scope.builtin('tuple')}[{', '.join(pair)}]"


def format_lines(name: str, record: RecordFormat, scope: Scope) -> list[str]:
    """The formats, which are one where there are no pointers."""
    if not record.words:
        return []
    structure = scope.runtime("Struct")
    if record.read_format == record.write_format:
        return [f'_out_{name} = _in_{name} = {structure}("{record.write_format}")']
    return [
        f'_out_{name} = {structure}("{record.write_format}")',
        f'_in_{name} = {structure}("{record.read_format}")',
    ]


def _always(struct: Struct, values: Sequence[str]) -> tuple[list[Field], list[str]]:
    """The fields, and their values, without those that may be missing."""
    pairs = zip(struct.fields, values, strict=True)
    kept = [(field, value) for field, value in pairs if not field.missing]
    return [field for field, _ in kept], [value for _, value in kept]


def _present(struct: Struct, record: RecordFormat, values: Sequence[str]) -> list[str]:
    """Lines that add the fields that may be missing to `_result`, where they are there."""
    lines = []
    for field, value in zip(struct.fields, values, strict=True):
        if field.missing:
            lines.append(f"    if {is_present(field, record, pointer_of(field, record))}:")
            lines.append(f'        _result["{field.name}"] = {value}')
    return lines


def returned(value: str, *, recursive: bool, then: Sequence[str] = ()) -> list[str]:
    if not recursive and not then:
        return [f"    return {value}"]
    lines = [f"    _result = {value}", *then]
    if recursive:
        lines = ["    _m.descend()", *lines, "    _m.depth += 1"]
    return [*lines, "    return _result"]


def list_lines(
    struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions, *, recursive: bool
) -> list[str]:
    """The source of the functions that write and read a list of a struct, or a dict."""
    columns = _Columns(struct, RecordFormat(struct.record, layout, scope), scope, convert)
    return [*columns.write(), "", "", *columns.read(recursive=recursive)]


class _Columns:
    """The columns of a list of a struct."""

    def __init__(
        self, struct: Struct, record: RecordFormat, scope: Scope, convert: Conversions
    ) -> None:
        self._struct = struct
        self._record = record
        self._scope = scope
        self._convert = convert
        self._entry = struct.kind == "entry"
        if self._entry:
            self._values = {"key": "_key", "value": "_value"}
        else:
            self._values = taken_from(struct, "_v")

    # ------------------------------------------------------------------------------- writing

    def write(self) -> Iterator[str]:
        scope, record = self._scope, self._record
        writer, rows = scope.runtime("Writer"), scope.runtime("WriteRows")
        if self._entry:
            pair = _class(self._struct, scope, self._convert, taken=True).partition("[")[2]
            kind = f"{scope.standard('collections.abc.Mapping')}[{pair}"
        else:
            item = _class(self._struct, scope, self._convert, taken=True)
            kind = f"{scope.standard('collections.abc.Collection')}[{item}]"
        name = self._name("write")
        sizes = f"{record.data_words}, {record.pointer_count}"
        length = f"{scope.builtin('len')}(_values)"
        items = "_values.items()" if self._entry else "_values"
        fixed = scope.generated(self._struct.key, "_fixed_{}")
        yield f"def {name}(_w: {writer}, _at: int, _values: {kind}) -> int:"
        yield f"    if {length} < {scope.runtime('FEW')}:"
        yield f"        return {scope.runtime('write_few')}(_w, _at, {items}, {fixed}, {sizes})"
        yield f"    _rows = {rows}(_w, {length}, {sizes}, *_w.structs(_at, {length}, {sizes}))"
        if self._struct.kind == "tuple":
            yield "    for _v in _values:"
            yield f"        {scope.runtime('check_tuple')}(_v, {len(self._struct.fields)})"
        for number in record.numbers:
            yield f"    _rows.numbers({self._place(number)}, {self._number_column(number)})"
        for index, slot in sorted(record.pointers.items()):
            field = next(field for field in self._struct.fields if field.slot is slot)
            yield f"    _rows.{self._pointer_column(index, field)}"
        yield "    return _rows.finish()"

    def _number_column(self, number: Number) -> str:
        used = [
            field
            for field in self._struct.fields
            if any(self._is_part(slot, number) for slot in (field.slot, field.flag) if slot)
        ]
        slots = packed(self._struct.fields, self._values, self._record, "_at", self._convert)
        return self._column(self._record.encoded(number, slots), used)

    def _is_part(self, slot: object, number: Number) -> bool:
        return number.slot is slot or any(bit is slot for _, bit in number.bits)

    def _pointer_column(self, index: int, field: Field) -> str:
        value = self._values[field.name]
        while not field.optional and isinstance(field.type, CONVERTED):
            value = self._convert.built(field.type, value)
            field = replace(field, type=field.type.wire)
        if not field.optional and isinstance(field.type, TextType):
            return f"texts({index}, {self._column(value, [field])})"
        if not field.optional and isinstance(field.type, DataType):
            return f"datas({index}, {self._column(value, [field])})"
        word = packed_pointer(field, "_at", value, self._convert)
        variables, values = self._loop([field])
        zipped = self._scope.builtin("zip")
        places = f"{zipped}(_rows.places({index}), {values}, strict=True)"
        return f"pointers({index}, [{word} for _at, {variables} in {places}])"

    def _column(self, value: str, used: list[Field]) -> str:
        variables, values = self._loop(used)
        return values if value == variables else f"[{value} for {variables} in {values}]"

    def _loop(self, used: list[Field]) -> tuple[str, str]:
        """The loop variables, and what to loop over, for values of some fields."""
        if not self._entry:
            return "_v", "_values"
        names = [field.name for field in used]
        if names == ["key"]:
            return "_key", "_values"
        if names == ["value"]:
            return "_value", "_values.values()"
        return "_key, _value", "_values.items()"

    # ------------------------------------------------------------------------------- reading

    def read(self, *, recursive: bool) -> Iterator[str]:
        scope, convert = self._scope, self._convert
        message, rows = scope.runtime("Message"), scope.runtime("ReadRows")
        columns = ", ".join([self._read_column(field) for field in self._struct.fields])
        load = scope.generated(self._struct.key, "_load_{}")
        few = f"_rows.each({load})"
        if self._entry:
            pair = _class(self._struct, scope, convert, taken=False).partition("[")[2]
            kind = f"{scope.builtin('dict')}[{pair}"
            few = f"{scope.builtin('dict')}({few})"
            many = f"{scope.builtin('dict')}({scope.builtin('zip')}({columns}, strict=True))"
        else:
            made = _class(self._struct, scope, convert, taken=False)
            kind = f"{scope.builtin('list')}[{made}]"
            many = self._many(columns)
        name = self._name("read")
        yield f"def {name}(_m: {message}, _at: int, _lo: int, _hi: int) -> {kind}:"
        yield f"    _rows = {rows}(_m, *_m.structs(_at, _lo, _hi))"
        if columns and not any(field.missing for field in self._struct.fields):
            yield f"    if _rows.count < {scope.runtime('FEW')}:"
            yield f"        return {few}"
            yield from returned(many, recursive=recursive)
        else:
            yield f"    return {few}"

    def _many(self, columns: str) -> str:
        """The expression for the list, made of its columns."""
        scope, fields = self._scope, self._struct.fields
        if self._struct.kind == "tuple":
            rows = f"{scope.builtin('zip')}({columns}, strict=True)"
            return f"{scope.builtin('list')}({rows})"
        item = scope.declared(self._struct.cls)
        if not any(field.keyword for field in fields):
            return f"{scope.builtin('list')}({scope.builtin('map')}({item}, {columns}))"
        names = [f"v_{field.slot.name}" for field in fields]
        made = f"{item}({passed(fields, names)})"
        if len(names) == 1:
            return f"[{made} for {names[0]} in {columns}]"
        rows = f"{scope.builtin('zip')}({columns}, strict=True)"
        return f"[{made} for {', '.join(names)} in {rows}]"

    def _read_column(self, field: Field) -> str:
        """The expression for all values of a field."""
        slot, flag = field.slot, field.flag
        if isinstance(field.type, CONVERTED) and not field.optional:
            values = self._read_column(replace(field, type=field.type.wire))
            return self._convert.read_each(field.type, values, self._record.place(field))
        if isinstance(field.type, VoidType):
            return "[None] * _rows.count"
        pointer: Pointer | None
        if slot_is_pointer(slot):
            index = next(i for i, each in self._record.pointers.items() if each is slot)
            if not field.optional and isinstance(field.type, TextType):
                return f"_rows.texts({index})"
            if not field.optional and isinstance(field.type, DataType):
                return f"_rows.datas({index})"
            pointer = ("_at", "_lo", "_hi")
            variables, source = ", ".join(pointer), f"_rows.pointers({index})"
        else:
            pointer = None
            number = self._record.source(slot)
            variables, source = number.name, f"_rows.numbers({self._place(number)})"
        value = unpacked(field, self._record, pointer, self._convert)
        if flag is not None:
            bits = self._record.source(flag)
            if bits.name != variables:
                source = (
                    f"{self._scope.builtin('zip')}({source}, _rows.numbers({self._place(bits)}), "
                    "strict=True)"
                )
                pair = f"({variables})" if "," in variables else variables
                variables = f"{pair}, {bits.name}"
        return source if value == variables else f"[{value} for {variables} in {source}]"

    def _place(self, number: Number) -> str:
        return f'"{number.code}", {number.index}'

    def _name(self, action: str) -> str:
        kind = "dict" if self._entry else "list"
        return self._scope.local(self._struct.key, f"_{action}_{kind}_{{}}")
