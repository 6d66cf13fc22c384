"""The defaults that Python has for parameters and fields: the sender's side fills them in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from operator import index
from typing import SupportsFloat, SupportsIndex

from typing_extensions import is_typeddict

from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import integer_range
from mpipc.derive.records import Member
from mpipc.model import Field, Primitive, Struct, TextType, TypeName, VoidType, python_object


def check_default(default: object, member: Member) -> None:
    """Raise Mistake for a default of a parameter that is no value of its type, as far as that is
    plain to see."""
    type = member.type
    if default is None:
        if not member.optional and not isinstance(type, VoidType):
            raise Mistake("the default is None, which is no value of its type", "`T | None = None`")
        return
    match type:
        case Primitive("Bool"):
            name, fits = "bool", isinstance(default, bool)
        case Primitive("Float32" | "Float64" as name):
            fits = isinstance(default, SupportsFloat)
        case Primitive(name):
            low, high = integer_range(name)
            fits = isinstance(default, SupportsIndex) and low <= index(default) <= high
        case TextType():
            name, fits = "str", isinstance(default, str)
        case _:
            return
    if not fits:
        shown = "that it has" if member.secret else repr(default)
        raise Mistake(f"the default {shown} is no {name}", f"a value of {name}")


def field_default(struct: Struct, field: Field) -> object:
    """The value of a field that is left out; `inspect.Parameter.empty` where there is none."""
    found = _parameters(struct.cls).get(field.keyword or field.name)
    return inspect.Parameter.empty if found is None else found.default


@cache
def _parameters(cls: TypeName) -> Mapping[str, inspect.Parameter]:
    found = python_object(cls)
    return {} if is_typeddict(found) else inspect.signature(found).parameters
