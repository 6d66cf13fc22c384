"""Type rules: one small module each, so that a new type touches one new file."""

from __future__ import annotations

from mpipc.derive.types import (
    callbacks,
    enums,
    hooked,
    interfaces,
    lists,
    literals,
    maps,
    parameters,
    primitives,
    streams,
    structs,
    texts,
    timedeltas,
    tuples,
    unions,
    views,
    voids,
)
from mpipc.derive.types.registry import RULES, Rule, element_of, type_of

__all__ = ["RULES", "Rule", "element_of", "type_of"]

RULES += [
    unions.rule,
    hooked.rule,
    literals.rule,
    primitives.rule,
    voids.rule,
    texts.rule,
    views.rule,
    timedeltas.rule,
    tuples.rule,
    lists.rule,
    maps.rule,
    enums.rule,
    parameters.rule,
    structs.rule,
    interfaces.rule,
    callbacks.rule,
    streams.rule,
]
