"""Enums of the schema: their numbers, and peers that know other members."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mpipc.capnp.conversions import enum_member, read_hooked
from mpipc.derive import derive
from mpipc.errors import ConversionError
from mpipc.evolution.describe import as_tree, describe
from mpipc.model import Model, Reserved, TypeName
from mpipc.schema import compile_layouts, module_text
from mpipc.testing.referee import Referee
from tests.codecs.declarations import values
from tests.codecs.declarations.values import Season
from tests.codecs.echo import MODEL, loopback, method_of, number_of

VALUES = values.__name__


def season(text: str) -> str:
    found = re.search(r"^enum Season .*?^}", text, re.MULTILINE | re.DOTALL)
    assert found
    return re.sub(r" @0x\w+", "", found[0])


def test_an_enum_is_declared_in_the_schema_of_its_module() -> None:
    assert season(module_text(MODEL, VALUES)) == (
        "enum Season {\n    # When it is.\n\n    spring     @0;\n    summerTime @1;\n"
        "    autumn     @2;\n}"
    )


def test_members_keep_the_numbers_that_they_have_in_the_committed_schema() -> None:
    committed = [Reserved("winter", 0, ""), Reserved("autumn", 1, ""), Reserved("spring", 2, "")]
    locks = {VALUES: {"Season": committed}}
    model = derive([VALUES], lambda module: locks.get(module, {}))
    assert season(module_text(model, VALUES)).splitlines()[3:] == [
        *("    reserved0Winter @0;", "    autumn          @1;", "    spring          @2;"),
        *("    summerTime      @3;", "}"),
    ]
    found = model.enumeration(TypeName(VALUES, "Season"))
    assert dict(found.members) == {"SPRING": 2, "SUMMER_TIME": 3, "autumn": 1}
    assert compile_layouts(model)


def with_more_seasons() -> Model:
    module = MODEL.modules[VALUES]
    enums = [
        replace(
            each,
            members=(("WINTER", 3), *each.members[1:]),
            enumerants=(*each.enumerants, "winter"),
        )
        if each.key.name == "Season"
        else each
        for each in module.enums
    ]
    return Model({**MODEL.modules, VALUES: replace(module, enums=tuple(enums))})


def test_a_member_that_only_a_newer_peer_knows_is_an_error() -> None:
    interface, method = method_of("Echo", "season")
    newer = Referee(with_more_seasons())

    class Newer:
        name = "WINTER"

    written = newer.write(newer.params(interface, method), method.parameters, (Newer(),))
    loop, recorder = loopback(interface)
    recorder.returns = Season.SPRING
    with pytest.raises(ConversionError, match="value: received an unknown Season, @3"):
        loop.serve(*number_of(loop, interface, method), written)


def test_what_is_no_member_is_an_error_before_it_is_sent() -> None:
    loop, _ = loopback(method_of("Echo", "season")[0])
    wrongs: list[object] = ["blossoms", 0, [], values.Color.RED]
    for wrong in wrongs:
        with pytest.raises(ConversionError, match=r"^Echo\.season: value: expected Season, got"):
            loop.client.season(wrong)


def test_a_text_that_is_no_member_is_an_error_of_its_own_length() -> None:
    with pytest.raises(ConversionError) as caught:
        read_hooked(values.Word, "x" * 1_000_000, "Enums.word")
    assert len(str(caught.value)) < 300


def test_a_flag_refuses_bits_that_it_does_not_know() -> None:
    assert enum_member(values.Bit, 3, "bit") == values.Bit.A | values.Bit.B
    with pytest.raises(ConversionError, match="bit: received 4, which is no Bit"):
        enum_member(values.Bit, 4, "bit")


def test_describe_lists_the_members() -> None:
    tree = list(as_tree(describe(MODEL.modules[VALUES])))
    at = tree.index("  Season [enum]  When it is.")
    assert tree[at + 1 : at + 4] == ["    @0 SPRING", "    @1 SUMMER_TIME", "    @2 autumn"]
    assert not any("Color [enum]" in line for line in tree)
