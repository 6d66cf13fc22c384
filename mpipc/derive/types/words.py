"""Types as parts of names that are made up."""

from __future__ import annotations

from zlib import crc32

from mpipc.model import (
    CheckedType,
    DataType,
    EnumType,
    HookedType,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    OptionalType,
    ParameterType,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    UnionType,
    ViewType,
    VoidType,
)


def word(type: Type) -> str:
    """A type's part in a name: different for different types."""
    match type:
        case VoidType():
            return "Void"
        case Primitive(name):
            return name
        case TextType():
            return "Text"
        case DataType():
            return "Data"
        case ViewType(element):
            return (element.name if element else "") + "View"
        case TimedeltaType():
            return "Timedelta"
        case ListType(element, container):
            return word(element) + container.capitalize()
        case MapType(_, _, entry):
            return entry.name.removesuffix("Entry") + "Dict"
        case EnumType(key, wire, declared=declared):
            return key.name + ("" if declared or wire.name == "Int32" else wire.name)
        case StructType(key) | UnionType(key) | InterfaceType(key):
            return key.name
        case ParameterType(name):
            return name
        case LiteralType(wire=wire) | CheckedType(wire=wire):
            # A number that differs for different constraints.
            return f"{word(wire)}Some{crc32(repr(type).encode()):X}"
        case OptionalType(inner):
            return f"Optional{word(inner)}"
        case TupleType(key=key):
            return key.name
        case HookedType(name=name):
            return "".join(filter(str.isalnum, name.title() if name.islower() else name))
