"""Where objects are among the values of a model's types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from mpipc.generate.alternatives import alternative_of
from mpipc.model import (
    CONTAINERS,
    CheckedType,
    Field,
    Interface,
    InterfaceType,
    ListType,
    MapType,
    Model,
    OptionalType,
    StructType,
    TupleType,
    Type,
    TypeName,
    UnionType,
)
from mpipc.testing.building import built, class_of, value_of


@dataclass(frozen=True)
class Pick:
    """Stands for an object of an interface among generated values: hypothesis keeps those, and
    would keep the object."""

    interface: TypeName
    number: int

    def __repr__(self) -> str:
        return f"<{self.interface.name} {self.number}>"


def used_by(model: Model, interface: Interface) -> list[Interface]:
    """The interfaces whose objects an interface's methods take and give, inherited ones
    included."""
    found: dict[TypeName, None] = {}
    seen: set[Type] = set()
    types = [
        field.type
        for each in model.ancestry(interface)
        for method in each.methods
        for field in (*method.parameters, *method.result_fields)
    ]
    while types:
        type = types.pop()
        if type in seen:
            continue
        seen.add(type)
        match type:
            case InterfaceType(_, stream) if stream is not None:
                types.append(stream)
            case InterfaceType(key):
                found[key] = None
            case ListType(inner) | OptionalType(inner) | CheckedType(wire=inner):
                types.append(inner)
            case MapType(key, value):
                types += key, value
            case StructType(key) | TupleType(key=key) | UnionType(key):
                types += (field.type for field in model.struct(key).fields)
    return sorted(map(model.interface, found), key=lambda each: str(each.key))


def reachable(model: Model, interface: Interface) -> list[Interface]:
    """The interface, and those of all objects that somebody may get who has an object of it."""
    found = {interface.key: interface}
    queue = [interface]
    while queue:
        for each in used_by(model, queue.pop()):
            if each.key not in found:
                found[each.key] = each
                queue.append(each)
    return list(found.values())


def objects_in(
    model: Model, fields: Iterable[Field], values: Iterable[Any]
) -> Iterator[tuple[Interface, Any]]:
    """The objects among the values of some fields, in order, each with the interface that is
    declared there. Those in sets are left out: they have no order; and those in iterators, which
    can be read only once."""
    for field, value in zip(fields, values, strict=True):
        yield from _objects_in(model, field.type, value)


def _objects_in(model: Model, type: Type, value: Any) -> Iterator[tuple[Interface, Any]]:
    if value is None:
        return
    match type:
        case InterfaceType(_, None):
            yield model.interface(type.key), value
        case OptionalType(inner) | CheckedType(wire=inner):
            yield from _objects_in(model, inner, value)
        case ListType(element, "list" | "tuple"):
            for each in value:
                yield from _objects_in(model, element, each)
        case MapType(_, inner):
            for each in value.values():
                yield from _objects_in(model, inner, each)
        case UnionType(key):
            yield from _objects_in(model, alternative_of(model, key, value).type, value)
        case StructType(key) | TupleType(key=key):
            fields = model.struct(key).fields
            yield from objects_in(model, fields, (value_of(f, value) for f in fields))


Make = Callable[[Interface, Pick], Any]


def with_objects(
    model: Model, fields: Iterable[Field], values: Iterable[Any], make: Make
) -> tuple[Any, ...]:
    """The values of some fields, with what `make` makes of each `Pick` in them."""
    return tuple(
        _with_objects(model, field.type, value, make)
        for field, value in zip(fields, values, strict=True)
    )


def _with_objects(model: Model, type: Type, value: Any, make: Make) -> Any:
    if isinstance(value, Pick):
        return make(model.interface(value.interface), value)
    if value is None:
        return None
    match type:
        case OptionalType(inner) | CheckedType(wire=inner):
            return _with_objects(model, inner, value, make)
        case InterfaceType(_, stream) if stream is not None:
            return [_with_objects(model, stream, each, make) for each in value]
        case ListType(element, container):
            return CONTAINERS[container](_with_objects(model, element, v, make) for v in value)
        case MapType(_, inner):
            return {k: _with_objects(model, inner, v, make) for k, v in value.items()}
        case UnionType(key):
            return _with_objects(model, alternative_of(model, key, value).type, value, make)
        case StructType(key) | TupleType(key=key):
            struct = model.struct(key)
            inside = (value_of(field, value) for field in struct.fields)
            filled = with_objects(model, struct.fields, inside, make)
            return built(class_of(struct), struct.fields, filled)
    return value
