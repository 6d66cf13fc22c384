"""An Enum class that is declared in the schema -> `model.Enumeration`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from mpipc import declare
from mpipc.derive.docs import docstring
from mpipc.derive.lock import number
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import camel, member_name, repeated, type_name
from mpipc.model import Enumeration

if TYPE_CHECKING:
    from mpipc.derive.session import Session


def derive_enum(session: Session, cls: type) -> Enumeration:
    """Describe an Enum. Its members get ordinals in order of declaration, and keep those that they
    have in the committed schema. Raises Mistake."""
    if not issubclass(cls, enum.Enum) or issubclass(cls, enum.Flag):
        raise Mistake(
            f"decorated with @mpipc.enum, but {_what(cls)}",
            "an Enum, or no decorator: a Flag travels as an integer",
        )
    options = declare.options_of(cls, declare.ENUM)
    assert isinstance(options, declare.EnumOptions)
    name = type_name(options.name or cls.__name__)
    members = [each.name for each in cls]
    if not members:
        raise Mistake("an Enum without members", "at least one member")
    # RED, DARK_RED -> red, darkRed; a name that is not all capitals is written as other names are.
    names = [member_name(camel(each.lower() if each.isupper() else each)) for each in members]
    again = repeated(names)
    if again:
        raise Mistake(
            f"two of its members are called {again[0]!r} in the schema", "another name for one"
        )
    asked = [(each, None) for each in names]
    ordinals, reserved = number(asked, session.locked(cls.__module__, name))
    enumerants = {ordinal: each for each, ordinal in zip(names, ordinals, strict=True)}
    enumerants |= {each.ordinal: each.name for each in reserved}
    return Enumeration(
        session.key_of(cls),
        tuple(zip(members, ordinals, strict=True)),
        docstring(cls),
        name,
        tuple(each for _, each in sorted(enumerants.items())),
    )


def _what(cls: type) -> str:
    return "a Flag" if issubclass(cls, enum.Flag) else "no Enum"
