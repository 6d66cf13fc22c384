"""One derivation: a worklist of classes, the modules they belong to, the problems found."""

from __future__ import annotations

import enum
import hashlib
import importlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, TypeVar, get_args, get_origin

from mpipc import declare
from mpipc.derive.annotations import Annotation, Scope, shown
from mpipc.derive.constants import constants
from mpipc.derive.docs import docstring
from mpipc.derive.enums import derive_enum
from mpipc.derive.hashing import check_hashable
from mpipc.derive.interfaces import derive_callback, derive_interface_class, options_of
from mpipc.derive.lock import Lock, Locks
from mpipc.derive.main import imported_name
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import repeated, type_name
from mpipc.derive.parameters import check_parts
from mpipc.derive.records import Member, record
from mpipc.derive.site import Site
from mpipc.derive.streams import derive_stream
from mpipc.derive.structs import (
    derive_generic_struct,
    derive_instance,
    derive_struct,
    struct_name,
)
from mpipc.derive.types import type_of
from mpipc.derive.types.generics import instance_name, type_parameters
from mpipc.derive.types.structs import is_template
from mpipc.derive.types.words import word
from mpipc.derive.unions import derive_union
from mpipc.errors import Problem, SchemaError
from mpipc.model import (
    CheckedType,
    Enumeration,
    Generic,
    HookedType,
    Interface,
    ListType,
    LiteralType,
    MapType,
    Model,
    Module,
    OptionalType,
    ParameterType,
    Primitive,
    Reserved,
    Struct,
    StructKind,
    StructType,
    TupleType,
    Type,
    TypeName,
    carried,
    is_pointer,
)

T = TypeVar("T", Struct, Interface)


@dataclass
class Draft:
    """What is known of a module so far, by class or by made-up name."""

    name: str
    structs: dict[type, Struct | None] = field(default_factory=dict)
    interfaces: dict[type, Interface | None] = field(default_factory=dict)
    entries: dict[str, tuple[Type, Struct]] = field(default_factory=dict)
    callbacks: dict[str, tuple[object, Interface | None]] = field(default_factory=dict)
    streams: dict[str, tuple[object, Interface]] = field(default_factory=dict)
    unions: dict[str, tuple[object, Struct | None]] = field(default_factory=dict)
    generic_structs: dict[str, tuple[object, Struct | None]] = field(default_factory=dict)
    generic_interfaces: dict[str, tuple[object, Interface | None]] = field(default_factory=dict)
    enums: dict[TypeName, Enumeration] = field(default_factory=dict)
    instances: dict[str, Struct] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)


class Session:
    """Derives modules and everything that they reach; `locks` are their committed ordinals."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._known_locks: dict[str, Lock] = {}
        self._drafts: dict[str, Draft] = {}
        self._scopes: dict[str, Scope] = {}
        self._work: deque[Callable[[], None]] = deque()
        self._problems: dict[Problem, None] = {}
        self._resolving: list[object] = []
        self._hashed: dict[tuple[Type, str, Place], None] = {}

    def run(self, modules: Iterable[str]) -> Model:
        """Derive the modules. Raises SchemaError with every problem found."""
        for name in modules:
            with self.reporting(Place(name)):
                _import(name)
                self._draft(name)
        while self._work:
            self._work.popleft()()
        finished = []
        for name in sorted(self._drafts):
            with self.reporting(Place(name)):
                finished.append(self._finish(self._drafts[name]))
        model = Model({module.name: module for module in finished})
        if not self._problems:
            self._check_model(model)
        if self._problems:
            raise SchemaError(list(self._problems))
        return model

    # ------------------------------------------------------------------ for the deriving functions

    @contextmanager
    def reporting(self, place: Place) -> Iterator[None]:
        """A mistake inside becomes a problem of this place, and the derivation goes on."""
        try:
            yield
        except Mistake as mistake:
            self._problems[place.problem(mistake)] = None

    @contextmanager
    def resolving(self, hook: object, annotation: Annotation) -> Iterator[None]:
        """While it is found out what a hook's type travels as. Raises Mistake where that leads back
        to the hook."""
        if hook in self._resolving:
            raise Mistake(
                f"{shown(annotation.base)} would travel as itself", "another type in hooks.register"
            )
        self._resolving.append(hook)
        try:
            yield
        finally:
            self._resolving.pop()

    def hashed(self, type: Type, container: str, site: Site) -> None:
        """Values of a type are in a set, or keys of a dict: checked once structs are known."""
        self._hashed[type, container, site.place] = None

    def scope(self, module: str) -> Scope:
        """The names that annotations in a module may use."""
        if module not in self._scopes:
            self._scopes[module] = Scope(module, vars(sys.modules[module]))
        return self._scopes[module]

    def locked(self, module: str, path: str) -> Sequence[Reserved]:
        """What a module's committed schema has under a path (see `Lock`), in order of ordinals.
        Raises SchemaError for a schema file that cannot be read."""
        if module not in self._known_locks:
            self._known_locks[module] = self._locks(module)
        return self._known_locks[module].get(path, ())

    def key_of(self, cls: type) -> TypeName:
        """The identity of a class. Raises Mistake for one that other code cannot import."""
        module = sys.modules.get(cls.__module__)
        if getattr(module, cls.__name__, None) is not cls:
            raise Mistake(
                f"{cls.__qualname__} is not at the top level of module {cls.__module__}",
                f"class {cls.__name__} outside of functions and other classes",
            )
        return TypeName(cls.__module__, cls.__name__)

    def use_struct(self, cls: type, site: Site) -> TypeName:
        key = self._import_key(cls, site)
        self._add_struct(cls)
        return key

    def use_instance(
        self, cls: type, arguments: tuple[Type, ...], site: Site, *, entry: bool = False
    ) -> TypeName:
        """A generic struct with types for its type parameters; `entry`: that of a dict."""
        for each in arguments:
            if not is_pointer(each):
                raise Mistake(
                    f"{word(each)} cannot stand for a type parameter of {cls.__name__}: it is not"
                    " behind a pointer",
                    "a struct class of its own for it",
                )
        generic = Generic(self.use_struct(cls, site), arguments)
        words = "".join(word(each) for each in arguments)
        key = TypeName(site.module, f"{cls.__name__}{words}{'Entry' if entry else ''}")
        instances = self._draft(site.module).instances
        if key.name not in instances:
            instances[key.name] = derive_instance(self, cls, key, generic, entry=entry)
        elif instances[key.name].generic != generic:
            raise Mistake(
                f"two generic structs would both be called {key.name}",
                '@mpipc.struct(name="...") for one of the types in them',
            )
        return key

    def entry_types(self, entry: TypeName) -> tuple[Type, ...]:
        """The types of the key and the value in an instance that was made for a dict."""
        return tuple(field.type for field in self._draft(entry.module).instances[entry.name].fields)

    def use_generic_struct(
        self, cls: type, arguments: tuple[Type, ...], name: str | None, site: Site
    ) -> TypeName:
        """A struct of its own for a generic struct class with types for its type parameters. Raises
        Mistake."""
        self.key_of(cls)
        name = type_name(name or instance_name(struct_name(cls), arguments))
        key = TypeName(site.module, name)
        known = self._draft(site.module).generic_structs
        if self._is_new(known, name, (cls, arguments)):
            with self.reporting(Place(cls.__module__, cls.__name__)):
                made = derive_generic_struct(cls, arguments, key, site)
                known[name] = ((cls, arguments), made)
        return key

    def use_generic_interface(
        self, cls: type, arguments: tuple[Type, ...], name: str | None, site: Site
    ) -> TypeName:
        """An interface of its own for a generic interface with types for its type parameters.
        Raises Mistake."""
        options = options_of(cls)
        assert options is not None
        self.key_of(cls)
        name = type_name(name or instance_name(options.name or cls.__name__, arguments))
        key = TypeName(site.module, name)
        known = self._draft(site.module).generic_interfaces
        if self._is_new(known, name, (cls, arguments)):
            with self.reporting(Place(cls.__module__, cls.__name__)):
                made = derive_interface_class(self, cls, key, arguments)
                known[name] = ((cls, arguments), made)
        return key

    def _is_new(
        self, known: dict[str, tuple[object, T | None]], name: str, identity: object
    ) -> bool:
        """Whether a use of a generic class was not derived yet; it is then being derived, and may
        contain itself. Raises Mistake for two of one name."""
        if name not in known:
            known[name] = (identity, None)
            return True
        if known[name][0] != identity:
            raise Mistake(
                f"two uses of generic classes would both be called {name}",
                'Annotated[..., mpipc.struct(name="...")], or mpipc.interface, around one of them',
            )
        return False

    def use_interface(self, cls: type, site: Site) -> TypeName:
        key = self._import_key(cls, site)
        self._draft(cls.__module__)
        return key

    def use_enum(self, cls: type[enum.Enum], site: Site) -> TypeName:
        """An Enum has no declaration in the schema; it is listed with the module that uses it."""
        key = self.key_of(cls)
        members = tuple((name, int(item.value)) for name, item in cls.__members__.items())
        self._draft(site.module).enums[key] = Enumeration(key, members, docstring(cls))
        return key

    def use_declared_enum(self, cls: type[enum.Enum], site: Site) -> TypeName:
        """An Enum that is declared in the schema of its module. Raises Mistake."""
        key = self._import_key(cls, site)
        self._draft(cls.__module__)
        return key

    def use_map(self, type: MapType) -> None:
        """Declare the struct of a dict's entries, once for each dict type and module."""
        members = [_item("key", type.key), _item("value", type.value)]
        self._make_up(type.entry, "entry", members, type)

    def use_tuple(self, type: TupleType) -> None:
        """Declare the struct of a tuple, once for each tuple type and module."""
        members = [_item(f"item{index}", each) for index, each in enumerate(type.items)]
        self._make_up(type.key, "tuple", members, type)

    def _make_up(
        self, key: TypeName, kind: StructKind, members: Sequence[Member], type: Type
    ) -> None:
        made_up = self._draft(key.module).entries
        name = key.name
        if name not in made_up:
            found, fields, _ = record(name, members, self.locked(key.module, name))
            made_up[name] = (type, Struct(key, name, kind, found, tuple(fields)))
        elif made_up[name][0] != type:
            raise Mistake(
                f"two structs that are made up for dicts or tuples would both be called {name}",
                '@mpipc.struct(name="...") for one of the types in them',
            )

    def use_callback(
        self,
        options: declare.InterfaceOptions,
        arguments: tuple[object, ...],
        returns: object,
        site: Site,
    ) -> TypeName:
        """Declare the interface of a Callable. Raises Mistake."""
        name = type_name(options.name or site.callback_name())
        key = TypeName(site.module, name)
        callbacks = self._draft(site.module).callbacks
        identity = (options, arguments, returns)
        if name not in callbacks:
            callbacks[name] = (identity, None)
            made = derive_callback(key, options, arguments, returns, site)
            callbacks[name] = (identity, made)
        elif callbacks[name][0] != identity:
            raise Mistake(
                f"two different Callables are both called {name}",
                "Annotated[Callable[...], mpipc.interface(name=...)] with another name",
            )
        return key

    def use_stream(
        self,
        name: str,
        options: declare.InterfaceOptions,
        items: ListType,
        site: Site,
        *,
        secret: bool,
    ) -> TypeName:
        """Declare the interface of an iterator over the elements of `items`, which are secret if
        those of any iterator of this name are. Raises Mistake."""
        key = TypeName(site.module, type_name(name))
        streams = self._draft(site.module).streams
        identity = (options, items, site.streams)
        if name not in streams:
            streams[name] = (identity, derive_stream(key, options, items, site, secret=secret))
        elif streams[name][0] == identity:
            if secret:
                streams[name] = (identity, derive_stream(key, options, items, site, secret=True))
        else:
            raise Mistake(
                f"two different iterators are both called {name}",
                "Annotated[Iterator[...], mpipc.interface(name=...)] with another name",
            )
        return key

    def use_union(
        self,
        name: str,
        options: declare.StructOptions,
        alternatives: tuple[object, ...],
        site: Site,
    ) -> TypeName:
        """Declare the struct of a union. Raises Mistake."""
        key = TypeName(site.module, type_name(name))
        unions = self._draft(site.module).unions
        identity = (options, alternatives)
        if name not in unions:
            unions[name] = (identity, None)  # it may contain itself
            unions[name] = (identity, derive_union(key, options, alternatives, site))
        elif unions[name][0] != identity:
            raise Mistake(
                f"two different unions are both called {name}",
                'a name for one of them: X = A | B, or Annotated[A | B, mpipc.struct(name="...")]',
            )
        return key

    # ------------------------------------------------------------------------------------ modules

    def _draft(self, name: str) -> Draft:
        """The draft of a module; the first time, its declarations are put on the worklist."""
        if name in self._drafts:
            return self._drafts[name]
        draft = self._drafts[name] = Draft(name)
        for each, value in list(vars(sys.modules[name]).items()):
            if _is_generic_union(value):
                self._work.append(partial(self._declare_union, name, each, value))
            if not isinstance(value, type) or value.__module__ != name or value.__name__ != each:
                continue
            if options_of(value) is not None and type_parameters(value):
                continue  # its uses are interfaces
            elif options_of(value) is not None:
                draft.interfaces[value] = None
                self._work.append(lambda cls=value: self._derive_interface(cls))  # type: ignore[misc]
            elif type_parameters(value) and not is_template(value):
                continue
            elif declare.options_of(value, declare.STRUCT) is not None:
                self._add_struct(value)
            elif declare.options_of(value, declare.ENUM) is not None:
                self._work.append(lambda cls=value: self._derive_enum(cls))  # type: ignore[misc]
        return draft

    def _derive_enum(self, cls: type) -> None:
        with self.reporting(Place(cls.__module__, cls.__name__)):
            made = derive_enum(self, cls)
            self._drafts[cls.__module__].enums[made.key] = made

    def _declare_union(self, module: str, name: str, union: Any) -> None:
        with self.reporting(Place(module, name)):
            bound: dict[str, Type] = {
                each.__name__: ParameterType(each.__name__) for each in union.__parameters__
            }
            site = Site(self, module, self.scope(module), Place(module, name), (name,), bound)
            type_of(site.unwrap(union), site)

    def _derive_interface(self, cls: type) -> None:
        with self.reporting(Place(cls.__module__, cls.__name__)):
            self._drafts[cls.__module__].interfaces[cls] = derive_interface_class(self, cls)

    def _add_struct(self, cls: type) -> None:
        structs = self._draft(cls.__module__).structs
        if cls not in structs:
            structs[cls] = None
            self._work.append(lambda: self._derive_struct(cls))

    def _derive_struct(self, cls: type) -> None:
        with self.reporting(Place(cls.__module__, cls.__name__)):
            self._drafts[cls.__module__].structs[cls] = derive_struct(self, cls)

    def _import_key(self, cls: type, site: Site) -> TypeName:
        key = self.key_of(cls)
        if key.module != site.module:
            self._draft(site.module).imports.add(key.module)
        return key

    def _finish(self, draft: Draft) -> Module:
        module = sys.modules[draft.name]
        order = {value: index for index, value in enumerate(_classes(draft.name))}
        structs = _declared(draft.structs, order)
        for found in (draft.generic_structs, draft.unions):
            structs += [made for _, (_, made) in sorted(found.items()) if made is not None]
        structs += [entry for _, (_, entry) in sorted(draft.entries.items())]
        interfaces = _declared(draft.interfaces, order)
        for others in (draft.generic_interfaces, draft.callbacks):
            interfaces += [made for _, (_, made) in sorted(others.items()) if made is not None]
        interfaces += [made for _, (_, made) in sorted(draft.streams.items())]
        named: list[Struct | Interface | Enumeration] = [*structs, *interfaces]
        named += [each for each in draft.enums.values() if each.name]
        again = repeated(each.name for each in named)
        if again:
            raise Mistake(
                f"two of its types are called {again[0]!r} in the schema",
                'name="..." in the decorator of one of them',
            )
        found_constants = tuple(constants(self, draft.name))
        again = repeated(each.schema_name for each in found_constants)
        if again:
            raise Mistake(
                f"two of its constants are called {again[0]!r} in the schema",
                'mpipc.Const("...") for one of them',
            )
        file = getattr(module, declare.SCHEMA_FILE, declare.SchemaFile())
        return Module(
            name=draft.name,
            stem=draft.name.rpartition(".")[2],
            id=_file_id(draft.name, file),
            structs=tuple(structs),
            interfaces=tuple(interfaces),
            enums=tuple(each for _, each in sorted(draft.enums.items(), key=lambda e: str(e[0]))),
            instances=tuple(sorted(draft.instances.values(), key=self._order)),
            imports=tuple(sorted(draft.imports)),
            cxx_namespace=file.cxx_namespace,
            include=tuple(file.include),
            include_types=tuple(file.include_types),
            doc=docstring(module),
            constants=found_constants,
        )

    def _order(self, instance: Struct) -> tuple[int, str]:
        """First what is inside of others."""
        return self._depth(instance), instance.key.name

    def _depth(self, instance: Struct) -> int:
        inside, depth = [field.type for field in instance.fields], 0
        while inside:
            match inside.pop():
                case ListType(element) | OptionalType(element):
                    inside.append(element)
                case TupleType(items):
                    inside += items
                case MapType(key, value):
                    inside += [key, value]
                case HookedType(wire=wire) | LiteralType(wire=wire) | CheckedType(wire=wire):
                    inside.append(wire)
                case StructType(key):
                    found = self._draft(key.module).instances.get(key.name)
                    depth = max(depth, self._depth(found) + 1 if found else 0)
        return depth

    def _check_model(self, model: Model) -> None:
        """What only shows when all modules are known."""
        for type, container, place in self._hashed:
            with self.reporting(place):
                check_hashable(model, type, container)
        for module in model.modules.values():
            for other in model.modules.values():
                if module.id == other.id and module.name < other.name:
                    with self.reporting(Place(other.name, declare.SCHEMA_FILE)):
                        raise Mistake(
                            f"its file id {module.id:#x} is also that of {module.name}",
                            "another id, or none",
                        )
            for struct in module.structs:
                self._check_recursion(model, struct)
            for interface in module.interfaces:
                for method in interface.methods:
                    at = Place(module.name, interface.key.name, method.name)
                    for each in method.parameters:
                        with self.reporting(at.at_parameter(each.name)):
                            check_parts(model, each)

    def _check_recursion(self, model: Model, struct: Struct) -> None:
        """A struct that needs another of its own kind inside could never be made."""
        seen: set[TypeName] = set()
        for first in struct.fields:
            needed = [first]
            while needed:
                field = needed.pop()
                if field.optional:
                    continue
                if not isinstance(type := carried(field.type), StructType | TupleType):
                    continue
                if type.key == struct.key:
                    with self.reporting(Place(struct.key.module, struct.key.name, first.name)):
                        raise Mistake(
                            f"every {struct.name} would contain another {struct.name}",
                            "`| None` after its type, or a list",
                        )
                    break
                if type.key not in seen:
                    seen.add(type.key)
                    needed.extend(model.struct(type.key).fields)


def _item(name: str, type: Type) -> Member:
    if not isinstance(type, OptionalType):
        return Member(name, type, field=name)
    flag = None if is_pointer(type.type) else Primitive("Bool")
    return Member(name, type.type, field=name, optional=True, flag=flag)


def _import(name: str) -> None:
    if name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise
        raise Mistake(
            f"there is no module {error.name}", "the name of a module as in `import`"
        ) from None


def _is_generic_union(value: object) -> bool:
    """Whether it is Annotated[A | B, mpipc.struct(generic=True)]."""
    return get_origin(value) is Annotated and any(
        isinstance(each, declare.StructOptions) and each.generic for each in get_args(value)[1:]
    )


def _classes(module: str) -> list[type]:
    return [value for value in vars(sys.modules[module]).values() if isinstance(value, type)]


def _declared(found: dict[type, T | None], order: dict[type, int]) -> list[T]:
    """In order of definition; what could not be derived is left out."""
    return [
        made
        for _, made in sorted(found.items(), key=lambda item: order[item[0]])
        if made is not None
    ]


def _file_id(module: str, file: object) -> int:
    """The declared file id, else one that follows from the module's name. Raises Mistake."""
    if not isinstance(file, declare.SchemaFile):
        raise Mistake(
            f"__schema__ is no SchemaFile, but of type {type(file).__name__}",
            "__schema__ = mpipc.SchemaFile(...)",
        )
    for several in ("include", "include_types"):
        if isinstance(getattr(file, several), str):
            raise Mistake(f"{several} of __schema__ is one text", f'{several}=["..."]')
    if file.id is None:
        name = imported_name(module)
        if name is None:
            raise Mistake(
                "it is run as a script, so that others import it by a name that is not known here",
                "`python -m PACKAGE.MODULE`, a module of its own for what it declares, or"
                " __schema__ = mpipc.SchemaFile(id=...)",
            )
        digest = hashlib.sha256(name.encode()).digest()
        return int.from_bytes(digest[:8], "big") | 1 << 63
    if not isinstance(file.id, int):
        raise Mistake(f"the file id {file.id!r} is no number", "SchemaFile(id=0x...), or no id")
    if not 1 << 63 <= file.id < 1 << 64:
        raise Mistake(
            f"the file id {file.id:#x} is no 64-bit number whose top bit is set",
            f"SchemaFile(id={file.id % (1 << 64) | 1 << 63:#x}), or no id",
        )
    return file.id
