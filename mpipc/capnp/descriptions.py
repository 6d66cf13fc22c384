"""What generated code says of types while a program runs, for errors and logs.

"Int32", "Text", "Data"             a Cap'n Proto type
"Callable"                          anything callable
"Iterable"                          anything to iterate over
Color, timedelta, Block, Chain      a class
[T]                                 a list of T
Entries(K, V)                       a dict
Items(T, U)                         a tuple of a T and a U
(T, None)                           a T or None
(T, ...)                            a T, in a TypedDict that may lack it
Checked(check, T)                   a T that `check` does not refuse
Hooked(T, build, W)                 a T, which travels as the W that `build` makes of it
Secret(T)                           a T that must not be shown
"module.Shape"                      one of the alternatives of a union, or a generic struct
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from typing_extensions import is_typeddict

Description: TypeAlias = Any


class Checked(NamedTuple):
    """Describes a type of which a function refuses some values."""

    check: Callable[[Any], object]
    type: Description


class Hooked(NamedTuple):
    """Describes a type that travels as another one."""

    cls: type
    build: Callable[[Any], object]
    wire: Description


class Items(tuple[Description, ...]):
    """Describes a tuple of fixed length by its items."""

    def __new__(cls, *items: Description) -> Items:
        return super().__new__(cls, items)


class Entries(NamedTuple):
    """Describes a dict."""

    key: Description
    value: Description


class Secret:
    """Describes a type whose values must not be shown here."""

    def __init__(self, type: Description) -> None:
        self.type = type


class Instance:
    """Describes a generic struct class, with its fields as they are in one of its instances."""

    def __init__(self, cls: type, /, **fields: Description) -> None:
        self.cls = cls
        self.fields = fields
        # What is a secret in one of the instances is not shown of any: their objects look alike.
        known = fields_of.setdefault(cls, {})
        fields_of[cls] = {
            name: known[name] if hidden(known.get(name)) else field
            for name, field in fields.items()
        }
        _hiding.clear()


fields_of: dict[type, Mapping[str, Description]] = {}
"""Of struct and Results classes."""

unions: dict[str, tuple[Description, ...]] = {}
generics: dict[str, Instance] = {}
_hiding: dict[type, bool] = {}


def describe(cls: type, /, **fields: Description) -> None:
    """Say what the fields of a struct or Results class are."""
    fields_of[cls] = fields
    _hiding.clear()


def describe_union(name: str, /, *alternatives: Description) -> None:
    """Say what the alternatives of a union are."""
    unions[name] = alternatives
    _hiding.clear()


def describe_generic(name: str, cls: type, /, **fields: Description) -> None:
    """Say what the fields of a generic struct class are in one of its uses."""
    generics[name] = Instance(cls, **fields)


def hidden(type: Description) -> bool:
    """Whether values of a type must not be shown at all. A TypedDict with a secret is one of them:
    its values are dicts like any others."""
    if isinstance(type, Secret):
        return True
    if isinstance(type, str):
        return any(map(hidden, unions.get(type, ())))
    if is_typeddict(type):
        return any(map(hidden, fields_of.get(type, {}).values()))
    return any(map(hidden, _inside(type)))


def secretive(cls: type) -> Mapping[str, Description] | None:
    """The fields of a class whose values, or what is in them, are partly secret; None of others."""
    for base in cls.__mro__:
        if base in fields_of:
            if base not in _hiding:
                _hiding[base] = _hides(base, set())
            return fields_of[base] if _hiding[base] else None
    return None


def _hides(type: Description, seen: set[object]) -> bool:
    if isinstance(type, Secret):
        return True
    if isinstance(type, str):
        if type in seen:
            return False
        seen.add(type)
        instance = generics.get(type)
        inner = unions.get(type, ()) if instance is None else (instance,)
        return any(_hides(each, seen) for each in inner)
    if isinstance(type, Instance):
        return any(_hides(each, seen) for each in type.fields.values())
    if isinstance(type, Checked | Hooked | tuple | list):
        return any(_hides(each, seen) for each in _inside(type))
    if type in seen or type not in fields_of:
        return False
    seen.add(type)
    return any(_hides(each, seen) for each in fields_of[type].values())


def _inside(type: Description) -> Iterator[Description]:
    """The types that a description is made of."""
    if isinstance(type, Checked):
        yield type.type
    elif isinstance(type, Hooked):
        yield type.wire
    elif isinstance(type, tuple | list):
        yield from (each for each in type if each is not None and each is not ...)
