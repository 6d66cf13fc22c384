"""Values that are not sent arrive as zero; not every type has one.

The schema knows only that an Enum is an integer. That 0 is none of its members shows in the model.
"""

from __future__ import annotations

import msgspec

from mpipc.evolution.changes import BOTH, CLIENTS, SERVERS, Change, Who
from mpipc.model import EnumType, Field, Model, StructType, TypeName, UnionType

_UNTOLD: dict[str, tuple[Who, ...]] = {
    "parameter-added": CLIENTS,
    "result-added": SERVERS,
    "field-added": BOTH,
}


def zeroless(model: Model, field: Field) -> TypeName | None:
    """The Enum because of which a field cannot be read where it was not sent, None when it can: a
    struct that was not sent is one of zeros."""
    if field.optional:
        return None
    if isinstance(field.type, EnumType) and not field.type.declared:
        members = next(
            each.members
            for module in model.modules.values()
            for each in module.enums
            if each.key == field.type.key
        )
        has_zero = field.type.flags or any(value == 0 for _, value in members)
        return None if has_zero else field.type.key
    if isinstance(field.type, StructType):
        inside = model.struct(field.type.key).fields
        return next(filter(None, (zeroless(model, each) for each in inside)), None)
    if isinstance(field.type, UnionType):
        return zeroless(model, model.struct(field.type.key).fields[0])
    return None


def needs_value(change: Change, enum: str) -> Change:
    """An addition that would be safe, of something that must be sent because of an Enum."""
    untold = _UNTOLD.get(change.rule)
    if untold is None:
        return change
    return msgspec.structs.replace(
        change,
        rule=change.rule.replace("added", "needed"),
        effect=f"they do not send it, and 0 is no {enum}: reading it fails",
        breaks=untold,
        instead=f"`| None` after its type, or a member of {enum} whose value is 0",
    )
