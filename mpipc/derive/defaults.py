"""The defaults that Python has for fields of structs: the sender's side fills them in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache

from typing_extensions import is_typeddict

from mpipc.model import Field, Struct, TypeName, python_object


def field_default(struct: Struct, field: Field) -> object:
    """The value of a field that is left out; `inspect.Parameter.empty` where there is none."""
    found = _parameters(struct.cls).get(field.keyword or field.name)
    return inspect.Parameter.empty if found is None else found.default


@cache
def _parameters(cls: TypeName) -> Mapping[str, inspect.Parameter]:
    found = python_object(cls)
    return {} if is_typeddict(found) else inspect.signature(found).parameters
