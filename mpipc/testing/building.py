"""Objects of struct classes of every kind: made of their fields' values, and taken apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mpipc.model import Field


def built(cls: Any, fields: Iterable[Field], values: Iterable[Any]) -> Any:
    """An object whose fields have these values. A field that may be missing is, where its value is
    None."""
    positional, named = [], {}
    for field, value in zip(fields, values, strict=True):
        if not field.keyword:
            positional.append(value)
        elif not field.missing or value is not None:
            named[field.keyword] = value
    return cls(*positional, **named)


def value_of(field: Field, built: Any) -> Any:
    """The value of a field; None for one that is missing."""
    return built.get(field.name) if isinstance(built, dict) else getattr(built, field.name)
