"""A struct class -> `model.Struct`."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, cast

import msgspec
from typing_extensions import is_typeddict

from mpipc import declare
from mpipc.derive.docs import docstring
from mpipc.derive.mistakes import Mistake, Place
from mpipc.derive.names import type_name
from mpipc.derive.records import Member, member, record
from mpipc.derive.site import Site
from mpipc.derive.types.generics import bindings_of, class_scope, type_parameters
from mpipc.derive.types.structs import kind_of
from mpipc.model import Generic, ParameterType, Struct, StructType, Type, TypeName

if TYPE_CHECKING:
    from mpipc.derive.session import Session


def struct_name(cls: type) -> str:
    """The schema name of a struct class, not checked."""
    options = cast(declare.StructOptions | None, declare.options_of(cls, declare.STRUCT))
    return (options and options.name) or cls.__name__


@dataclass(frozen=True)
class Attribute:
    """A field of a struct class. `argument`: what the class is built from calls it, `keyword`:
    it is passed by that name. `owner` is the class, perhaps a base, that declares it."""

    name: str
    annotation: object
    owner: type
    argument: str
    keyword: bool = False


def attributes_of(cls: type) -> list[Attribute]:
    """The fields of a struct class, without those that it fills in itself (`init=False`). Raises
    Mistake."""
    if is_typeddict(cls):
        annotations = inspect.get_annotations(cls)
        for name in annotations:
            if not name.isidentifier() or iskeyword(name):
                raise Mistake(f"its key {name!r} is no name in Python", "another key")
        return [Attribute(name, each, cls, name, True) for name, each in annotations.items()]
    arguments = _arguments(cls)
    positional, keywords = _parameters(cls)
    expected = [argument for argument in arguments.values() if argument not in keywords]
    if positional != expected or not keywords <= {*arguments.values()}:
        taken = ", ".join([*positional, *sorted(keywords)])
        raise Mistake(
            f"it is built from ({taken}), but has the fields ({', '.join(arguments.values())})",
            "a class that is built from its fields: no InitVar, and no __init__ of its own",
        )
    found = []
    for name, argument in arguments.items():
        annotation, owner = _annotation(cls, name)
        found.append(Attribute(name, annotation, owner, argument, argument in keywords))
    return found


def _parameters(cls: Any) -> tuple[list[str], set[str]]:
    """What a struct class is called with: by position, and by name only."""
    if issubclass(cls, msgspec.Struct):
        # Its signature would need all of its annotations to be resolved.
        positional = cls.__match_args__
        return [*positional], {*cls.__struct_fields__} - {*positional}
    parameters = inspect.signature(cls).parameters.values()
    return (
        [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD],
        {each.name for each in parameters if each.kind is each.KEYWORD_ONLY},
    )


def _arguments(cls: Any) -> dict[str, str]:
    """What a struct class is built from: for each field the parameter of its constructor."""
    if issubclass(cls, msgspec.Struct):
        return {name: name for name in cls.__struct_fields__}
    if dataclasses.is_dataclass(cls):
        return {field.name: field.name for field in dataclasses.fields(cls) if field.init}
    if hasattr(cls, "__attrs_attrs__"):
        return {each.name: each.alias for each in cls.__attrs_attrs__ if each.init}
    return {name: name for name in cls._fields}


def _annotation(cls: type, name: str) -> tuple[object, type]:
    """The annotation of a field, and the class that declares it. Raises Mistake."""
    for owner in cls.__mro__:
        annotations = inspect.get_annotations(owner)
        if name in annotations:
            return annotations[name], owner
    raise Mistake(f"its field {name} has no type", f"{name}: T")


def field_members(
    cls: type, site: Site, *, wrapped: bool = False, outer: tuple[type, ...] = ()
) -> list[Member]:
    """The fields of a struct or Results class; mistakes become problems. `outer`: the classes that
    it is a group in."""
    required = getattr(cls, "__required_keys__", None)
    bindings = bindings_of(cls, site)
    options = declare.options_of(cls, declare.STRUCT)
    secret = isinstance(options, declare.StructOptions) and options.secret
    members = []
    for each in attributes_of(cls):
        # A TypedDict forgets which base a key came from, but not its module.
        module = getattr(each.annotation, "__forward_module__", None)
        session = site.session
        scope = session.scope(module) if module else class_scope(session, each.owner)
        at = site.member(each.name).within(scope, bindings[each.owner])
        with site.session.reporting(at.place):
            found = member(
                each.name,
                each.annotation,
                at,
                wrapped=wrapped,
                keyword=each.argument if each.keyword else "",
                required=required is None or each.name in required,
            )
            inside = _group(each.annotation, found, at, (*outer, cls))
            hidden = found.secret or secret
            members.append(dataclasses.replace(found, secret=hidden, group=inside))
    return members


def _group(
    annotation: object, found: Member, site: Site, outer: tuple[type, ...]
) -> tuple[Member, ...]:
    """The members of a field that is a group; of another there are none. `outer`: the classes that
    it is in. Raises Mistake."""
    declared = site.unwrap(annotation)
    options = declared.find(declare.Field)
    if options is None or not options.group:
        return ()
    cls = declared.base
    if not isinstance(found.type, StructType) or not isinstance(cls, type):
        raise Mistake(
            "a group that is no struct", "a struct class without type parameters, or no group=True"
        )
    if found.optional or options.ordinal is not None:
        raise Mistake(
            "a group that may be None or has an ordinal: it is its fields, and nothing besides",
            "group=True alone; fields of the group may be None",
        )
    if issubclass(outer[0], declare.Results):
        raise Mistake("a group among results", "a struct as a result, which may have groups")
    if cls in outer:
        raise Mistake(f"the group {cls.__name__} is inside of itself", "no group=True there")
    at = dataclasses.replace(site, place=Place(cls.__module__, cls.__name__), bindings={})
    members = field_members(cls, at, outer=outer)
    if not members or any(each.missing for each in members):
        raise Mistake(
            "a group without fields, or with keys that may be missing", "`| None` for such a key"
        )
    return tuple(members)


def derive_struct(session: Session, cls: type) -> Struct:
    """Describe a struct class. Raises Mistake; mistakes in its fields become problems."""
    kind = kind_of(cls)
    if kind is None:
        raise Mistake(
            "decorated with @mpipc.struct, but no struct class",
            "a msgspec.Struct, a dataclass or an attrs class (@mpipc.struct above its decorator), a"
            " NamedTuple or a TypedDict",
        )
    options = declare.options_of(cls, declare.STRUCT) or declare.StructOptions()
    assert isinstance(options, declare.StructOptions)
    name = type_name(struct_name(cls))
    module = cls.__module__
    parameters = type_parameters(cls)
    site = Site(session, module, session.scope(module), Place(module, cls.__name__), (name,))
    site = dataclasses.replace(site, bindings={each: ParameterType(each) for each in parameters})
    members = field_members(cls, site, wrapped=options.wrap is not None)
    found, fields, _ = record(name, members, session.locked(module, name))
    key = TypeName(module, cls.__name__)
    doc = docstring(cls)
    return Struct(
        key, name, kind, found, tuple(fields), options.wrap, doc, options.count, parameters
    )


def derive_instance(
    session: Session, cls: type, key: TypeName, generic: Generic, *, entry: bool
) -> Struct:
    """Describe a generic struct with types for its type parameters, as an entry of a dict or as an
    object. Mistakes in its fields become problems."""
    kind = kind_of(cls)
    assert kind is not None
    name, module = struct_name(cls), cls.__module__
    site = Site(session, module, session.scope(module), Place(module, cls.__name__), (name,))
    bindings = dict(zip(type_parameters(cls), generic.arguments, strict=True))
    members = field_members(cls, dataclasses.replace(site, bindings=bindings))
    found, fields, _ = record(key.name, members, session.locked(module, name))
    made = "entry" if entry else kind
    return Struct(key, name, made, found, tuple(fields), generic=generic)


def derive_generic_struct(
    cls: type, arguments: tuple[Type, ...], key: TypeName, site: Site
) -> Struct:
    """Describe a generic struct class with types for its type parameters, which `site` uses, as a
    struct of its own. Raises Mistake; mistakes in its fields become problems."""
    kind = kind_of(cls)
    assert kind is not None
    bindings = dict(zip(type_parameters(cls), arguments, strict=True))
    place = Place(cls.__module__, cls.__name__)
    at = Site(site.session, key.module, site.scope, place, (key.name,), bindings)
    members = field_members(cls, at)
    found, fields, _ = record(key.name, members, site.session.locked(key.module, key.name))
    generic = Generic(TypeName(cls.__module__, cls.__name__), arguments)
    doc = docstring(cls)
    return Struct(key, key.name, kind, found, tuple(fields), doc=doc, generic=generic)
