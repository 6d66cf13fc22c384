"""Objects of struct classes of every kind: made of their fields' values, and taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from mpipc.model import (
    Field,
    Model,
    Struct,
    StructType,
    python_object,
)


def class_of(struct: Struct) -> Any:
    """The class of a struct's objects."""
    return tuple if struct.kind == "tuple" else python_object(struct.cls)


def built(cls: Any, fields: Iterable[Field], values: Iterable[Any]) -> Any:
    """An object whose fields have these values. A field that may be missing is, where its value is
    None."""
    positional, named = [], {}
    for field, value in zip(fields, values, strict=True):
        if not field.keyword:
            positional.append(value)
        elif not field.missing or value is not None:
            named[field.keyword] = value
    return tuple(positional) if cls is tuple else cls(*positional, **named)


def value_of(field: Field, built: Any) -> Any:
    """The value of a field; None for one that is missing."""
    if type(built) is tuple:
        return built[int(field.name.removeprefix("item"))]
    return built.get(field.name) if isinstance(built, dict) else getattr(built, field.name)


def put_together(model: Model, fields: Iterable[Field], values: Iterable[Any]) -> Iterator[Any]:
    """The values of the parameters that travel, from those that a method is called with."""
    given = iter(values)
    for field in fields:
        if field.parts:
            assert isinstance(field.type, StructType)
            struct = model.struct(field.type.key)
            yield built(class_of(struct), struct.fields, islice(given, len(field.parts)))
        else:
            yield next(given)
