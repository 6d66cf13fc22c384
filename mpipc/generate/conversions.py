"""Expressions that convert values of each type to the wire and back.

Four questions per type, as functions from expressions to expressions:

    to_number     the number in a slot of the data section
    from_number   the value for it
    to_pointer    the pointer word, having appended the object to the writer `_w`
    from_pointer  the value behind a pointer (at, lo, hi) of the message `_m`
"""

from __future__ import annotations

from mpipc.generate.checks import Checks
from mpipc.generate.names import quoted
from mpipc.generate.records import CODES, SIZES
from mpipc.generate.scope import Scope
from mpipc.model import (
    CONVERTED,
    CheckedType,
    DataType,
    EnumType,
    Field,
    Generic,
    HookedType,
    Interface,
    InterfaceType,
    ListType,
    LiteralType,
    MapType,
    Model,
    OptionalType,
    Primitive,
    Struct,
    StructType,
    TextType,
    TimedeltaType,
    TupleType,
    Type,
    TypeName,
    UnionType,
    ViewType,
    VoidType,
)

_ELEMENT = {1: 2, 2: 3, 4: 4, 8: 5}
"""Element size codes of lists of numbers (encoding specification, "Lists")."""


class Conversions:
    """The expressions, within one generated module. `lists` are the structs that it reads and
    writes lists of."""

    def __init__(self, scope: Scope, model: Model) -> None:
        self._scope = scope
        self._model = model
        self._open: list[TypeName] = []
        self._within_alias = 0
        self._written_out = False
        self._callables = {
            i.key for module in model.modules.values() for i in module.interfaces if i.callable
        }
        self._generics: dict[TypeName, Generic] = {}
        for module in model.modules.values():
            for struct in (*module.instances, *module.structs):
                if struct.generic is not None:
                    self._generics[struct.key] = struct.generic
            for interface in module.interfaces:
                if interface.generic is not None:
                    self._generics[interface.key] = interface.generic
        self.lists: dict[TypeName, None] = {}
        self.checks = Checks(scope)

    def group(self, field: Field) -> Struct:
        """The struct that a field is, a group or packed parameters."""
        assert isinstance(field.type, StructType)
        return self._model.struct(field.type.key)

    def made(self, field: Field) -> str:
        """The expression for the class of a field that is a group."""
        return self._scope.declared(self.group(field).cls)

    # ------------------------------------------------------------------------------ numbers

    def to_number(self, type: Type, value: str) -> str:
        if isinstance(type, CONVERTED):
            return self.to_number(type.wire, self.built(type, value))
        if isinstance(type, EnumType) and type.declared:
            ordinals, _ = self.checks.enum(type.key, self._model)
            return f"{ordinals}[{value}]"
        if isinstance(type, EnumType):
            return f"{value}.value"
        if isinstance(type, TimedeltaType):
            return f"{self._scope.runtime('milliseconds')}({value})"
        return value

    def from_number(self, type: Type, number: str, place: str) -> str:
        if isinstance(type, CONVERTED):
            return self._read(type, self.from_number(type.wire, number, place), place)
        if isinstance(type, EnumType) and type.declared:
            _, members = self.checks.enum(type.key, self._model)
            return f"{self._scope.runtime('enumerant')}({members}, {number}, {quoted(place)})"
        if isinstance(type, EnumType):
            member, cls = self._scope.runtime("enum_member"), self._scope.declared(type.key)
            return f"{member}({cls}, {number}, {quoted(place)})"
        if isinstance(type, TimedeltaType):
            return f"{self._scope.runtime('duration')}({number}, {quoted(place)})"
        return number

    # ----------------------------------------------------------------------------- pointers

    def to_pointer(self, type: Type, at: str, value: str) -> str:
        scope = self._scope
        match type:
            case TextType():
                return f"_w.text({at}, {value})"
            case DataType():
                return f"_w.data({at}, {value})"
            case ViewType(None):
                return f"_w.buffer({at}, {value})"
            case ViewType(Primitive(name)):
                return f"_w.elements_buffer({at}, {value}, {_format(name)})"
            case StructType(key) | UnionType(key) | TupleType(key=key):
                return f"{scope.generated(key, '_write_{}')}(_w, {at}, {value})"
            case InterfaceType(key, stream):
                server = scope.generated(key, "{}Server")
                write = scope.runtime("write_stream" if stream else "write_object")
                return f"{write}(_w, {value}, {server})"
            case ListType(element):
                return self._to_list(element, at, value)
            case MapType(entry=entry):
                return f"{scope.generated(entry, '_write_dict_{}')}(_w, {at}, {value})"
            case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
                return self.to_pointer(wire, at, self.built(type, value))
        raise AssertionError(type)

    def from_pointer(self, type: Type, at: str, lo: str, hi: str, place: str) -> str:
        """The value; a null pointer is the type's default value, None for an object."""
        scope = self._scope
        pointer = f"{at}, {lo}, {hi}"
        match type:
            case TextType():
                return f"_m.text({pointer})"
            case DataType():
                return f"_m.data({pointer})"
            case ViewType(None):
                return f"_m.view({pointer})"
            case ViewType(Primitive(name)):
                return f"_m.array_view({pointer}, {_format(name)})"
            case StructType(key) | UnionType(key) | TupleType(key=key):
                return f"{scope.generated(key, '_read_{}')}(_m, {pointer})"
            case InterfaceType(key, stream):
                client = scope.generated(key, "{}Client")
                read = scope.runtime("read_stream" if stream else "read_object")
                return f"{read}(_m, {lo}, {hi}, {client})"
            case ListType(element, container):
                return self._from_list(element, container, pointer, place)
            case MapType(entry=entry):
                return f"{scope.generated(entry, '_read_dict_{}')}(_m, {pointer})"
            case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
                return self._read(type, self.from_pointer(wire, at, lo, hi, place), place)
        raise AssertionError(type)

    # ------------------------------------------------------------------ values of other types

    def built(self, type: HookedType | LiteralType | CheckedType, value: str) -> str:
        """The expression for what travels, from one for a value."""
        return f"{self._builder(type)}({value})"

    def _read(self, type: HookedType | LiteralType | CheckedType, value: str, place: str) -> str:
        read = self._scope.runtime("read_hooked")
        return f"{read}({self._reader(type)}, {value}, {quoted(place)})"

    def read_each(
        self, type: HookedType | LiteralType | CheckedType, values: str, place: str
    ) -> str:
        """The expression for a list of values, from one for what travelled."""
        each = self._scope.runtime("read_each_hooked")
        return f"{each}({self._reader(type)}, {values}, {quoted(place)})"

    def _builder(self, type: HookedType | LiteralType | CheckedType) -> str:
        """What is called with a value that is to be sent."""
        if isinstance(type, HookedType):
            return self._scope.declared(type.build)
        return self.checks.function(type, self.annotation(type, taken=False))

    def _reader(self, type: HookedType | LiteralType | CheckedType) -> str:
        """What is called with a value that arrived."""
        if not isinstance(type, HookedType):
            return self._builder(type)
        read = self._scope.declared(type.read)
        if not type.takes_type:
            return read
        return f"lambda _x: {read}({self.annotation(type, taken=False)}, _x)"

    def can_fail(self, type: Type) -> bool:
        """Whether some of what may arrive for a type is no value of it, however well-formed."""
        seen: set[TypeName] = set()
        queue = [type]
        while queue:
            match queue.pop():
                case HookedType() | LiteralType() | CheckedType() | EnumType() | TimedeltaType():
                    return True
                case ListType(element) | OptionalType(element):
                    queue.append(element)
                case MapType(entry=key) | StructType(key) | UnionType(key) | TupleType(key=key):
                    if key not in seen:
                        seen.add(key)
                        queue += [field.type for field in self._model.struct(key).fields]
        return False

    # -------------------------------------------------------------------------------- lists

    def _to_list(self, element: Type, at: str, value: str) -> str:
        scope = self._scope
        match element:
            case Primitive("Bool"):
                return f"_w.bools({at}, {value})"
            case Primitive(name):
                return self._to_array(name, at, value)
            case EnumType(wire=wire):
                items = f"[{self.to_number(element, '_e')} for _e in {value}]"
                return self._to_array(wire.name, at, items)
            case TimedeltaType():
                items = f"[{self.to_number(element, '_e')} for _e in {value}]"
                return self._to_array("Float64", at, items)
            case TextType():
                return f"{scope.runtime('write_texts')}(_w, {at}, {value})"
            case DataType():
                return f"{scope.runtime('write_datas')}(_w, {at}, {value})"
            case StructType(key) | UnionType(key) | TupleType(key=key):
                self.lists[key] = None
                return f"{scope.local(key, '_write_list_{}')}(_w, {at}, {value})"
            case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
                each = f"{scope.runtime('build_each')}({self._builder(element)}, {value})"
                return self._to_list(wire, at, each)
        inner = element.type if isinstance(element, OptionalType) else element
        write = self.to_pointer(inner, "_at", "_v")
        function, _, arguments = write.partition("(")
        if arguments != "_w, _at, _v)":
            function = f"lambda _w, _at, _v: {write}"
        if isinstance(element, OptionalType):
            function = f"{scope.runtime('optional')}({function})"
        return f"{scope.runtime('write_pointers')}(_w, {at}, {value}, {function})"

    def _to_array(self, name: str, at: str, value: str) -> str:
        return f"_w.array({at}, {value}, {_format(name)})"

    def _from_list(self, element: Type, container: str, pointer: str, place: str) -> str:
        """The expression for a list, a tuple, a set or a frozenset; without a container, for
        whichever sequence is at hand."""
        scope = self._scope
        items, found, loop = "", "list", ""
        match element:
            case Primitive("Bool"):
                items = f"_m.bools({pointer})"
            case Primitive(name):
                items, found = self._from_array(name, pointer), "tuple"
            case EnumType(wire=wire):
                loop = f"for _e in {self._from_array(wire.name, pointer)}"
            case TimedeltaType():
                loop = f"for _e in {self._from_array('Float64', pointer)}"
            case TextType():
                items = f"{scope.runtime('read_texts')}(_m, {pointer})"
            case DataType():
                items = f"{scope.runtime('read_datas')}(_m, {pointer})"
            case StructType(key) | UnionType(key) | TupleType(key=key):
                self.lists[key] = None
                items = f"{scope.local(key, '_read_list_{}')}(_m, {pointer})"
            case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
                found = "list"
                values = self._from_list(wire, "", pointer, place)
                items = self.read_each(element, values, place)
            case OptionalType(inner):
                value = self.from_pointer(inner, "_at", "_lo", "_hi", place)
                return _collected(
                    f"{value} if _lo or _hi else None",
                    f"for _at, _lo, _hi in _m.pointers({pointer})",
                    container,
                    scope,
                )
            case _:
                value = self.from_pointer(element, "_at", "_lo", "_hi", place)
                return _collected(
                    value, f"for _at, _lo, _hi in _m.pointers({pointer})", container, scope
                )
        if loop:
            return _collected(self.from_number(element, "_e", place), loop, container, scope)
        return items if container in (found, "") else f"{scope.builtin(container)}({items})"

    def _from_array(self, name: str, pointer: str) -> str:
        return f"_m.array({pointer}, {_format(name)})"

    # -------------------------------------------------------------------------- annotations

    def annotation(self, type: Type, *, taken: bool) -> str:
        """The Python type, as a parameter takes it or as a result gives it."""
        scope = self._scope
        match type:
            case VoidType():
                return "None"
            case Primitive("Bool"):
                return scope.builtin("bool")
            case Primitive("Float32" | "Float64"):
                return scope.builtin("float")
            case Primitive():
                return scope.builtin("int")
            case TextType():
                return scope.builtin("str")
            case DataType():
                return scope.builtin("bytes")
            case ViewType():
                return scope.runtime("Buffer") if taken else scope.builtin("memoryview")
            case TimedeltaType():
                return scope.standard("datetime.timedelta")
            case StructType(key) | InterfaceType(key) if key in self._generics:
                generic = self._generics[key]
                inside = [self.annotation(each, taken=False) for each in generic.arguments]
                cls = scope.declared(generic.key)
                return f"{cls}[{', '.join(inside)}]"
            case EnumType(key) | StructType(key):
                return scope.declared(key)
            case InterfaceType(_, stream) if stream is not None:
                item = self.annotation(stream, taken=taken)
                if not taken:
                    return f"{scope.runtime('Stream')}[{item}]"
                kind = "AsyncIterable" if type.is_async else "Iterable"
                return f"{scope.standard(f'collections.abc.{kind}')}[{item}]"
            case InterfaceType(key):
                return self._object(key)
            case CheckedType(wire):
                return self.annotation(wire, taken=taken)
            case OptionalType(some):
                return f"{self.annotation(some, taken=taken)} | None"
            case TupleType(items):
                each = [self.annotation(item, taken=taken) for item in items]
                return f"{scope.builtin('tuple')}[{', '.join(each)}]"
            case LiteralType():
                return self.checks.literal(type)
            case HookedType(key, arguments):
                if not arguments:
                    return scope.declared(key)
                return f"{scope.declared(key)}[{', '.join(map(scope.declared, arguments))}]"
            case UnionType(key):
                return self._union(key, taken=taken)
            case ListType(element, container):
                inner = self.annotation(element, taken=taken)
                if container == "tuple":
                    return f"{scope.builtin('tuple')}[{inner}, ...]"
                if container == "list" and taken:
                    return f"{scope.standard('collections.abc.Sequence')}[{inner}]"
                return f"{scope.builtin(container)}[{inner}]"
            case MapType(key, value):
                pair = f"{self.annotation(key, taken=taken)}, {self.annotation(value, taken=taken)}"
                if taken:
                    return f"{scope.standard('collections.abc.Mapping')}[{pair}]"
                return f"{scope.builtin('dict')}[{pair}]"
        raise AssertionError(type)

    def _union(self, key: TypeName, *, taken: bool) -> str:
        """The alias of a union; what it takes has one of its own where it is more than it gives."""
        pattern = "Any{}"
        if taken and key not in self._open:
            self._open.append(key)  # it may contain itself
            if self.alternatives(key, taken=True) != self.alternatives(key, taken=False):
                pattern = "Any{}Argument"
            self._open.pop()
        if self._written_out:
            return self.alternatives(key, taken=taken)
        alias = self._scope.generated(key, pattern)
        return f'"{alias}"' if self._within_alias else alias  # which may be defined later

    def alternatives(self, key: TypeName, *, taken: bool) -> str:
        """What a union's alias stands for."""
        fields = self._model.struct(key).fields
        self._within_alias += 1
        found = [self.annotation(field.type, taken=taken) for field in fields]
        self._within_alias -= 1
        return " | ".join(dict.fromkeys(found))

    def written_out(self, type: Type) -> str:
        """A type in the bases of a client, where aliases of unions are not defined."""
        self._written_out = True
        found = self.annotation(type, taken=False)
        self._written_out = False
        return found

    def python_class(self, type: Type) -> TypeName:
        """The class of a struct, an Enum, an interface, or whatever a hook is for."""
        assert isinstance(type, StructType | EnumType | InterfaceType | HookedType)
        generic = self._generics.get(type.key)
        return type.key if generic is None else generic.key

    def is_callable(self, key: TypeName) -> bool:
        """Whether an interface is that of a Callable."""
        return key in self._callables

    def _object(self, key: TypeName) -> str:
        if key in self._callables:
            call = self._scope.standard("collections.abc.Callable")
            return f"{call}[..., {self._scope.standard('typing.Any')}]"
        return self._scope.declared(key)

    def hides(self, field: Field) -> bool:
        """As `Model.hides`."""
        return self._model.hides(field)

    def has_secrets(self, interface: Interface) -> bool:
        """Whether there are values that must not be shown in calls of its methods."""
        return any(
            self.hides(field)
            for each in self._model.ancestry(interface)
            for method in each.methods
            for field in (*method.parameters, *method.result_fields)
        )

    @property
    def read_secret(self) -> str:
        """What reads values without showing them in errors."""
        return self._scope.runtime("read_secret")

    @property
    def secret(self) -> str:
        """What a described type is wrapped in, to say that its values are not to be shown."""
        return self._scope.runtime("Secret")

    def described(self, type: Type) -> str:
        """The type as `describe` and `misfit` take it, to find the value that does not fit."""
        match type:
            case VoidType():
                return '"Void"'
            case Primitive(name):
                return f'"{name}"'
            case TextType():
                return '"Text"'
            case DataType():
                return '"Data"'
            case ViewType(None):
                return '"View"'
            case ViewType(Primitive(name)):
                return f'"View of {name}"'
            case OptionalType(inner):
                return f"({self.described(inner)}, None)"
            case TupleType(items):
                inside = ", ".join(map(self.described, items))
                return f"{self._scope.runtime('Items')}({inside})"
            case ListType(element):
                return f"[{self.described(element)}]"
            case MapType(key, value):
                entries = self._scope.runtime("Entries")
                return f"{entries}({self.described(key)}, {self.described(value)})"
            case TimedeltaType():
                return self._scope.standard("datetime.timedelta")
            case InterfaceType(key) if key in self._callables:
                return '"Callable"'
            case InterfaceType(_, stream) if stream is not None:
                return '"Iterable"'
            case StructType(key) if self._model.struct(key).is_instance:
                return self._scope.generated(key, "_fields_{}")
            case StructType(key) if key in self._generics:
                return f'"{key}"'
            case UnionType(key):
                return f'"{key}"'
            case StructType() | InterfaceType() | EnumType():
                return self._scope.declared(self.python_class(type))
            case LiteralType(wire=wire) | CheckedType(wire=wire):
                checked = f"{self._builder(type)}, {self.described(wire)}"
                return f"{self._scope.runtime('Checked')}({checked})"
            case HookedType(key, wire=wire, build=build):
                scope = self._scope
                names = f"{scope.declared(key)}, {scope.declared(build)}"
                return f"{scope.runtime('Hooked')}({names}, {self.described(wire)})"
        raise AssertionError(type)


def _format(name: str) -> str:
    """The arguments that say what the numbers in a list are."""
    code = CODES[name]
    return f'"{code}", {_ELEMENT[SIZES[code]]}'


def _collected(value: str, loop: str, container: str, scope: Scope) -> str:
    """A comprehension that makes a list, a tuple, a set or a frozenset."""
    if container in ("list", ""):
        return f"[{value} {loop}]"
    if container == "set":
        return f"{{{value} {loop}}}"
    return f"{scope.builtin(container)}({value} {loop})"
