"""Annotated ABCs become the model."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpipc.derive import derive, derive_interface
from mpipc.derive.lock import number
from mpipc.derive.mistakes import Mistake
from mpipc.derive.names import camel
from mpipc.model import (
    Context,
    DataType,
    EnumType,
    Interface,
    InterfaceType,
    ListType,
    MapType,
    Method,
    Model,
    Primitive,
    Slot,
    StructType,
    TextType,
    TimedeltaType,
    Type,
    TypeName,
)
from tests.declarations import every, plain

EVERY = "tests.declarations.every"
SHAPES = "tests.declarations.shapes"


@pytest.fixture(scope="module")
def model() -> Model:
    return derive([EVERY])


def interface(model: Model, name: str) -> Interface:
    return model.interface(TypeName(EVERY, name))


def method(model: Model, name: str, owner: str = "Every") -> Method:
    return next(m for m in interface(model, owner).methods if m.name == name)


def types(found: Method) -> list[Type]:
    return [parameter.type for parameter in found.parameters]


def slots(found: tuple[Slot, ...]) -> list[str]:
    return [f"{slot.name}@{slot.ordinal}" for slot in found]


def test_reaches_every_module_that_types_lead_to(model: Model) -> None:
    assert set(model.modules) == {EVERY, SHAPES, "tests.declarations.later"}
    assert model.modules[EVERY].imports == ("tests.declarations.later", SHAPES)
    assert model.modules["tests.declarations.later"].imports == (EVERY,)
    assert derive_interface(every.Root) == model


def test_interfaces_come_in_order_of_definition_and_callbacks_last(model: Model) -> None:
    assert [each.name for each in model.modules[EVERY].interfaces] == [
        *("Base", "EveryOne", "Visitor", "Root", "MoreRoot"),
        *("Done", "EveryOneOnTipCallback", "EveryOneOnTipResultCallback"),
    ]


def test_only_structs_in_use_or_decorated_are_part_of_the_schema(model: Model) -> None:
    assert [each.name for each in model.modules[SHAPES].structs] == [
        *("Point", "Shape", "Tree", "Renamed")
    ]
    assert [each.kind for each in model.modules[SHAPES].structs] == [
        *("namedtuple", "dataclass", "msgspec", "msgspec")
    ]


def test_primitives(model: Model) -> None:
    found = method(model, "primitives")
    assert [type.name for type in types(found) if isinstance(type, Primitive)] == [
        *("Bool", "Int64", "Float64", "Int8", "Float32", "Int64")
    ]
    assert found.result_fields[0].type == Primitive("UInt16")


def test_texts_and_timedelta(model: Model) -> None:
    found = method(model, "texts")
    assert types(found) == [TextType(), DataType(), TextType(), TimedeltaType()]


def test_lists(model: Model) -> None:
    assert types(method(model, "lists")) == [
        ListType(Primitive("Int8"), "list"),
        ListType(TextType(), "tuple"),
        ListType(DataType(), "set"),
        ListType(Primitive("Int64"), "frozenset"),
        ListType(StructType(TypeName(SHAPES, "Point")), "list"),
        ListType(Primitive("Bool"), "list"),
        ListType(ListType(TextType(), "list"), "list"),
    ]


def test_each_dict_type_has_one_entry_struct(model: Model) -> None:
    found = method(model, "maps")
    first, second, third = types(found)
    assert first == found.result_fields[0].type
    assert first == MapType(TextType(), Primitive("Int32"), TypeName(EVERY, "TextInt32Entry"))
    assert isinstance(second, MapType) and second.entry.name == "DataTextListEntry"
    assert isinstance(third, MapType) and third.entry.name == "TextTextInt32DictEntry"
    entry = model.struct(first.entry)
    assert entry.kind == "entry"
    assert slots(entry.record.slots) == ["key@0", "value@1"]


def test_a_flag_stands_beside_an_optional_value_that_is_no_pointer(model: Model) -> None:
    found = method(model, "optionals")
    assert slots(found.params.slots) == [
        *("context@0", "a@1", "hasA@2", "b@3", "seeIt@4", "hasSeeIt@5", "d@6", "hasD@7"),
        *("e@8", "hasE@9", "f@10"),
    ]
    assert [p.optional for p in found.parameters] == [True, True, True, True, True, False]
    assert [p.flag is not None for p in found.parameters] == [True, False, True, True, True, False]
    assert slots(found.results.slots) == ["result@0", "hasResult@1"]


def test_structs_interfaces_and_enums_are_named_by_their_module(model: Model) -> None:
    assert types(method(model, "structs"))[2] == StructType(
        TypeName("tests.declarations.later", "Later")
    )
    assert types(method(model, "objects")) == [
        InterfaceType(TypeName(EVERY, "Every")),
        InterfaceType(TypeName(EVERY, "Base")),
    ]
    shape = model.struct(TypeName(SHAPES, "Shape"))
    color = EnumType(TypeName(SHAPES, "Color"), Primitive("Int32"))
    rights = EnumType(TypeName(SHAPES, "Rights"), Primitive("UInt8"), flags=True)
    assert [field.type for field in shape.fields[2:4]] == [color, rights]
    members = {e.key.name: e.members for e in model.modules[SHAPES].enums}
    assert members["Rights"] == (("READ", 1), ("WRITE", 2), ("BOTH", 3))


def test_cxx_names_follow_the_python_names_where_a_struct_wraps_one(model: Model) -> None:
    shape = model.struct(TypeName(SHAPES, "Shape"))
    assert {slot.name: slot.annotations for slot in shape.record.slots} == {
        "lineWidth": (("name", "line_width"),),
        "corners": (),
        "color": (),
        "rights": (),
        "fill": (),
        "hasFill": (),
        "area": (("name", "m_area"),),
        "plainName": (),
    }


def test_ordinals_and_wire_defaults_are_as_declared(model: Model) -> None:
    alone = model.struct(TypeName(SHAPES, "Alone"))
    assert [field.name for field in alone.fields] == ["b", "a", "c", "d"]
    found = [(slot.name, slot.ordinal, slot.default) for slot in alone.record.slots]
    assert found == [
        *(("a", 0, -1), ("b", 1, None), ("c", 2, float("inf")), ("d", 3, True)),
        ("hasD", 4, None),
    ]


def test_results_class_is_the_results_in_order(model: Model) -> None:
    found = method(model, "several")
    assert found.returns == TypeName(EVERY, "Found")
    assert slots(found.results.slots) == ["reason@0", "size@1", "hasSize@2", "result@3"]


def test_declared_exceptions_come_before_the_results(model: Model) -> None:
    found = method(model, "is_rbf_opt_in")
    assert slots(found.results.slots) == ["error@0", "result@1"]
    assert found.results.slots[0].annotations == (("exception", "std::exception"),)
    assert found.raises[0].key == TypeName("builtins", "ValueError")
    raising = method(model, "raising")
    names = ["error@0", "keyError@1", "reason@2", "size@3", "hasSize@4", "result@5"]
    assert slots(raising.results.slots) == names
    assert [each.slot.name for each in raising.raises] == ["keyError", "error"]


def test_method_attributes(model: Model) -> None:
    found = method(model, "is_rbf_opt_in")
    assert found.schema_name == "isRBFOptIn"
    assert slots(found.params.slots) == ["a@0", "tx@1"]
    assert [p.name for p in found.parameters] == ["tx", "a"]
    assert found.doc == "Said `isRBFOptIn`.\n\nWith a second paragraph."
    assert found.params.path == "EveryOne.isRBFOptIn$Params"


def test_destroy_is_inherited_and_local_members_are_skipped(model: Model) -> None:
    found = interface(model, "Every")
    assert found.bases == (TypeName(EVERY, "Base"),)
    assert found.methods[0].name == "primitives" and found.methods[0].ordinal == 0
    base = interface(model, "Base")
    assert [m.name for m in base.methods] == ["destroy", "base_method"]
    assert base.methods[0].params.slots == (Slot("context", 0, Context()),)


def test_a_root_has_construct_once(model: Model) -> None:
    root, more = interface(model, "Root"), interface(model, "MoreRoot")
    assert [m.name for m in root.methods] == ["construct", "make_every"]
    assert [(m.name, m.ordinal) for m in more.methods] == [("make_visitor", 0)]


def test_callables_become_interfaces(model: Model) -> None:
    done = interface(model, "Done")
    assert done.callable and done.wrap == "ProxyCallback<Done>"
    assert [(m.name, m.schema_name, m.ordinal) for m in done.methods] == [
        ("destroy", "destroy", 0),
        ("__call__", "call", 1),
    ]
    assert slots(done.methods[1].params.slots) == ["context@0", "arg0@1"]
    tip = interface(model, "EveryOneOnTipCallback")
    assert slots(tip.methods[1].params.slots) == ["context@0", "height@1", "arg1@2"]


def test_an_object_that_is_called_has_the_method_call(model: Model) -> None:
    visitor = interface(model, "Visitor")
    assert [(m.name, m.schema_name, m.ordinal) for m in visitor.methods] == [
        ("__call__", "call", 0)
    ]
    assert not visitor.callable


def test_annotations_that_are_no_text_work_too() -> None:
    found = derive_interface(plain.Plain).interface(TypeName(plain.__name__, "Plain"))
    leaf = StructType(TypeName(plain.__name__, "Leaf"))
    assert types(found.methods[1]) == [leaf, ListType(leaf, "list")]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement is newer")
def test_type_aliases_are_looked_through() -> None:
    from mpipc.derive.annotations import Annotation, Scope

    names: dict[str, object] = {"mpipc": sys.modules["mpipc"]}
    exec("type Height = mpipc.Int32 | None", names)
    found = Scope("x", names).unwrap("Height")
    assert isinstance(found, Annotation)
    assert (found.base, found.optional, len(found.metadata)) == (int, True, 1)


def test_the_model_is_the_same_whatever_the_order_of_modules(model: Model) -> None:
    names = sorted(model.modules)
    assert derive(names) == derive(reversed(names)) == model
    hash(dataclasses.astuple(model.modules[EVERY].interfaces[0]))


@pytest.mark.parametrize(
    ("python", "schema"),
    [
        ("get_block_hash", "getBlockHash"),
        ("useMempool", "useMempool"),
        ("bip32_derivs", "bip32Derivs"),
        ("class_", "class"),
        ("block_1", "block1"),
    ],
)
def test_schema_names_are_lower_camel_case(python: str, schema: str) -> None:
    assert camel(python) == schema


@given(st.lists(st.none() | st.integers(0, 8), max_size=8))
def test_ordinals_are_dense_unique_and_as_asked(requested: list[int | None]) -> None:
    asked = [ordinal for ordinal in requested if ordinal is not None]
    possible = len(set(asked)) == len(asked) and all(n < len(requested) for n in asked)
    try:
        numbers, _ = number([(f"m{n}", asked) for n, asked in enumerate(requested)])
    except Mistake:
        assert not possible
        return
    assert possible
    assert sorted(numbers) == list(range(len(requested)))
    implicit = [n for n, ordinal in zip(numbers, requested, strict=True) if ordinal is None]
    assert implicit == sorted(implicit)
    assert all(o is None or n == o for n, o in zip(numbers, requested, strict=True))
