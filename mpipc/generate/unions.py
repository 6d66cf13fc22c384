"""The functions that write and read a union: as those of a struct, with a branch for each
alternative."""

from __future__ import annotations

from collections.abc import Iterator

from mpipc.generate.conversions import Conversions
from mpipc.generate.fields import packed, unpack_lines
from mpipc.generate.names import identifier
from mpipc.generate.records import RecordFormat
from mpipc.generate.scope import Scope
from mpipc.generate.structs import returned
from mpipc.model import (
    CheckedType,
    DataType,
    EnumType,
    HookedType,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Module,
    Primitive,
    Record,
    RecordLayout,
    Slot,
    Struct,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    UnionType,
    ViewType,
    VoidType,
    python_object,
)

_TAG = Slot("tag", 0, Primitive("UInt16"))
_WRITTEN_TAG = Slot("$tag", 0, Primitive("UInt16"))  # no member has this name


def union_lines(
    struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions, *, recursive: bool
) -> list[str]:
    """The source of a union's functions. `recursive`: it can contain itself."""
    return [*_Union(struct, layout, scope, convert).lines(recursive=recursive)]


class _Union:
    def __init__(
        self, struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions
    ) -> None:
        self._struct = struct
        self._name = identifier(struct.key)
        self._layout = layout
        self._scope = scope
        self._convert = convert
        self._tag = self._format(_TAG)
        self._written = [self._format(_WRITTEN_TAG, field.slot) for field in struct.fields]
        self._read = [self._format(field.slot) for field in struct.fields]

    def _format(self, *slots: Slot) -> RecordFormat:
        """The format of the whole struct, with only some of its fields."""
        layout = self._layout
        offsets = {_TAG.name: layout.tag, _WRITTEN_TAG.name: layout.tag} | {
            field.slot.name: layout.offsets[field.slot.name] for field in self._struct.fields
        }
        some = RecordLayout(layout.id, layout.data_words, layout.pointers, offsets)
        return RecordFormat(Record(self._struct.record.path, slots), some, self._scope)

    def lines(self, *, recursive: bool) -> Iterator[str]:
        scope, convert, name = self._scope, self._convert, self._name
        structure = scope.runtime("Struct")
        yield f'_in_{name} = {structure}("{self._tag.read_format}")'
        for field, written, read in zip(
            self._struct.fields, self._written, self._read, strict=True
        ):
            member = f"{name}_{field.slot.name}"
            yield f'_out_{member} = {structure}("{written.write_format}")'
            if read.targets():
                yield f'_in_{member} = {structure}("{read.read_format}")'
        described = ", ".join(convert.described(field.type) for field in self._struct.fields)
        union = convert.described(UnionType(self._struct.key))
        yield f"{scope.runtime('describe_union')}({union}, {described})"
        yield from ("", "")
        yield from self._writing()
        yield from ("", "")
        yield from self._reading(recursive=recursive)

    # ------------------------------------------------------------------------------- writing

    def _writing(self) -> Iterator[str]:
        scope, name, layout = self._scope, self._name, self._layout
        union = self._convert.annotation(UnionType(self._struct.key), taken=True)
        taken = f"_w: {scope.runtime('Writer')}, _at: int, _v: {union}"
        yield f"def _fixed_{name}({taken}) -> {scope.builtin('bytes')}:"
        pairs = zip(self._struct.fields, self._written, strict=True)
        for field, written in sorted(pairs, key=lambda pair: self._precedence(pair[0].type)):
            value = f"{scope.builtin('bytes')}(_v)" if field.type == DataType() else "_v"
            slots = packed([field], {field.name: value}, written, "_at", self._convert)
            slots[_WRITTEN_TAG.name] = str(layout.tags[field.slot.name])
            yield f"    if {self._test(field.type)}:"
            packing = f"_out_{name}_{field.slot.name}.pack({', '.join(written.arguments(slots))})"
            yield f"        return {packing}"
        yield f'    raise {scope.runtime("unexpected")}("{self._struct.name}", _v)'
        yield from ("", "")
        yield f"def _write_{name}({taken}) -> {scope.builtin('int')}:"
        yield f"    _at, _part, _pointer = _w.struct(_at, {layout.data_words}, {layout.pointers})"
        yield f"    _w.parts[_part] = _fixed_{name}(_w, _at, _v)"
        yield "    return _pointer"

    def _precedence(self, type: Type) -> int:
        """A class is tested before its bases; a float can be an int, anything can be callable."""
        match type:
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                return self._precedence(wire)
            case InterfaceType(key) if self._convert.is_callable(key):
                return 1
            case StructType() | EnumType() | InterfaceType() | HookedType():
                return -len(python_object(self._convert.python_class(type)).__mro__)
            case Primitive("Bool"):
                return -len(bool.__mro__)
            case Primitive("Float32" | "Float64"):
                return 0
        return -len(int.__mro__)

    def _test(self, type: Type) -> str:
        """The expression for whether `_v` is of a type."""
        scope = self._scope
        if isinstance(type, VoidType):
            return "_v is None"
        if isinstance(type, InterfaceType) and self._convert.is_callable(type.key):
            return f"{scope.builtin('callable')}(_v)"
        return f"{scope.builtin('isinstance')}(_v, {self._class(type)})"

    def _class(self, type: Type) -> str:
        scope = self._scope
        match type:
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                return self._class(wire)
            case Primitive("Bool"):
                return scope.builtin("bool")
            case Primitive("Float32" | "Float64"):
                return f"{scope.builtin('float')} | {scope.builtin('int')}"
            case Primitive():
                return scope.builtin("int")
            case TextType():
                return scope.builtin("str")
            case TimedeltaType():
                return scope.standard("datetime.timedelta")
            case ViewType():
                return scope.builtin("memoryview")
            case TupleType():
                return scope.builtin("tuple")
            case ListType(_, container):
                return scope.builtin(container)
            case MapType():
                return scope.standard("collections.abc.Mapping")
            case StructType() | EnumType() | InterfaceType() | HookedType():
                cls = self._convert.python_class(type)
                is_dict = issubclass(python_object(cls), dict)
                return scope.builtin("dict") if is_dict else scope.declared(cls)
        names = ("bytes", "bytearray", "memoryview")
        return " | ".join(scope.builtin(name) for name in names)

    # ------------------------------------------------------------------------------- reading

    def _reading(self, *, recursive: bool) -> Iterator[str]:
        scope, name = self._scope, self._name
        message = scope.runtime("Message")
        union = self._convert.annotation(UnionType(self._struct.key), taken=False)
        yield f"def _load_{name}(_m: {message}, _at: int, _d: int, _p: int) -> {union}:"
        if recursive:
            yield f"    _result: {union}"
        lines, _ = unpack_lines((), self._tag, f"_in_{name}", self._convert)
        yield from (f"    {line}" for line in lines)
        for field, read in zip(self._struct.fields, self._read, strict=True):
            layout = f"_in_{name}_{field.slot.name}"
            yield f"    if v_tag == {self._layout.tags[field.slot.name]}:"
            if isinstance(field.type, VoidType):
                yield "        return None"
                continue
            lines, (value,) = unpack_lines([field], read, layout, self._convert)
            if isinstance(field.type, Primitive):
                # What `struct` returns has no type of its own.
                number = read.source(field.slot)
                kind = "float" if number.code in "fd" else "int"
                yield f"        {number.name}: {scope.builtin(kind)}"
            yield from (f"        {line}" for line in lines)
            yield from (f"    {line}" for line in returned(value, recursive=recursive))
        unknown = scope.runtime("unknown_alternative")
        yield f'    raise {unknown}("{self._struct.name}", v_tag)'
        yield from ("", "")
        yield f"def _read_{name}(_m: {message}, _at: int, _lo: int, _hi: int) -> {union}:"
        yield f"    return _load_{name}(_m, *_m.struct(_at, _lo, _hi))"


def row_list_lines(
    struct: Struct, layout: RecordLayout, scope: Scope, convert: Conversions
) -> list[str]:
    """The source of the functions that write and read a list of a union, or of another struct that
    has no columns, row by row."""
    union = UnionType(struct.key) if struct.kind == "union" else StructType(struct.key)
    collection = scope.standard("collections.abc.Collection")
    taken = f"{collection}[{convert.annotation(union, taken=True)}]"
    write, read = (scope.local(struct.key, f"_{each}_list_{{}}") for each in ("write", "read"))
    fixed, load = (scope.generated(struct.key, f"_{each}_{{}}") for each in ("fixed", "load"))
    sizes = f"{layout.data_words}, {layout.pointers}"
    given = f"{scope.builtin('list')}[{convert.annotation(union, taken=False)}]"
    message, few = scope.runtime("Message"), scope.runtime("write_few")
    return [
        f"def {write}(_w: {scope.runtime('Writer')}, _at: int, _values: {taken}) -> int:",
        f"    return {few}(_w, _at, _values, {fixed}, {sizes})",
        "",
        "",
        f"def {read}(_m: {message}, _at: int, _lo: int, _hi: int) -> {given}:",
        f"    return {scope.runtime('ReadRows')}(_m, *_m.structs(_at, _lo, _hi)).each({load})",
    ]


def union_aliases(module: Module, scope: Scope, convert: Conversions) -> Iterator[list[str]]:
    """The source of the aliases that annotations use for unions."""
    structs = [struct for struct in module.structs if not struct.is_template]
    unions = [struct.key for struct in structs if struct.kind == "union"]
    aliases: dict[str, str] = {}
    for key in unions:
        for taken in (False, True):
            alias = convert.annotation(UnionType(key), taken=taken)
            aliases.setdefault(alias, convert.alternatives(key, taken=taken))
    if aliases:
        kind = scope.standard("typing.TypeAlias")
        lines = [f"    {alias}: {kind} = {union}" for alias, union in aliases.items()]
        yield [f"if {scope.standard('typing.TYPE_CHECKING')}:", *lines]
