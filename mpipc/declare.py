"""What a user writes: decorators and `Annotated` metadata.

Decorators only attach attributes. A decorated class or function is the same object as before: its
signature, abstractness, `isinstance` and type checking do not change.

    @mpipc.interface                         ->  Chain.__mpipc_interface__ = InterfaceOptions(...)
    class Chain(ABC):
        @mpipc.method(1)                     ->  get_block.__mpipc_method__ = MethodOptions(1)
        @abstractmethod
        def get_block(self, height: Int32) -> Block | None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, TypeVar, overload

import msgspec

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., object])

INTERFACE = "__mpipc_interface__"
METHOD = "__mpipc_method__"
STRUCT = "__mpipc_struct__"
ENUM = "__mpipc_enum__"
SCHEMA_FILE = "__schema__"


class WireType(msgspec.Struct, frozen=True):
    """`Annotated` metadata that picks a Cap'n Proto primitive type for an int or a float."""

    name: str


Int8 = Annotated[int, WireType("Int8")]
Int16 = Annotated[int, WireType("Int16")]
Int32 = Annotated[int, WireType("Int32")]
Int64 = Annotated[int, WireType("Int64")]
UInt8 = Annotated[int, WireType("UInt8")]
UInt16 = Annotated[int, WireType("UInt16")]
UInt32 = Annotated[int, WireType("UInt32")]
UInt64 = Annotated[int, WireType("UInt64")]
Float32 = Annotated[float, WireType("Float32")]
Float64 = Annotated[float, WireType("Float64")]
Void = Annotated[None, WireType("Void")]


class TimeUnit(msgspec.Struct, frozen=True):
    """`Annotated` metadata that makes a timedelta travel as a whole number of units."""

    name: str


Seconds = Annotated[timedelta, TimeUnit("Seconds")]
Milliseconds = Annotated[timedelta, TimeUnit("Milliseconds")]
Microseconds = Annotated[timedelta, TimeUnit("Microseconds")]


class _Ordinal(msgspec.Struct, frozen=True):
    ordinal: int | None = None


class Field(_Ordinal, frozen=True, kw_only=True):
    """Attributes of a parameter, a result or a struct field, written inside `Annotated[...]`.

    `ordinal`       its `@N` in the schema; left out: the next free one, in order of declaration.
    `name`          its schema name; left out: the Python name in lowerCamelCase.
    `cxx_name`      the C++ member's name, written as `$Proxy.name`. In a struct with `wrap` it is
                    by default the Python name where that differs from the schema name; "" says
                    that C++ uses the schema name.
    `wire_default`  the schema's default value, with which the wire value is XORed (WIRE.md,
                    "Defaults"): both ends must agree on it. Not a Python default.
    `has_flag`      True: a Bool `hasX` beside an optional value, also where null could say None.
                    By default only types that are not pointers have one. An alias such as UInt32:
                    the flag is of this type instead.
    `flag_ordinal`  the flag's `@N`; left out: the one behind its value's.
    `skip`          C++ has no such member, and custom code fills the field: `$Proxy.skip`.
    `group`         a field of a struct that is a struct itself: its fields lie among the others, as
                    a group, and not behind a pointer. So it is always there.
    `secret`        its values are never shown: not in logs, recordings, reprs and error texts that
                    mpipc makes. The wire does not change.
    """

    name: str | None = None
    cxx_name: str | None = None
    wire_default: object = ...
    has_flag: object = ...
    flag_ordinal: int | None = None
    skip: bool = False
    group: bool = False
    secret: bool = False


class Const(msgspec.Struct, frozen=True):
    """Has a constant of a module in the schema: a bool, a number, a text or bytes.

        MAX_MONEY: Final[Annotated[Int64, mpipc.Const()]] = 2_100_000_000_000_000

    `name`: its schema name; left out: the Python name in lowerCamelCase.
    """

    name: str | None = None


class Results(msgspec.Struct):
    """Base class of several named results (C++ out-parameters), in order; the C++ return value,
    where there is one, comes last and is called `result`."""


class Raises(msgspec.Struct, frozen=True):
    """A declared exception: it travels as a result field and is raised again on the other side.

    `exception` is the Python class; it is raised with the text as its only argument. One that is a
    struct, too (a dataclass), travels as that.
    `name` is the result field, `cxx_name` the C++ class written as `$Proxy.exception`.
    `ordinal` is the field's ordinal; left out: before all other results.
    """

    exception: type[Exception]
    name: str = "error"
    cxx_name: str = "std::exception"
    ordinal: int | None = None


class SchemaFile(msgspec.Struct, frozen=True):
    """File attributes of an interface module, assigned to its `__schema__`.

    `id`             the 64-bit file id, its top bit set; left out: derived from the module's name.
    `cxx_namespace`  C++ namespace, written as `$Cxx.namespace`.
    `include`        C++ headers that declare the wrapped classes, written as `$Proxy.include`.
    `include_types`  C++ headers with custom conversions, written as `$Proxy.includeTypes`.
    """

    id: int | None = None
    cxx_namespace: str | None = None
    include: Sequence[str] = ()
    include_types: Sequence[str] = ()


class InterfaceOptions(msgspec.Struct, frozen=True):
    """Attributes of an interface; also the decorator that attaches them."""

    name: str | None = None
    wrap: str | None = None
    root: bool = False
    destroy: bool = True

    def __call__(self, cls: C) -> C:
        setattr(cls, INTERFACE, self)
        return cls


class StructOptions(msgspec.Struct, frozen=True):
    """Attributes of a struct; also the decorator that attaches them."""

    name: str | None = None
    wrap: str | None = None
    count: int | None = None
    generic: bool = False
    secret: bool = False

    def __call__(self, cls: C) -> C:
        setattr(cls, STRUCT, self)
        return cls


class EnumOptions(msgspec.Struct, frozen=True):
    """Attributes of an Enum; also the decorator that attaches them."""

    name: str | None = None

    def __call__(self, cls: C) -> C:
        setattr(cls, ENUM, self)
        return cls


class MethodOptions(msgspec.Struct, frozen=True):
    """Attributes of a method; also the decorator that attaches them."""

    ordinal: int | None = None
    name: str | None = None
    cxx_name: str | None = None
    context: bool = True
    raises: tuple[Raises, ...] = ()
    deprecated: str = ""
    idempotent: bool = False
    packed: tuple[tuple[str, type], ...] = ()

    def __call__(self, function: F) -> F:
        setattr(function, METHOD, self)
        return function


@overload
def interface(cls: C) -> C: ...
@overload
def interface(
    *, name: str | None = None, wrap: str | None = None, root: bool = False, destroy: bool = True
) -> InterfaceOptions: ...
def interface(
    cls: C | None = None,
    *,
    name: str | None = None,
    wrap: str | None = None,
    root: bool = False,
    destroy: bool = True,
) -> C | InterfaceOptions:
    """Mark an ABC as an interface whose objects can live in another process.

    `name`     schema name; left out: the class's name.
    `wrap`     the C++ class, written as `$Proxy.wrap`.
    `root`     the interface that a connection starts with: it has `construct @0`, no `destroy`.
    `destroy`  whether it has a `destroy` method (`@0`), which `mpipc.close` calls.

    Inside `Annotated[Callable[...], mpipc.interface(name=...)]` it names the callback's interface.
    """
    options = InterfaceOptions(name, wrap, root, destroy)
    return options if cls is None else options(cls)


@overload
def struct(cls: C) -> C: ...
@overload
def struct(
    *,
    name: str | None = None,
    wrap: str | None = None,
    count: int | None = None,
    generic: bool = False,
    secret: bool = False,
) -> StructOptions: ...
def struct(
    cls: C | None = None,
    *,
    name: str | None = None,
    wrap: str | None = None,
    count: int | None = None,
    generic: bool = False,
    secret: bool = False,
) -> C | StructOptions:
    """Give a struct class attributes in the schema (optional).

    `name`  schema name; left out: the class's name.
    `wrap`  the C++ struct, written as `$Proxy.wrap`.
    `count` how many C++ parameters make up a parameter of this type, written as `$Proxy.count`.
    `generic`  a class with type parameters is a generic struct in the schema, too. Cap'n Proto
               allows for a type parameter what is behind a pointer, and no numbers.
    `secret`  all its fields are: see `Field`.
    """
    options = StructOptions(name, wrap, count, generic, secret)
    return options if cls is None else options(cls)


@overload
def enum(cls: C) -> C: ...
@overload
def enum(*, name: str | None = None) -> EnumOptions: ...
def enum(cls: C | None = None, *, name: str | None = None) -> C | EnumOptions:
    """Declare an Enum in the schema, as a Cap'n Proto enum: its members may have any values.
    Without this, an Enum travels as its members' values, as C++ enums do.

    `name`  schema name; left out: the class's name.
    """
    options = EnumOptions(name)
    return options if cls is None else options(cls)


RaisesArgument = type[Exception] | Raises | Sequence["type[Exception] | Raises"]


def method(
    ordinal: int | None = None,
    *,
    name: str | None = None,
    cxx_name: str | None = None,
    context: bool = True,
    raises: RaisesArgument | None = None,
    deprecated: str = "",
    idempotent: bool = False,
    packed: Mapping[str, type] | None = None,
) -> MethodOptions:
    """Give a method attributes in the schema (optional).

    `ordinal`     its `@N`; left out: the one that it has in the committed schema, and for a new
                  method the next free one, in order of declaration.
    `name`        its schema name; left out: the Python name in lowerCamelCase.
    `cxx_name`    the C++ method's name, where it is not the schema name: `$Proxy.name`.
    `context`     False: no Context parameter; the method runs on the connection's I/O thread and
                  must not block (WIRE.md, "A call").
    `raises`      exceptions that travel as results and are raised again by the caller's proxy:
                  classes (as `std::exception`) or `Raises` objects.
    `deprecated`  what to do instead of calling it ("use get_header"): the caller's proxy warns
                  with it (DeprecationWarning), and the schema says so.
    `idempotent`  to call it twice does no more than to call it once: `mpipc.reconnecting` calls it
                  again when the connection is lost meanwhile.
    `packed`      `{"area": Area}`: the parameters that are called like the fields of the struct
                  class Area travel as one parameter, `area :Area`.
    """
    if callable(ordinal):
        raise TypeError("@mpipc.method needs parentheses: @mpipc.method()")
    given: Sequence[type[Exception] | Raises]
    if raises is None:
        given = ()
    elif isinstance(raises, str) or not isinstance(raises, Sequence):
        given = (raises,)  # a text is one mistake, and not one for each of its letters
    else:
        given = raises
    declared = tuple(r if isinstance(r, Raises) else Raises(r) for r in given)
    together = tuple((packed or {}).items())
    return MethodOptions(
        ordinal, name, cxx_name, context, declared, deprecated, idempotent, together
    )


def options_of(cls: object, attribute: str) -> object | None:
    """The options attached to exactly this class (not to a base of it), or None."""
    namespace: Mapping[str, object] = getattr(cls, "__dict__", {})
    return namespace.get(attribute)
