"""The functions that write and read one struct.

_Block_size            its data words and pointers
_fixed_Block           the fixed part, to be put at a word; appends what its pointers lead to
_write_Block           append the whole struct; gives the pointer word
_load_Block            read one whose position and sizes are known
_read_Block            read the one behind a pointer
"""

from __future__ import annotations

import inspect

from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import call, packed, tuple_lines, unpack_lines
from mpipc.generate.names import identifier
from mpipc.generate.records import RecordFormat
from mpipc.generate.scope import Scope, python_object
from mpipc.model import Field, RecordLayout, Struct


def struct_lines(
    struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions, *, recursive: bool
) -> list[str]:
    """The source of a struct's functions. `recursive`: it can contain itself."""
    name = identifier(struct.key)
    record = RecordFormat(struct.record, layout, scope)
    entry = struct.kind == "entry"
    kind = (
        f"tuple[{', '.join(convert.annotation(f.type, taken=True) for f in struct.fields)}]"
        if entry
        else scope.declared(struct.key)
    )
    if entry:
        values = {field.name: f"_v[{index}]" for index, field in enumerate(struct.fields)}
    else:
        values = {field.name: f"_v.{field.name}" for field in struct.fields}
    slots = packed(struct.fields, values, record, "_at", convert)
    writer, message = scope.runtime("Writer"), scope.runtime("Message")
    structure = scope.runtime("Struct")
    lines = [
        f"_{name}_size = ({record.data_words}, {record.pointers})",
        f'_{name}_out = {structure}("{record.write_format}")',
        f'_{name}_in = {structure}("{record.read_format}")',
        *_fields_constant(name, struct, convert),
        "",
        "",
        f"def _fixed_{name}(_w: {writer}, _at: int, _v: {kind}) -> bytes:",
        "    try:",
        *call(f"return _{name}_out.pack", record.arguments(slots), " " * 8),
        f"    except {scope.runtime('MISFITS')} as e:",
        *_blame(name, struct, scope),
        "",
        "",
        f"def _write_{name}(_w: {writer}, _at: int, _v: {kind}) -> int:",
        f"    base, part, pointer = _w.struct(_at, *_{name}_size)",
        f"    _w.parts[part] = _fixed_{name}(_w, base, _v)",
        "    return pointer",
        "",
        "",
    ]
    load = f"_load_{name}"
    result = kind if not entry else kind.replace("Sequence[", "list[").replace("Mapping[", "dict[")
    if recursive:
        lines += [
            f"def {load}(_m: {message}, _at: int, _d: int, _p: int) -> {result}:",
            f"    found: {result} = _m.nested({load}_inside, _at, _d, _p)",
            "    return found",
            "",
            "",
        ]
        load = f"{load}_inside"
    unpack, read = unpack_lines(struct.fields, record, f"_{name}_in", convert)
    lines += [
        f"def {load}(_m: {message}, _at: int, _d: int, _p: int) -> {result}:",
        *(f"    {line}" for line in unpack),
        *_construct(struct, kind, read),
        "",
        "",
        f"def _read_{name}(_m: {message}, _at: int, _lo: int, _hi: int) -> {result}:",
        f"    return _load_{name}(_m, *_m.struct(_at, _lo, _hi))",
    ]
    return lines


def _fields_constant(name: str, struct: Struct, convert: Conversions) -> list[str]:
    if struct.kind == "entry":
        return []
    pairs = [f'("{f.name}", "{blamed_type(f, convert)}")' for f in struct.fields]
    return tuple_lines(f"_{name}_fields", pairs, "")


def blamed_type(field: Field, convert: Conversions) -> str:
    """A field's type as `misfit` takes it."""
    return convert.schema_name(field.type) + ("?" if field.optional else "")


def _blame(name: str, struct: Struct, scope: Scope) -> list[str]:
    if struct.kind == "entry":
        key, value = struct.fields
        convert = Conversions(scope, frozenset())
        pairs = [
            f'("{f.name}", "{blamed_type(f, convert)}", _v[{i}])'
            for i, f in enumerate((key, value))
        ]
        misfit = scope.runtime("misfit")
        return [f'        raise {misfit}(e, "dict", [{", ".join(pairs)}]) from None']
    misfit = scope.runtime("struct_misfit")
    return [f'        raise {misfit}(e, "{struct.name}", _{name}_fields, _v) from None']


def _construct(struct: Struct, kind: str, values: list[str]) -> list[str]:
    if struct.kind == "entry":
        return call("return ", values, "    ")
    names = [field.name for field in struct.fields]
    if not _positional(struct, names):
        values = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
    return call(f"return {kind}", values, "    ")


def _positional(struct: Struct, names: list[str]) -> bool:
    """Whether the class takes exactly these fields, in this order, by position."""
    parameters = inspect.signature(python_object(struct.key)).parameters.values()
    return [p.name for p in parameters] == names and all(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters
    )
