"""Expressions that convert values of each type to the wire and back.

Four questions per type, as functions from expressions to expressions:

    to_number     the number in a slot of the data section
    from_number   the value for it
    to_pointer    the pointer word, having appended the object to the writer `_w`
    from_pointer  the value behind a pointer (at, lo, hi) of the message `_m`
"""

from __future__ import annotations

from mpipc.generate.records import CODES, SIZES
from mpipc.generate.scope import Scope
from mpipc.model import (
    DataType,
    EnumType,
    InterfaceType,
    ListType,
    MapType,
    Primitive,
    StructType,
    TextType,
    TimedeltaType,
    Type,
    TypeName,
)

_ELEMENT = {1: 2, 2: 3, 4: 4, 8: 5}
"""Element size codes of lists of numbers (encoding specification, "Lists")."""


class Conversions:
    """The expressions, within one generated module. `callables` are the interfaces derived from a
    `Callable[...]`, which have no class of their own."""

    def __init__(self, scope: Scope, callables: frozenset[TypeName]) -> None:
        self._scope = scope
        self._callables = callables

    # ------------------------------------------------------------------------------ numbers

    def to_number(self, type: Type, value: str) -> str:
        if isinstance(type, EnumType):
            return f"{value}.value"
        if isinstance(type, TimedeltaType):
            return f"{self._scope.runtime('milliseconds')}({value})"
        return value

    def from_number(self, type: Type, number: str) -> str:
        if isinstance(type, EnumType):
            member = self._scope.runtime("enum_member")
            return f"{member}({self._scope.declared(type.key)}, {number})"
        if isinstance(type, TimedeltaType):
            return f"{self._scope.runtime('duration')}({number})"
        return number

    # ----------------------------------------------------------------------------- pointers

    def to_pointer(self, type: Type, at: str, value: str) -> str:
        scope = self._scope
        match type:
            case TextType():
                return f"_w.text({at}, {value})"
            case DataType():
                return f"_w.data({at}, {value})"
            case StructType(key):
                return f"{scope.generated(key, '_write_{}')}(_w, {at}, {value})"
            case InterfaceType(key):
                local = scope.runtime("Local")
                made = f"_w.cap({local}({value}, {scope.generated(key, '{}Server')}))"
                # A null object is a null capability (WIRE.md, "Objects").
                return f"(0 if {value} is None else {made})"
            case ListType(element):
                return self._to_list(element, at, value)
            case MapType(entry=entry):
                return self._to_structs(StructType(entry), at, f"{value}.items()")
        raise AssertionError(type)

    def from_pointer(self, type: Type, at: str, lo: str, hi: str) -> str:
        """The value; a null pointer is the type's default value, None for an object."""
        scope = self._scope
        match type:
            case TextType():
                return f'(_m.text({at}, {lo}, {hi}) if {hi} else "")'
            case DataType():
                return f'(_m.data({at}, {lo}, {hi}) if {hi} else b"")'
            case StructType(key):
                return f"{scope.generated(key, '_read_{}')}(_m, {at}, {lo}, {hi})"
            case InterfaceType(key):
                return f"_m.owner.proxy(_m.cap({lo}, {hi}), {scope.generated(key, '{}Client')})"
            case ListType(element, container):
                items, is_list = self._from_list(element, at, lo, hi)
                if container == "list":
                    return f"({items if is_list else f'list({items})'} if {hi} else [])"
                return f"({container}({items}) if {hi} else {container}())"
            case MapType(entry=entry):
                items = self._from_structs(StructType(entry), at, lo, hi)
                return f"(dict({items}) if {hi} else {{}})"
        raise AssertionError(type)

    # -------------------------------------------------------------------------------- lists

    def _to_list(self, element: Type, at: str, value: str) -> str:
        scope = self._scope
        match element:
            case Primitive("Bool"):
                return f"_w.bools({at}, {value})"
            case Primitive(name):
                return self._to_array(name, at, value)
            case EnumType(wire=wire):
                return self._to_array(wire.name, at, f"[_e.value for _e in {value}]")
            case TimedeltaType():
                return self._to_array("Float64", at, f"list(map({self._milliseconds()}, {value}))")
            case StructType():
                return self._to_structs(element, at, value)
        write = scope.runtime("write_pointers")
        return f"{write}(_w, {at}, {value}, {self._writer(element)})"

    def _milliseconds(self) -> str:
        return self._scope.runtime("milliseconds")

    def _to_array(self, name: str, at: str, value: str) -> str:
        code = CODES[name]
        return f'_w.array({at}, {value}, "{code}", {_ELEMENT[SIZES[code]]})'

    def _to_structs(self, element: StructType, at: str, value: str) -> str:
        write = self._scope.runtime("write_structs")
        fixed = self._scope.generated(element.key, "_fixed_{}")
        size = self._scope.generated(element.key, "_{}_size")
        return f"{write}(_w, {at}, {value}, {fixed}, *{size})"

    def _from_list(self, element: Type, at: str, lo: str, hi: str) -> tuple[str, bool]:
        """The expression for the items, and whether it is a list already."""
        scope = self._scope
        match element:
            case Primitive("Bool"):
                return f"_m.bools({at}, {lo}, {hi})", True
            case Primitive(name):
                return self._from_array(name, at, lo, hi), False
            case EnumType(wire=wire):
                array = self._from_array(wire.name, at, lo, hi)
                return f"[{self.from_number(element, '_e')} for _e in {array}]", True
            case TimedeltaType():
                array = self._from_array("Float64", at, lo, hi)
                return f"[{self.from_number(element, '_e')} for _e in {array}]", True
            case StructType():
                return self._from_structs(element, at, lo, hi), True
        read = scope.runtime("read_pointers")
        return f"{read}(_m, {at}, {lo}, {hi}, {self._reader(element)})", True

    def _from_array(self, name: str, at: str, lo: str, hi: str) -> str:
        code = CODES[name]
        return f'_m.array({at}, {lo}, {hi}, "{code}", {_ELEMENT[SIZES[code]]})'

    def _from_structs(self, element: StructType, at: str, lo: str, hi: str) -> str:
        read = self._scope.runtime("read_structs")
        load = self._scope.generated(element.key, "_load_{}")
        return f"{read}(_m, {at}, {lo}, {hi}, {load})"

    def _writer(self, element: Type) -> str:
        """A function (writer, word, value) -> pointer word."""
        match element:
            case TextType():
                return self._scope.runtime("write_text")
            case DataType():
                return self._scope.runtime("write_data")
        return f"lambda _w, _at, _v: {self.to_pointer(element, '_at', '_v')}"

    def _reader(self, element: Type) -> str:
        """A function (message, at, lo, hi) -> value."""
        match element:
            case TextType():
                return self._scope.runtime("read_text")
            case DataType():
                return self._scope.runtime("read_data")
        return f"lambda _m, _at, _lo, _hi: {self.from_pointer(element, '_at', '_lo', '_hi')}"

    # -------------------------------------------------------------------------- annotations

    def annotation(self, type: Type, *, taken: bool) -> str:
        """The Python type, as a parameter takes it or as a result gives it."""
        scope = self._scope
        match type:
            case Primitive("Bool"):
                return "bool"
            case Primitive("Float32" | "Float64"):
                return "float"
            case Primitive():
                return "int"
            case TextType():
                return "str"
            case DataType():
                return "bytes"
            case TimedeltaType():
                return scope.standard("datetime.timedelta")
            case EnumType(key) | StructType(key):
                return scope.declared(key)
            case InterfaceType(key):
                return self._object(key)
            case ListType(element, container):
                inner = self.annotation(element, taken=taken)
                if container == "tuple":
                    return f"tuple[{inner}, ...]"
                if container == "list" and taken:
                    return f"{scope.standard('collections.abc.Sequence')}[{inner}]"
                return f"{container}[{inner}]"
            case MapType(key, value):
                pair = f"{self.annotation(key, taken=taken)}, {self.annotation(value, taken=taken)}"
                if taken:
                    return f"{scope.standard('collections.abc.Mapping')}[{pair}]"
                return f"dict[{pair}]"
        raise AssertionError(type)

    def _object(self, key: TypeName) -> str:
        if key in self._callables:
            call = self._scope.standard("collections.abc.Callable")
            return f"{call}[..., {self._scope.standard('typing.Any')}]"
        return self._scope.declared(key)

    def schema_name(self, type: Type) -> str:
        """The type's name in error messages."""
        match type:
            case Primitive(name):
                return name
            case TextType():
                return "Text"
            case DataType():
                return "Data"
            case ListType(element):
                return f"List({self.schema_name(element)})"
            case MapType():
                return "dict"
            case TimedeltaType():
                return "timedelta"
            case StructType(key) | InterfaceType(key) | EnumType(key):
                return key.name
        raise AssertionError(type)
