"""Generic classes: what stands for the type parameters of a class and of those it is derived from.

Cap'n Proto has generics for what is behind a pointer only. So a generic class that is used with
type arguments becomes a struct, or an interface, of its own for each use, which is called after
them: `Result[Int32]` -> `ResultInt32`. (`mpipc.struct(generic=True)` asks for Cap'n Proto's.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Generic, get_args, get_origin

from mpipc.derive.annotations import Scope, shown
from mpipc.derive.mistakes import Mistake
from mpipc.derive.site import Site
from mpipc.derive.types.registry import element_of
from mpipc.derive.types.words import word
from mpipc.model import OptionalType, Type

if TYPE_CHECKING:
    from mpipc.derive.session import Session

Bindings = Mapping[str, Type]
"""What type parameters stand for, by their names."""


def type_parameters(cls: type) -> tuple[str, ...]:
    """The names of a generic class's type parameters."""
    return tuple(each.__name__ for each in getattr(cls, "__parameters__", ()))


def arguments_of(cls: type, given: Sequence[object], site: Site) -> tuple[Type, ...]:
    """The types that stand for the type parameters of `cls` in `cls[...]`. Raises Mistake."""
    count = len(type_parameters(cls))
    if len(given) != count:
        arguments = ", ".join(type_parameters(cls))
        raise Mistake(f"{cls.__name__} without type arguments", f"{cls.__name__}[{arguments}]")
    found = tuple(
        element_of(each, replace(site, owner=(*site.owner, name)))
        for name, each in zip(type_parameters(cls), given, strict=True)
    )
    at = next((n for n, each in enumerate(found) if isinstance(each, OptionalType)), None)
    if at is not None:
        raise Mistake(
            f"{cls.__name__}[{shown(given[at])}]: None cannot stand for a type parameter",
            "`| None` in the class",
        )
    return found


def instance_name(name: str, arguments: tuple[Type, ...]) -> str:
    """What a generic class with type arguments is called in the schema."""
    return name + "".join(map(word, arguments))


def class_scope(session: Session, cls: type) -> Scope:
    """The names that annotations in a class may use; `class Box[T]` has one that no module has."""
    scope = session.scope(cls.__module__)
    own = {each.__name__: each for each in getattr(cls, "__type_params__", ())}
    return Scope(scope.module, {**scope.names, **own}) if own else scope


def bases_of(cls: type) -> Iterator[tuple[type, tuple[object, ...]]]:
    """The bases of a class, each with its type arguments."""
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if isinstance(origin, type) and origin is not Generic:
            yield origin, get_args(base)


def bindings_of(cls: type, site: Site) -> dict[type, Bindings]:
    """What stands for the type parameters of a class, for which `site` says it, and of all that it
    is derived from. Raises Mistake."""
    found: dict[type, Bindings] = {cls: site.bindings}
    queue = [cls]
    while queue:
        derived = queue.pop()
        for base, arguments in bases_of(derived):
            parameters = type_parameters(base)
            if base in found:
                continue
            found[base] = {}
            if parameters and len(arguments) == len(parameters):
                at = site.within(class_scope(site.session, derived), found[derived])
                types = (element_of(each, at) for each in arguments)
                found[base] = dict(zip(parameters, types, strict=True))
            queue.append(base)
    return found
