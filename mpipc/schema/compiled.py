"""Schema files as the official compiler understands them, for whoever compares them.

The compiler ends the whole process when a schema does not compile. Files that somebody may have
edited are therefore compiled in a process of their own, which says what it found in JSON.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from mpipc.errors import SchemaError
from mpipc.schema.ids import child_id
from mpipc.schema.paths import INCLUDE

_PROXY = 0xCC316E3F71A040FB
_EXCEPTION = child_id(_PROXY, "exception")
CONTEXT = child_id(_PROXY, "Context")
"""The id of the type of `context :Proxy.Context`."""

_NO_UNION = 0xFFFF
_PRIMITIVES = {
    "void": "Void", "bool": "Bool", "float32": "Float32", "float64": "Float64",
    **{f"int{n}": f"Int{n}" for n in (8, 16, 32, 64)},
    **{f"uint{n}": f"UInt{n}" for n in (8, 16, 32, 64)},
}  # fmt: skip
_POINTERS = {"text": "Text", "data": "Data", "anyPointer": "AnyPointer"}


class Type(msgspec.Struct, frozen=True):
    """A type by its name; `kind` is "primitive", "pointer", "list", "struct", "interface" or
    "enum", `id` that of a declared type. `arguments`: a list's element, a generic's bindings,
    whose names are not known."""

    name: str
    kind: str
    id: int = 0
    arguments: tuple[Type, ...] = ()

    def __str__(self) -> str:
        inside = ", ".join(map(str, self.arguments))
        name = self.name or f"{self.id:#x}"
        return f"{name}({inside})" if inside else name


class Field(msgspec.Struct, frozen=True):
    """A field, a parameter or a result; one in a group has the group's name before its own.

    `default` is empty where it is zero, or null. `offset` is in multiples of its own size.
    `union`: where in the struct the tag of its union is, and which tag says that it is set.
    """

    name: str
    ordinal: int
    type: Type
    offset: int
    default: str = ""
    union: tuple[int, int] | None = None
    exception: bool = False


class Record(msgspec.Struct, frozen=True):
    """A struct, a parameter list or a result list; fields in order of ordinals."""

    name: str
    id: int
    fields: tuple[Field, ...]


class Method(msgspec.Struct, frozen=True):
    """A method."""

    name: str
    ordinal: int
    params: Record
    results: Record


class Interface(msgspec.Struct, frozen=True):
    """An interface; `bases` are names by id, methods in order of ordinals."""

    name: str
    id: int
    methods: tuple[Method, ...]
    bases: dict[int, str]


class Enum(msgspec.Struct, frozen=True):
    """A Cap'n Proto enum; enumerants in order of ordinals."""

    name: str
    id: int
    enumerants: tuple[str, ...]


class File(msgspec.Struct, frozen=True):
    """A schema file and everything that it declares, nested types included, as `Outer.Inner`."""

    path: str
    id: int
    structs: tuple[Record, ...]
    interfaces: tuple[Interface, ...]
    enums: tuple[Enum, ...]
    constants: dict[str, str] = {}
    """Their values as Python shows them, by name."""


class Sources(msgspec.Struct, frozen=True):
    """Schema files to compile together, and where they find those that they import."""

    paths: tuple[str, ...]
    imports: tuple[str, ...] = ()


def read_compiled(sources: Sequence[Sources]) -> list[tuple[File, ...]]:
    """Compile sets of files, each by itself. Raises SchemaError for what does not compile."""
    run = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import _main; _main()"],
        input=msgspec.json.encode(sources),
        capture_output=True,
    )
    if run.returncode:
        raise SchemaError(_complaint(run.stderr.decode(errors="replace"), sources))
    return msgspec.json.decode(run.stdout, type=list[tuple[File, ...]])


def _complaint(output: str, sources: Sequence[Sources]) -> str:
    """What the compiler says about a file, which it names without the leading slash."""
    found = re.search(r"(\S+\.capnp):([0-9]+): failed: (.*)", output)
    if found is None:
        return f"the schema compiler failed: {output.strip()}"
    paths = [path for each in sources for path in each.paths if path.endswith(f"/{found[1]}")]
    # It counts lines from 0.
    return f"{paths[0] if paths else found[1]}:{int(found[2]) + 1}: {found[3]}"


# -------------------------------------------------------------------------- in the other process


def _main() -> None:
    sources = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Sources])
    sys.stdout.buffer.write(msgspec.json.encode([_compile(each) for each in sources]))


def _compile(sources: Sources) -> list[File]:
    import capnp  # here: the process that asks never loads it

    parser = capnp.SchemaParser()
    imports = [*sources.imports, str(INCLUDE), str(Path(capnp.__file__).parents[1])]
    return [_file(path, parser.load(path, imports=imports)) for path in sources.paths]


def _file(path: str, loaded: Any) -> File:
    node = loaded.schema.node
    schemas = list(_nested(loaded))
    return File(
        path,
        node.id,
        tuple(_record(each) for each in schemas if each.node.which() == "struct"),
        tuple(_interface(each) for each in schemas if each.node.which() == "interface"),
        tuple(_enum(each.node) for each in schemas if each.node.which() == "enum"),
        dict(_constants(loaded)),
    )


def _constants(module: Any) -> Iterator[tuple[str, str]]:
    for each in module.schema.node.nestedNodes:
        value = getattr(module, each.name, None)
        if value is not None and not hasattr(value, "schema"):
            yield each.name, repr(value)


def _nested(module: Any) -> Iterator[Any]:
    """The schemas of all types in a file or a type."""
    for each in module.schema.node.nestedNodes:
        found = getattr(module, each.name, None)
        schema = getattr(found, "schema", None)
        if schema is not None:  # constants and annotations have none
            yield schema
            yield from _nested(found)


def _name(node: Any) -> str:
    return str(node.displayName).rpartition(":")[2]


def _interface(schema: Any) -> Interface:
    methods = tuple(
        Method(name, ordinal, _record(method.param_type), _record(method.result_type))
        for ordinal, (name, method) in enumerate(
            (name, schema.methods[name]) for name in _in_order(schema.node.interface.methods)
        )
    )
    bases = {base.node.id: _name(base.node) for base in schema.superclasses}
    return Interface(_name(schema.node), schema.node.id, methods, bases)


def _in_order(methods: Any) -> list[str]:
    """The compiler keeps methods in order of their ordinals."""
    return [method.name for method in methods]


def _enum(node: Any) -> Enum:
    return Enum(_name(node), node.id, tuple(each.name for each in node.enum.enumerants))


def _record(schema: Any) -> Record:
    fields = sorted(_fields(schema, ""), key=lambda field: field.ordinal)
    return Record(_name(schema.node), schema.node.id, tuple(fields))


def _fields(schema: Any, prefix: str) -> Iterator[Field]:
    struct = schema.node.struct
    for field in struct.fields:
        compiled = schema.fields[field.name]
        if field.which() == "group":
            yield from _fields(compiled.schema, f"{prefix}{field.name}.")
            continue
        tagged = field.discriminantValue != _NO_UNION
        yield Field(
            prefix + field.name,
            field.ordinal.explicit,
            _type(field.slot.type, partial(getattr, compiled, "schema")),
            field.slot.offset,
            _default(field.slot),
            (struct.discriminantOffset, field.discriminantValue) if tagged else None,
            any(each.id == _EXCEPTION for each in field.annotations),
        )


def _type(type: Any, schema: Callable[[], Any] | None = None) -> Type:
    """`schema` gives what pycapnp has for a type that is more than one of the built-in ones; only
    that has its name."""
    which = type.which()
    if which in _PRIMITIVES:
        return Type(_PRIMITIVES[which], "primitive")
    if which in _POINTERS:
        return Type(_POINTERS[which], "pointer")
    found = getattr(type, which)
    if which == "list":
        element = schema and (lambda: schema().elementType)
        return Type("List", "list", 0, (_type(found.elementType, element),))
    bound = tuple(
        _type(each.type)
        for scope in found.brand.scopes
        if scope.which() == "bind"
        for each in scope.bind
        if each.which() == "type"
    )
    return Type(_name(schema().node) if schema else "", which, found.typeId, bound)


def _default(slot: Any) -> str:
    which = slot.defaultValue.which()
    if which in _PRIMITIVES or which in ("text", "enum"):
        value = getattr(slot.defaultValue, which)
        return "" if which == "void" or repr(value) in ("0", "0.0", "False", "''") else repr(value)
    return "(...)" if slot.hadExplicitDefault else ""
