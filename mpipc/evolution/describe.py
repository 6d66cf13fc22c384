"""What a package declares, as a tree for people and for programs.

interfaces.echo
  Echo
    @0 destroy()
    @1 echo(echo: str) -> str
"""

from __future__ import annotations

import ast
import enum
import inspect
from collections.abc import Iterable, Iterator

import msgspec

from mpipc.derive.defaults import field_default
from mpipc.derive.lock import former_name
from mpipc.generate.clients import defaults
from mpipc.model import (
    MADE_UP,
    CheckedType,
    DataType,
    Enumeration,
    EnumType,
    Field,
    HookedType,
    Interface,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Method,
    Module,
    OptionalType,
    ParameterType,
    Primitive,
    Reserved,
    Struct,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    UnionType,
    ViewType,
    VoidType,
)


class Value(msgspec.Struct, frozen=True):
    """A field, a parameter or a result. `default`: what the sender's side fills in where it is left
    out, as Python has it; `...` for what is made anew each time."""

    name: str
    schema_name: str
    ordinal: int
    type: str
    optional: bool
    group: bool = False
    default: str | None = None


class Removed(msgspec.Struct, frozen=True):
    """The place of something that is gone."""

    former_name: str
    ordinal: int


class DescribedMethod(msgspec.Struct, frozen=True):
    name: str
    schema_name: str
    ordinal: int
    parameters: tuple[Value, ...]
    results: tuple[Value, ...]
    raises: tuple[str, ...]
    context: bool
    kind: str
    deprecated: str
    doc: str
    getter: bool
    is_async: bool


class DescribedInterface(msgspec.Struct, frozen=True):
    name: str
    schema_name: str
    bases: tuple[str, ...]
    root: bool
    callback: bool
    methods: tuple[DescribedMethod, ...]
    removed: tuple[Removed, ...]
    doc: str


class DescribedStruct(msgspec.Struct, frozen=True):
    name: str
    schema_name: str
    fields: tuple[Value, ...]
    removed: tuple[Removed, ...]
    doc: str
    union: bool = False


class Member(msgspec.Struct, frozen=True):
    """A member of an enum of the schema."""

    name: str
    ordinal: int


class DescribedEnum(msgspec.Struct, frozen=True):
    name: str
    schema_name: str
    members: tuple[Member, ...]
    doc: str


class DescribedModule(msgspec.Struct, frozen=True):
    name: str
    file_id: str
    interfaces: tuple[DescribedInterface, ...]
    structs: tuple[DescribedStruct, ...]
    enums: tuple[DescribedEnum, ...]


def describe(module: Module) -> DescribedModule:
    """What an interface module declares; what is made up for dicts, tuples and iterators is left
    out, for these are described by the types in them."""
    return DescribedModule(
        module.name,
        f"{module.id:#x}",
        tuple(_interface(each) for each in module.interfaces if each.stream is None),
        tuple(_struct(each) for each in module.structs if each.kind not in MADE_UP),
        tuple(_enum(each) for each in module.enums if each.name),
    )


def _enum(declared: Enumeration) -> DescribedEnum:
    members = tuple(Member(name, ordinal) for name, ordinal in declared.members)
    return DescribedEnum(declared.key.name, declared.name, members, declared.doc)


def _interface(interface: Interface) -> DescribedInterface:
    return DescribedInterface(
        interface.key.name,
        interface.name,
        tuple(base.name for base in interface.bases),
        interface.root,
        interface.callable,
        tuple(_method(interface, each) for each in interface.methods),
        _removed(interface.reserved),
        interface.doc,
    )


def _method(interface: Interface, method: Method) -> DescribedMethod:
    given = defaults(interface, method)
    return DescribedMethod(
        method.name,
        method.schema_name,
        method.ordinal,
        tuple(_value(each, given.get(each.name, _NONE)) for each in method.parameters),
        tuple(map(_value, method.result_fields)),
        tuple(each.key.name for each in method.raises),
        method.context,
        method.kind,
        method.deprecated,
        method.doc,
        method.getter,
        method.is_async,
    )


def _struct(struct: Struct) -> DescribedStruct:
    made = struct.kind == "union"  # of one of its fields, so none is left out
    fields = tuple(
        _value(each, _NONE if made else field_default(struct, each)) for each in struct.fields
    )
    gone = _removed(struct.record.reserved)
    return DescribedStruct(struct.key.name, struct.name, fields, gone, struct.doc, made)


_NONE = inspect.Parameter.empty


def _value(field: Field, default: object = _NONE) -> Value:
    type = type_name(field.type) + (" | None" if field.optional else "")
    ordinal, group = field.slot.ordinal, bool(field.group)
    shown = None if default is _NONE else "..." if field.secret else _written(default)
    return Value(field.name, field.slot.name, ordinal, type, field.optional, group, shown)


def _written(default: object) -> str:
    """A default as somebody writes it, `...` where that takes more than an expression."""
    shown = repr(default)
    if shown == "NOTHING":  # a factory's, with attrs
        return "..."
    if isinstance(default, enum.Enum):
        named = default.name in type(default).__members__
        shown = f"{type(default).__name__}{f'.{default.name}' if named else f'({default.value!r})'}"
    return shown if _is_expression(shown) else "..."


def _is_expression(text: str) -> bool:
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _removed(reserved: tuple[Reserved, ...]) -> tuple[Removed, ...]:
    return tuple(Removed(former_name(each.name) or each.name, each.ordinal) for each in reserved)


def type_name(type: Type) -> str:
    """A type as somebody writes it in an annotation."""
    match type:
        case VoidType():
            return "Void"
        case Primitive("Bool"):
            return "bool"
        case Primitive("Int64"):
            return "int"
        case Primitive("Float64"):
            return "float"
        case Primitive(name):
            return name
        case TextType():
            return "str"
        case DataType():
            return "bytes"
        case ViewType(element):
            return f"Annotated[memoryview, {element.name}]" if element else "memoryview"
        case TimedeltaType():
            return "timedelta"
        case ListType(element, "tuple"):
            return f"tuple[{type_name(element)}, ...]"
        case ListType(element, container):
            return f"{container}[{type_name(element)}]"
        case MapType(key, value):
            return f"dict[{type_name(key)}, {type_name(value)}]"
        case OptionalType(inner):
            return f"{type_name(inner)} | None"
        case TupleType(items):
            return f"tuple[{', '.join(map(type_name, items))}]"
        case HookedType(name=name):
            return name
        case LiteralType(values=values, cls=cls):
            shown = [f"{cls.name}.{value!s}" if cls else repr(value) for value in values]
            return f"Literal[{', '.join(shown)}]"
        case CheckedType(wire, constraints):
            return f"{type_name(wire)} ({', '.join(text for _, text in constraints.given())})"
        case InterfaceType(_, stream) if stream is not None:
            return f"{'Async' if type.is_async else ''}Iterator[{type_name(stream)}]"
        case StructType(name=name) if name:
            return name
        case StructType(key) | UnionType(key) | InterfaceType(key) | EnumType(key):
            return key.name
        case ParameterType(name):
            return name


# ----------------------------------------------------------------------------------------- people


def as_tree(module: DescribedModule) -> Iterator[str]:
    """The lines of the tree of a module."""
    yield module.name
    for interface in module.interfaces:
        extends = f"({', '.join(interface.bases)})" if interface.bases else ""
        marks = ["root"] * interface.root + ["callback"] * interface.callback
        yield _with_doc(f"  {interface.name}{extends}", marks, interface.doc)
        rows = [(each.ordinal, _signature(each)) for each in interface.methods]
        rows += [(each.ordinal, f"(removed: {each.former_name})") for each in interface.removed]
        yield from _numbered(rows)
    for struct in module.structs:
        yield _with_doc(f"  {struct.name}", ["union" if struct.union else "struct"], struct.doc)
        rows = [
            (each.ordinal, f"{_declared(each)}{' [group]' * each.group}") for each in struct.fields
        ]
        rows += [(each.ordinal, f"(removed: {each.former_name})") for each in struct.removed]
        yield from _numbered(rows)
    for declared in module.enums:
        yield _with_doc(f"  {declared.name}", ["enum"], declared.doc)
        yield from _numbered([(each.ordinal, each.name) for each in declared.members])


def _numbered(rows: list[tuple[int, str]]) -> Iterator[str]:
    return (f"    @{ordinal} {text}" for ordinal, text in sorted(rows))


def _with_doc(head: str, marks: list[str], doc: str) -> str:
    marked = f"{head} [{', '.join(marks)}]" if marks else head
    return f"{marked}  {doc.splitlines()[0]}" if doc else marked


def _signature(method: DescribedMethod) -> str:
    text = method.name if method.getter else f"{method.name}({_listed(method.parameters)})"
    if method.is_async:
        text = f"async {text}"
    if [each.name for each in method.results] == ["result"]:
        text += f" -> {method.results[0].type}"
    elif method.results:
        text += f" -> ({_listed(method.results)})"
    if method.raises:
        text += f" raises {', '.join(method.raises)}"
    if not method.context and method.kind == "method":
        text += " [no context]"
    if method.deprecated:
        text += f" [deprecated: {method.deprecated}]"
    return text


def _listed(values: Iterable[Value]) -> str:
    return ", ".join(map(_declared, values))


def _declared(value: Value) -> str:
    given = "" if value.default is None else f" = {value.default}"
    return f"{value.name}: {value.type}{given}"
