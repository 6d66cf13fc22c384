"""The one description of modules, interfaces, methods, structs and types.

Everything else is a function of it: schema text, codecs, proxies, docs, checks, test strategies.
All of it is immutable and hashable. Two views stand side by side:

- the Python view: `Field`, a parameter, result or struct field as the user wrote it;
- the wire view: `Slot`, a field of a Cap'n Proto struct. A `Field` has one `Slot` for its value and
  sometimes a Bool slot beside it that says whether there is a value.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class TypeName:
    """Identity of a declared type: the module that defines it and its Python name there."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


def python_object(name: TypeName) -> Any:
    """What Python has declared under a name: a class or a function."""
    found: Any = sys.modules[name.module]
    for part in name.name.split("."):
        found = getattr(found, part)
    return found


# ---------------------------------------------------------------------------------------- types

PrimitiveName = Literal[
    "Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64",
    "Float32", "Float64",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Primitive:
    """bool, int or float, by its Cap'n Proto name."""

    name: PrimitiveName


@dataclass(frozen=True, slots=True)
class TextType:
    """str <-> Text."""


@dataclass(frozen=True, slots=True)
class DataType:
    """bytes <-> Data."""


@dataclass(frozen=True, slots=True)
class ViewType:
    """memoryview or another buffer <-> Data, or List of its `element`, not copied on arrival."""

    element: Primitive | None = None


@dataclass(frozen=True, slots=True)
class VoidType:
    """None, which takes no place."""


@dataclass(frozen=True, slots=True)
class ListType:
    """list[T], tuple[T, ...], set[T], frozenset[T] <-> List(T)."""

    element: Type
    container: Literal["list", "tuple", "set", "frozenset"]


CONTAINERS: Mapping[str, type[Any]] = {
    "list": list, "tuple": tuple, "set": set, "frozenset": frozenset,
}  # fmt: skip
"""The classes of lists, by what their types call them."""


@dataclass(frozen=True, slots=True)
class MapType:
    """dict[K, V] <-> List of a struct with the fields key and value."""

    key: Type
    value: Type
    entry: TypeName


@dataclass(frozen=True, slots=True)
class StructType:
    """A declared struct. `name`: what people call it, where that is not the name of the class."""

    key: TypeName
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ParameterType:
    """A type parameter of a generic struct: whatever is behind a pointer."""

    name: str


@dataclass(frozen=True, slots=True)
class UnionType:
    """A | B <-> a struct with a union, which has one field for each of them."""

    key: TypeName


@dataclass(frozen=True, slots=True)
class InterfaceType:
    """An object that stays where it is and is called through a capability. `stream`: what it is an
    iterator over, if it is one. `is_async`: it is an AsyncIterator; the wire knows nothing of
    that."""

    key: TypeName
    stream: Type | None = None
    is_async: bool = False


@dataclass(frozen=True, slots=True)
class EnumType:
    """An Enum with integer values, which travels as an integer; `flags`: an IntFlag. `declared`: it
    is a Cap'n Proto enum, and travels as the ordinals of its members."""

    key: TypeName
    wire: Primitive
    flags: bool = False
    declared: bool = False


@dataclass(frozen=True, slots=True)
class TimedeltaType:
    """timedelta <-> Float64 milliseconds; `timedelta.max` <-> the largest Float64."""


@dataclass(frozen=True, slots=True)
class HookedType:
    """A class whose values travel as another type, `wire` (mpipc.hooks). The functions `build` and
    `read` convert; `takes_type`: `read` takes the class, too. `name`: what people call it."""

    key: TypeName
    arguments: tuple[TypeName, ...]
    name: str
    wire: Type
    build: TypeName
    read: TypeName
    takes_type: bool = False


@dataclass(frozen=True, slots=True)
class LiteralType:
    """Literal[...]: some values of another type; members of the Enum `cls` by their names."""

    wire: Type
    values: tuple[str | bytes | int, ...]
    cls: TypeName | None = None


@dataclass(frozen=True, slots=True)
class Constraints:
    """What must hold for a value, by the names that msgspec.Meta has for it."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    multiple_of: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None

    def given(self) -> Iterator[tuple[str, str]]:
        """Each that there is: its name, and how a sentence says it."""
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if value is not None:
                yield name, f"{words} {value!r}"


_WORDS = {
    "ge": "at least",
    "gt": "greater than",
    "le": "at most",
    "lt": "less than",
    "multiple_of": "a multiple of",
    "min_length": "of a length of at least",
    "max_length": "of a length of at most",
    "pattern": "a match of",
}


@dataclass(frozen=True, slots=True)
class CheckedType:
    """Values of another type, `wire`, that fulfil constraints."""

    wire: Type
    constraints: Constraints


@dataclass(frozen=True, slots=True)
class OptionalType:
    """T | None inside of a list, a tuple or a dict. A parameter, a result or a field is a `Field`
    that is optional instead."""

    type: Type


@dataclass(frozen=True, slots=True)
class TupleType:
    """tuple[A, B] <-> a struct that is made up for it, with the fields item0, item1, ..."""

    items: tuple[Type, ...]
    key: TypeName


Type: TypeAlias = (
    VoidType | Primitive | TextType | DataType | ViewType | ListType | MapType | StructType
    | ParameterType | UnionType | InterfaceType | EnumType | TimedeltaType | HookedType
    | LiteralType | CheckedType | OptionalType | TupleType
)  # fmt: skip


CONVERTED = (HookedType, LiteralType, CheckedType)
"""The types whose values travel as those of another type, after a function was applied."""


def is_pointer(type: Type) -> bool:
    """Whether values of this type live in the pointer section, where null can say None."""
    return not isinstance(carried(type), Primitive | EnumType | TimedeltaType)


def carried(type: Type) -> Type:
    """What a value of a type travels as."""
    return carried(type.wire) if isinstance(type, CONVERTED) else type


def parts(type: Type) -> tuple[Type, ...]:
    """The types that a type is made of, without the fields of structs."""
    match type:
        case ListType(element):
            return (element,)
        case MapType(key, value):
            return key, value
        case TupleType(items):
            return items
        case OptionalType(inner):
            return (inner,)
        case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
            return (wire,)
    return ()


# ------------------------------------------------------------------------------------- wire view


@dataclass(frozen=True, slots=True)
class Context:
    """Slot type of the leading `context :Proxy.Context` parameter."""


@dataclass(frozen=True, slots=True)
class ThreadMap:
    """Slot type of `construct`'s parameter and result."""


SlotType: TypeAlias = Type | Context | ThreadMap


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of a Cap'n Proto struct. `annotations` are (name in proxy.capnp, value), without
    a value for `skip`."""

    name: str
    ordinal: int
    type: SlotType
    default: bool | int | float | None = None
    annotations: tuple[tuple[str, str | None], ...] = ()

    @property
    def variable(self) -> str:
        """Its name as a part of names in Python."""
        return self.name.replace(".", "_")


@dataclass(frozen=True, slots=True)
class Reserved:
    """The place of a removed method or field: callers of old know it by its ordinal, so no other
    may get it. The schema has to have something there, because ordinals leave no gaps.

    `type` is that of a field, so that the fields behind it stay where they are: a primitive's
    name, or AnyPointer for all that is behind a pointer. A method has none.
    """

    name: str
    ordinal: int
    type: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """The Cap'n Proto struct behind a struct, a parameter list or a result list.

    `path` finds its layout: `Block`, or `Chain.getBlock$Params` and `Chain.getBlock$Results`
    (schema names), unique within the module. `slots` and `reserved` are sorted by ordinal.
    """

    path: str
    slots: tuple[Slot, ...]
    reserved: tuple[Reserved, ...] = ()


# ----------------------------------------------------------------------------------- Python view


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, a result or a struct field. `optional`: `T | None`; `flag` is then the Bool slot
    that says whether there is a value, or None where a null pointer says it.

    `keyword`: the name by which it is passed, empty where it is passed by position.
    `missing`: where there is no value, it is left out: a key of a TypedDict.
    `secret`: its values are not to be shown; `Model.hides` says so of more.
    `group`: the fields of a struct that lie among the others; their slots' names have the group's
    before their own, `origin.x`. The record has no slot for the group itself.
    `parts`: the parameters in Python that travel as this one, a struct with fields of these names.
    Their slots say nothing.
    `filled_in`: the function that says what it is where a caller leaves it out (mpipc.hooks).
    """

    name: str
    type: Type
    slot: Slot
    optional: bool = False
    flag: Slot | None = None
    keyword: str = ""
    missing: bool = False
    secret: bool = False
    group: tuple[Field, ...] = ()
    parts: tuple[Field, ...] = ()
    filled_in: TypeName | None = None

    def apart(self, value: Any) -> Iterator[tuple[Field, Any]]:
        """The parameters in Python that this one stands for, each with its value."""
        for part in self.parts:
            yield part, value[part.name] if isinstance(value, dict) else getattr(value, part.name)
        if not self.parts:
            yield self, value


StructKind: TypeAlias = Literal[
    "msgspec", "dataclass", "attrs", "namedtuple", "typeddict", "entry", "tuple", "union"
]
MADE_UP = ("entry", "tuple")
"""The kinds of structs that no class stands for: the entries of a dict, and a tuple."""


@dataclass(frozen=True, slots=True)
class Generic:
    """A generic class, and what stands for its type parameters in an instance of it."""

    key: TypeName
    arguments: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct and what it is in Python: an object of a class, the `entry` of a dict, or, for a
    `union`, the value of one of its fields."""

    key: TypeName
    name: str
    kind: StructKind
    record: Record
    fields: tuple[Field, ...]
    wrap: str | None = None
    doc: str = ""
    count: int | None = None
    parameters: tuple[str, ...] = ()
    generic: Generic | None = None

    @property
    def cls(self) -> TypeName:
        """The Python class."""
        return self.key if self.generic is None else self.generic.key

    @property
    def is_instance(self) -> bool:
        """Whether the schema has only the generic struct that it is an instance of."""
        return self.generic is not None and self.name != self.key.name

    @property
    def is_template(self) -> bool:
        """Whether only instances of it have values."""
        return any(isinstance(field.type, ParameterType) for field in self.fields)


@dataclass(frozen=True, slots=True)
class DeclaredException:
    """An exception that travels in a result slot (`slot`), set when it was raised: its text, or
    the struct that it is."""

    key: TypeName
    slot: Slot


@dataclass(frozen=True, slots=True)
class Supplied:
    """A parameter in Python, of the class `key`, that does not travel: `function` says what it is
    on the side that is called (mpipc.hooks)."""

    name: str
    key: TypeName
    function: TypeName


@dataclass(frozen=True, slots=True)
class Method:
    """A method. `name` is the Python name (`__call__` for callables), `schema_name` its wire name.

    `kind`: a method of the ABC, or one that the protocol adds (`destroy`, `construct`).
    `returns`: what the Python method returns: nothing, one value, or the Results class;
    for an iterator, a batch of its items.
    `name_annotation`: the C++ name, written as `$Proxy.name`.
    `deprecated`: what to use instead, empty for a method that is not deprecated.
    `getter`: in Python it is a property.
    `is_async`: in Python it is a coroutine function; the wire knows nothing of it.
    `is_lazy`: it gives an AsyncIterator and is no coroutine function, as generators are.
    """

    name: str
    schema_name: str
    ordinal: int
    params: Record
    results: Record
    parameters: tuple[Field, ...] = ()
    result_fields: tuple[Field, ...] = ()
    returns: TypeName | Literal["none", "value", "batch"] = "none"
    raises: tuple[DeclaredException, ...] = ()
    context: bool = True
    kind: Literal["method", "destroy", "construct"] = "method"
    name_annotation: str | None = None
    doc: str = ""
    deprecated: str = ""
    getter: bool = False
    is_async: bool = False
    supplied: tuple[Supplied, ...] = ()

    @property
    def is_lazy(self) -> bool:
        if self.is_async or self.returns != "value":
            return False
        type = self.result_fields[0].type
        return isinstance(type, InterfaceType) and type.is_async


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface. `methods` are its own, sorted by ordinal, as are the places of removed ones
    (`reserved`), of which generated code knows nothing; `bases` are interfaces it extends.

    `callable`: derived from a `Callable[...]` annotation; there is no Python class of this name,
    any callable will do, and the client is called directly.
    `stream`: derived from an iterator over this type; there is no Python class either, and the
    client is an iterator.
    """

    key: TypeName
    name: str
    methods: tuple[Method, ...]
    bases: tuple[TypeName, ...] = ()
    wrap: str | None = None
    root: bool = False
    callable: bool = False
    doc: str = ""
    reserved: tuple[Reserved, ...] = ()
    stream: Type | None = None
    generic: Generic | None = None

    @property
    def cls(self) -> TypeName:
        """The Python class."""
        return self.key if self.generic is None else self.generic.key

    @property
    def classless(self) -> bool:
        """Whether no class stands for it."""
        return self.callable or self.stream is not None


@dataclass(frozen=True, slots=True)
class Enumeration:
    """An Enum class: its members' names and wire values. One that is a Cap'n Proto enum has a
    `name` there; its enumerants, in order of ordinals, those of removed members included."""

    key: TypeName
    members: tuple[tuple[str, int], ...]
    doc: str = ""
    name: str = ""
    enumerants: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a module, `name` in Python, which the schema has, too."""

    name: str
    schema_name: str
    type: Primitive | TextType | DataType
    value: bool | int | float | str | bytes


@dataclass(frozen=True, slots=True)
class Module:
    """An interface module and the schema file that is derived from it.

    `name` is the Python module (`interfaces.mining`), `stem` the schema file without `.capnp`.
    `imports` are the other interface modules whose types it uses. `instances` are those of generic
    structs that it uses, wherever these are declared; the schema has no declarations of them.
    """

    name: str
    stem: str
    id: int
    structs: tuple[Struct, ...]
    interfaces: tuple[Interface, ...]
    enums: tuple[Enumeration, ...] = ()
    instances: tuple[Struct, ...] = ()
    imports: tuple[str, ...] = ()
    cxx_namespace: str | None = None
    include: tuple[str, ...] = ()
    include_types: tuple[str, ...] = ()
    doc: str = ""
    constants: tuple[Constant, ...] = ()


@dataclass(frozen=True)
class Model:
    """Interface modules by name, every module that one of them imports included."""

    modules: Mapping[str, Module]

    def struct(self, key: TypeName) -> Struct:
        module = self.modules[key.module]
        return next(s for s in (*module.structs, *module.instances) if s.key == key)

    def enumeration(self, key: TypeName) -> Enumeration:
        """A declared enum."""
        return next(e for e in self.modules[key.module].enums if e.key == key)

    def interface(self, key: TypeName) -> Interface:
        return next(i for i in self.modules[key.module].interfaces if i.key == key)

    def hides(self, field: Field) -> bool:
        """Whether a field's values are not to be shown: they are secret, or a TypedDict that has
        secrets is in them, whose values are dicts like any others."""
        return field.secret or any(
            struct.kind == "typeddict" and any(each.secret for each in struct.fields)
            for struct in self._structs_in(field.type)
        )

    def secretive(self, type: Type) -> bool:
        """Whether there is something secret in values of a type."""
        return any(each.secret for struct in self._structs_in(type) for each in struct.fields)

    def _structs_in(self, type: Type) -> Iterator[Struct]:
        """The structs that are in a value of a type, each once."""
        seen: set[TypeName] = set()
        queue = [type]
        while queue:
            current = queue.pop()
            queue += parts(current)
            if isinstance(current, StructType | UnionType) and current.key not in seen:
                seen.add(current.key)
                struct = self.struct(current.key)
                yield struct
                queue += [each.type for each in struct.fields]

    def ancestry(self, interface: Interface) -> Iterator[Interface]:
        """The interface, then everything it extends, nearest first, each once."""
        seen: set[TypeName] = set()
        queue = [interface]
        while queue:
            current = queue.pop(0)
            if current.key in seen:
                continue
            seen.add(current.key)
            yield current
            queue.extend(self.interface(base) for base in current.bases)


# ---------------------------------------------------------------------------------------- layout


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """Where the official compiler put the slots of one record.

    `offsets` maps a slot's schema name to its offset, in multiples of the slot's own size for
    primitives (bits for Bool) and in words within the pointer section for pointers. `tag` is the
    offset of a union's tag, a UInt16, and `tags` are its values.
    """

    id: int
    data_words: int
    pointers: int
    offsets: Mapping[str, int]
    tag: int = 0
    tags: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModuleLayout:
    """Layouts of one module: records by `Record.path`, interface ids by schema name."""

    records: Mapping[str, RecordLayout]
    interfaces: Mapping[str, int]
