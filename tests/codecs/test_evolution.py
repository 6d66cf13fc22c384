"""Structs that were written by an older or by a newer version of their schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpipc.model import (
    DataType,
    EnumType,
    Field,
    ListType,
    MapType,
    Model,
    Primitive,
    Slot,
    Struct,
    StructType,
    TextType,
    TimedeltaType,
    Type,
)
from mpipc.testing.referee import Referee
from mpipc.testing.strategies import Strategies
from tests.codecs.declarations.values import Color, Row
from tests.codecs.echo import MODEL, loopback, method_of, number_of, same

VALUES = Strategies(MODEL)
DECLARATIONS = "tests.codecs.declarations.values"

# Enums without a member for 0 cannot be read where an older version knows nothing of them.
METHODS = ["numbers", "bits", "texts", "row", "optionals", "defaults", "ordered", "lists", "tables"]


def known(fields: tuple[Field, ...], slots: tuple[Slot, ...]) -> Iterator[Field]:
    """The fields of which a version of a struct has the slots."""
    for field in fields:
        if field.slot in slots and (field.flag is None or field.flag in slots):
            yield field


def with_struct(changed: Struct) -> Referee:
    """The schema with another version of a struct."""
    module = MODEL.modules[DECLARATIONS]
    structs = [changed if struct.key == changed.key else struct for struct in module.structs]
    return Referee(Model({**MODEL.modules, DECLARATIONS: replace(module, structs=tuple(structs))}))


@lru_cache(maxsize=20)  # each keeps files open
def older(name: str, count: int) -> Referee:
    """A schema in which the struct of a method has just its first slots."""
    struct = struct_of(name)
    slots = struct.record.slots[:count]
    fields = tuple(known(struct.fields, slots))
    return with_struct(replace(struct, record=replace(struct.record, slots=slots), fields=fields))


NEW: dict[str, Type] = {
    "newNumber": Primitive("Int64"),
    "newText": TextType(),
    "newList": ListType(TextType(), "list"),
}
NEW_VALUES = {"newNumber": -1, "newText": "new", "newList": ["a", "b"]}


@lru_cache(maxsize=20)  # each keeps files open
def newer(name: str) -> Referee:
    """A schema in which the struct of a method has more slots than it is declared with."""
    struct = struct_of(name)
    count = len(struct.record.slots)
    slots = tuple(Slot(each, count + n, type) for n, (each, type) in enumerate(NEW.items()))
    fields = tuple(Field(slot.name, NEW[slot.name], slot) for slot in slots)
    record = replace(struct.record, slots=struct.record.slots + slots)
    return with_struct(replace(struct, record=record, fields=struct.fields + fields))


def with_new(struct: Struct, value: Any) -> Any:
    """A value with what the newer version has on top."""
    fields = {field.name: getattr(value, field.name) for field in struct.fields}
    return SimpleNamespace(**fields, **NEW_VALUES)


def missing(field: Field) -> Any:
    """What a field is that the sender does not know."""
    if field.optional:
        return None
    default = 0 if field.slot.default is None else field.slot.default
    if isinstance(field.type, EnumType):
        return Color(default)
    if isinstance(field.type, TimedeltaType):
        return timedelta(milliseconds=float(default))
    if isinstance(field.type, Primitive):
        made = {"Bool": bool, "Float32": float, "Float64": float}.get(field.type.name, int)
        return made(default)
    if isinstance(field.type, ListType):
        return {"list": [], "tuple": (), "set": set(), "frozenset": frozenset()}[
            field.type.container
        ]
    return {TextType: "", DataType: b"", MapType: {}}[type(field.type)]


def struct_of(name: str) -> Struct:
    _, method = method_of("Echo", name)
    type = method.parameters[0].type
    assert isinstance(type, StructType)
    return MODEL.struct(type.key)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_an_older_version_does_not_know_has_its_default(
    name: str, data: st.DataObject
) -> None:
    interface, method = method_of("Echo", name)
    struct = struct_of(name)
    count = data.draw(st.integers(0, len(struct.record.slots) - 1), label="slots")
    referee = older(name, count)
    value = data.draw(VALUES.of(method.parameters[0].type))
    written = referee.write(referee.params(interface, method), method.parameters, (value,))

    loop, recorder = loopback(interface)
    recorder.returns = value
    loop.serve(*number_of(loop, interface, method), written)
    slots = struct.record.slots[:count]
    sent = set(known(struct.fields, slots))
    expected = [
        getattr(value, field.name) if field in sent else missing(field) for field in struct.fields
    ]
    received = [getattr(recorder.taken[0], field.name) for field in struct.fields]
    assert same(struct.fields, received, expected)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_older_version_reads_what_it_knows(name: str, data: st.DataObject) -> None:
    """The referee is the older version here, and generated code the newer one."""
    interface, method = method_of("Echo", name)
    struct = struct_of(name)
    count = data.draw(st.integers(0, len(struct.record.slots) - 1), label="slots")
    referee = older(name, count)
    value = data.draw(VALUES.of(method.parameters[0].type))
    loop, recorder = loopback(interface)
    recorder.returns = value
    getattr(loop.client, name)(value)
    fields = tuple(known(struct.fields, struct.record.slots[:count]))
    with referee.params(interface, method).from_bytes(loop.params) as root:
        received = referee.values(root._get("value"), fields)
    assert same(fields, received, [getattr(value, field.name) for field in fields])


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_a_newer_version_has_on_top_is_left_alone(name: str, data: st.DataObject) -> None:
    interface, method = method_of("Echo", name)
    value = data.draw(VALUES.of(method.parameters[0].type))
    referee = newer(name)
    schema = referee.params(interface, method)
    written = referee.write(schema, method.parameters, (with_new(struct_of(name), value),))
    loop, recorder = loopback(interface)
    recorder.returns = value
    loop.serve(*number_of(loop, interface, method), written)
    assert same(method.parameters, recorder.taken, (value,))


@pytest.mark.parametrize("size", [0, 1, 30])
def test_lists_of_structs_of_every_version(size: int) -> None:
    interface, method = method_of("Echo", "sequence")
    rows = [Row(n, f"row {n}", n / 2, bytes([n])) for n in range(size)]
    empty = (0, "", 0.0, b"")
    loop, recorder = loopback(interface)
    recorder.returns = []
    for count in range(5):
        referee = older("row", count)
        written = referee.write(referee.params(interface, method), method.parameters, (rows,))
        loop.serve(*number_of(loop, interface, method), written)
        values: list[Any] = [(row.number, row.text, row.value, row.data) for row in rows]
        assert recorder.taken == ([Row(*(*each[:count], *empty[count:])) for each in values],)
    written = newer("row").write(
        newer("row").params(interface, method),
        method.parameters,
        ([with_new(struct_of("row"), row) for row in rows],),
    )
    loop.serve(*number_of(loop, interface, method), written)
    assert recorder.taken == (rows,)
