"""An annotated ABC, or a Callable, -> `model.Interface`."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from types import FunctionType
from typing import TYPE_CHECKING, cast

from typing_extensions import get_overloads

from mpipc import declare
from mpipc.derive.annotations import Scope
from mpipc.derive.docs import docstring
from mpipc.derive.lock import number
from mpipc.derive.methods import Signature, construct, derive_method, destroy, signature_of
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import camel, member_name, repeated, type_name
from mpipc.derive.site import Site
from mpipc.derive.types.generics import arguments_of, bases_of, class_scope, type_parameters
from mpipc.model import Generic, Interface, Reserved, Type, TypeName

if TYPE_CHECKING:
    from mpipc.derive.session import Session


def options_of(cls: type) -> declare.InterfaceOptions | None:
    """How exactly this class is decorated, or None."""
    return cast(declare.InterfaceOptions | None, declare.options_of(cls, declare.INTERFACE))


def _bases(cls: type, site: Site) -> Iterator[TypeName]:
    """The interfaces that a class extends; plain classes in between are looked through. Raises
    Mistake."""
    for base, arguments in bases_of(cls):
        if options_of(base) is None:
            yield from _bases(base, site)
        elif type_parameters(base):
            given = arguments_of(base, arguments, site)
            yield site.session.use_generic_interface(base, given, None, site)
        else:
            yield site.session.use_interface(base, site)


def ancestors(cls: type) -> Iterator[tuple[type, declare.InterfaceOptions]]:
    """Every interface that a class extends, directly or not."""
    for base in cls.__mro__[1:]:
        options = options_of(base)
        if options is not None:
            yield base, options


@dataclass(frozen=True)
class _Declared:
    """An abstract method and what is said about it."""

    name: str
    schema_name: str
    function: FunctionType
    options: declare.MethodOptions
    getter: bool


def derive_interface_class(
    session: Session, cls: type, key: TypeName | None = None, arguments: Sequence[Type] = ()
) -> Interface:
    """Describe an interface; a generic one with types for its type parameters, as `key`. Raises
    Mistake; mistakes in its methods become problems."""
    options = options_of(cls)
    assert options is not None
    own = session.key_of(cls)
    if not isinstance(cls, ABCMeta):
        raise Mistake("decorated with @mpipc.interface, but no ABC", f"class {cls.__name__}(ABC)")
    name = key.name if key else type_name(options.name or cls.__name__)
    module = key.module if key else own.module
    bindings = dict(zip(type_parameters(cls), arguments, strict=True))
    place = Place(own.module, own.name)
    site = Site(session, module, class_scope(session, cls), place, (name,), bindings)
    if key and options.root:
        raise Mistake("a root interface that is generic", "a class that is not")
    for base in cls.__mro__[1:]:
        if options_of(base) is None and any(True for _ in _abstract(base)):
            raise Mistake(
                f"its base {base.__name__} has abstract methods, but is no interface",
                f"@mpipc.interface above class {base.__name__}",
            )
    declared = _declared_methods(cls, site)
    _check_names(cls, declared)
    locked = session.locked(module, name)
    known = {each.name for each in locked}
    formerly = {each.ordinal: each.name for each in locked}
    added = _added_method(cls, options)
    wanted = [(each.schema_name, each.options.ordinal) for each in declared]
    ordinals, reserved = number(_first(added, wanted, locked), locked)
    methods = [_ADDED[added](name, ordinals.pop(0))] if added else []
    for each, ordinal in zip(declared, ordinals, strict=True):
        at = site.member(each.name)
        with session.reporting(at.place):
            methods.append(
                derive_method(
                    each.name,
                    each.schema_name,
                    ordinal,
                    signature_of(each.function, at),
                    at,
                    interface=name,
                    options=each.options,
                    former="" if each.schema_name in known else formerly.get(ordinal, ""),
                    doc=docstring(each.function),
                    getter=each.getter,
                )
            )
    _check_inherited(cls)
    bases = tuple(dict.fromkeys(_bases(cls, site)))
    methods.sort(key=lambda method: method.ordinal)
    doc = docstring(cls)
    generic = Generic(own, tuple(arguments)) if key else None
    return Interface(
        key or own,
        name,
        tuple(methods),
        bases,
        options.wrap,
        options.root,
        doc=doc,
        reserved=reserved,
        generic=generic,
    )


def derive_callback(
    key: TypeName,
    options: declare.InterfaceOptions,
    arguments: Sequence[object],
    returns: object,
    site: Site,
) -> Interface:
    """Describe the interface behind a Callable (WIRE.md, "Objects"). Raises Mistake; mistakes in
    its arguments become problems."""
    locked = site.session.locked(key.module, key.name)
    result = site.scope.unwrap(returns)
    is_async = result.origin is Awaitable
    if is_async:
        (returns,) = result.args
    added = "destroy" if options.destroy else None
    ordinals, reserved = number(_first(added, [("call", None)], locked), locked)
    methods = [destroy(key.name, ordinals.pop(0))] if added else []
    named = [(_argument_name(site.scope, each, n), each) for n, each in enumerate(arguments)]
    call = derive_method(
        "__call__",
        "call",
        ordinals.pop(),
        Signature(named, returns, is_async=is_async),
        replace(site, owner=(key.name,)),
        interface=key.name,
        options=declare.MethodOptions(),
    )
    methods = sorted([*methods, call], key=lambda method: method.ordinal)
    return Interface(
        key, key.name, tuple(methods), wrap=options.wrap, callable=True, reserved=reserved
    )


def _argument_name(scope: Scope, annotation: object, index: int) -> str:
    """`arg0`, or what `Annotated[T, Field(name="value")]` says. Raises Mistake."""
    options = scope.unwrap(annotation).find(declare.Field)
    return (options and options.name) or f"arg{index}"


_ADDED = {"construct": construct, "destroy": destroy}


def _added_method(cls: type, options: declare.InterfaceOptions) -> str | None:
    """What the protocol adds, unless an interface that is extended has it already."""
    bases = [base for _, base in ancestors(cls)]
    if options.root:
        return None if any(base.root for base in bases) else "construct"
    if options.destroy and not any(base.destroy and not base.root for base in bases):
        return "destroy"
    return None


def _first(
    added: str | None, wanted: list[tuple[str, int | None]], locked: Sequence[Reserved]
) -> list[tuple[str, int | None]]:
    """What the protocol adds comes first; in an interface that had none, behind all others."""
    return [(added, None if locked else 0), *wanted] if added else wanted


def _abstract(cls: type) -> Iterator[tuple[str, object]]:
    """What a class itself declares abstract."""
    for name, value in vars(cls).items():
        if getattr(value, "__isabstractmethod__", False):
            yield name, value


def _declared_methods(cls: type, site: Site) -> list[_Declared]:
    """The methods of an interface in order of declaration; mistakes become problems."""
    declared = []
    for name, value in vars(cls).items():
        with site.session.reporting(site.place.at_member(name)):
            getter = value.fget if isinstance(value, property) else value
            options = getattr(getter, declare.METHOD, None)
            if not getattr(value, "__isabstractmethod__", False):
                if isinstance(getter, FunctionType) and options is not None:
                    raise Mistake(
                        "decorated with @mpipc.method, but not abstract, so it is never remote",
                        "@abstractmethod below @mpipc.method, or no @mpipc.method",
                    )
                _check_local(name, getter)
                continue
            function = _function(name, value)
            if name.startswith("_") and name != "__call__":
                raise Mistake(
                    "private, yet abstract: no proxy could have it",
                    "a name without the underscore, or no @abstractmethod",
                )
            options = options or declare.MethodOptions()
            schema_name = options.name or ("call" if name == "__call__" else camel(name))
            member_name(schema_name)
            is_getter = isinstance(value, property)
            declared.append(_Declared(name, schema_name, function, options, is_getter))
    return declared


def _function(name: str, value: object) -> FunctionType:
    """The function of an abstract method, or of the getter of an abstract property. Raises Mistake
    for what is neither."""
    if isinstance(value, property):
        if value.fset is not None or value.fdel is not None:
            raise Mistake(
                "an abstract property that can be set or deleted: a proxy could not",
                f"a property that can only be read, and a method: def set_{name}(self, value: T)",
            )
        value = value.fget
        if iscoroutinefunction(value):
            raise Mistake("an async property", f"an async method: async def {name}(self) -> ...")
    if not isinstance(value, FunctionType):
        raise Mistake(
            f"an abstract {type(value).__name__}: only methods can be called remotely",
            f"an abstract method with self: def {name}(self) -> ...",
        )
    if get_overloads(value):
        raise _overloaded()
    return value


def _overloaded() -> Mistake:
    return Mistake(
        "overloaded: a method has one list of parameters in the schema",
        "a method for each, or one with unions and `| None`",
    )


def _check_local(name: str, value: object) -> None:
    """Somebody who forgets @abstractmethod gets a method that does nothing, on a proxy, too."""
    if not isinstance(value, FunctionType):
        return
    if (value.__module__, value.__name__) == ("typing", "_overload_dummy"):
        raise _overloaded()
    if not name.startswith("_") and _is_empty(value):
        raise Mistake(
            "its body is empty, but it is not abstract, so that it would never be remote",
            "@abstractmethod above it; for what is to do nothing, a name with an underscore first",
        )


def _empty() -> None: ...


def _documented() -> None:
    """A docstring."""


async def _empty_async() -> None: ...


async def _documented_async() -> None:
    """A docstring."""


_EMPTY = {each.__code__.co_code for each in (_empty, _documented, _empty_async, _documented_async)}


def _is_empty(function: FunctionType) -> bool:
    """Whether nothing is in a function, but for a docstring; also where there is no source."""
    code = function.__code__
    constants = {each for each in code.co_consts if each != function.__doc__}
    return code.co_code in _EMPTY and constants <= {None}


def _check_inherited(cls: type) -> None:
    """What two bases declare alike is one method of the object, and two of the interface."""
    declaring: dict[str, type] = {}
    for base, _ in ancestors(cls):
        for name, _ in _abstract(base):
            other = declaring.setdefault(name, base)
            if other is not base:
                raise Mistake(
                    f"it inherits {name!r} from both {other.__name__} and {base.__name__}",
                    f"an interface with {name!r} that both extend, or other names",
                )


def _check_names(cls: type, declared: Sequence[_Declared]) -> None:
    again = repeated(each.schema_name for each in declared)
    if again:
        raise Mistake(
            f"two of its methods are called {again[0]!r} in the schema",
            '@mpipc.method(name="...") for one of them',
        )
    for each in declared:
        if each.schema_name in ("destroy", "construct"):
            raise Mistake(
                f"its method {each.name!r} clashes with the one that the protocol adds",
                "another name: mpipc.close(proxy) calls `destroy`, and mpipc.connect `construct`",
            )
        for base, _ in ancestors(cls):
            if each.name in vars(base):
                raise Mistake(
                    f"it declares {each.name!r} again, which it inherits from {base.__name__}",
                    "another name, or no declaration: inherited methods are part of the interface",
                )
