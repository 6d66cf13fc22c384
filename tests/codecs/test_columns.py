"""A column of texts or bytes is read at once; whatever its pointers are, what comes of it is what
following them one by one gives."""

from __future__ import annotations

from collections.abc import Callable
from struct import pack, pack_into, unpack_from
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mpipc.capnp.columns import FEW, ReadRows, WriteRows, read_datas, write_datas, write_texts
from mpipc.capnp.message import DEFAULT_LIMITS, Message, budget
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError, ProtocolError
from mpipc.testing.loopback import received
from tests.codecs.declarations.values import Row
from tests.codecs.echo import REFEREE, method_of
from tests.mutations import pointers

DATA_WORDS, POINTERS = 2, 2  # of a Row

texts = st.text(max_size=20) | st.text("ab\0", max_size=20)
datas = st.binary(max_size=20)
alike = st.integers(0, 17).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@pytest.fixture(autouse=True)
def always_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of few elements."""
    monkeypatch.setattr("mpipc.capnp.columns.FEW", 1)


@st.composite
def columns(draw: st.DrawFn) -> tuple[list[str], list[bytes]]:
    """The texts and the bytes of some rows."""
    count = draw(st.integers(1, 6))
    of_one_size = draw(st.booleans())
    size = draw(st.integers(0, 17))
    data = st.binary(min_size=size, max_size=size) if of_one_size else datas
    return (
        draw(st.lists(texts, min_size=count, max_size=count)),
        draw(st.lists(data, min_size=count, max_size=count)),
    )


def ours(texts: list[str], datas: list[bytes]) -> bytes:
    """A message with rows, written column by column: its only pointer is that of the list."""
    w = Writer(1)
    rows = WriteRows(
        w, len(texts), DATA_WORDS, POINTERS, *w.structs(0, len(texts), DATA_WORDS, POINTERS)
    )
    rows.texts(0, texts)
    rows.datas(1, datas)
    w.head = pack("<Q", rows.finish())
    body = w.body()
    assert len(body) == w.end * 8
    return body


def foreign(texts: list[str], datas: list[bytes]) -> bytes:
    """The same from pycapnp, which writes row by row."""
    interface, method = method_of("Echo", "sequence")
    values = [Row(0, text, 0.0, data) for text, data in zip(texts, datas, strict=True)]
    framed = REFEREE.write(
        REFEREE.results(interface, method), method.result_fields, (values,), 1 << 16
    )
    message, at, _, _ = received(framed)
    return message.buf[at:]


def message(body: bytes) -> Message:
    words = budget(DEFAULT_LIMITS, len(body) // 8)
    return Message(body, 0, len(body), budget=words)


def rows(message: Message) -> ReadRows:
    return ReadRows(message, *message.structs(0, *unpack_from("<iI", message.buf)))


def outcome(body: bytes, read: Callable[[Message, ReadRows], Any]) -> Any:
    """What is read, or the error."""
    found = message(body)
    try:
        return read(found, rows(found))
    except IpcError as e:
        return type(e), str(e)


def same_as_one_by_one(body: bytes) -> None:
    assert outcome(body, lambda m, r: r.texts(0)) == outcome(
        body, lambda m, r: [m.text(*pointer) for pointer in r.pointers(0)]
    )
    assert outcome(body, lambda m, r: r.datas(1)) == outcome(
        body, lambda m, r: [m.data(*pointer) for pointer in r.pointers(1)]
    )


def damaged_word(word: int) -> st.SearchStrategy[int]:
    """Another pointer, or the same with somewhat more or less of one of its parts."""
    changes = st.tuples(st.sampled_from([2, 35]), st.integers(-9, 9))
    return (
        pointers
        | changes.map(lambda change: word + (change[1] << change[0]) & 0xFFFF_FFFF_FFFF_FFFF)
        | st.integers(0, 63).map(lambda bit: word ^ 1 << bit)
        | st.just(word & (1 << 35) - 1)
    )


unpatched = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.mark.parametrize("write", [ours, foreign])
@unpatched
@given(columns=columns())
def test_columns_are_read_as_they_were_written(
    write: Callable[[list[str], list[bytes]], bytes], columns: tuple[list[str], list[bytes]]
) -> None:
    body = write(*columns)
    assert rows(message(body)).texts(0) == columns[0]
    assert rows(message(body)).datas(1) == columns[1]
    same_as_one_by_one(body)


@pytest.mark.parametrize("write", [ours, foreign])
@settings(parent=unpatched, max_examples=200)
@given(columns=columns(), data=st.data())
def test_damaged_columns_are_read_as_one_by_one(
    write: Callable[[list[str], list[bytes]], bytes],
    columns: tuple[list[str], list[bytes]],
    data: st.DataObject,
) -> None:
    body = bytearray(write(*columns))
    words = len(body) // 8 - 1
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(1, words)) * 8
        (word,) = unpack_from("<Q", body, at)
        pack_into("<Q", body, at, data.draw(damaged_word(word)))
    same_as_one_by_one(bytes(body))


@unpatched
@given(st.integers(2, 40), st.integers(0, 2**64 - 1), st.integers(-(2**36), 2**36))
@example(8, 1 | 1 << 2 | 2 << 32 | 8 << 35, -4)  # turns into another kind after two of them
def test_pointers_at_even_distances(count: int, first: int, step: int) -> None:
    """They may well be those of bytes of one size, or run over into each other's parts."""
    words = [first + index * step & 0xFFFF_FFFF_FFFF_FFFF for index in range(count)]
    body = pack("<QQ", 1 | 7 << 32 | 2 * count << 35, count << 2 | 2 << 48)
    body += b"".join(pack("<QQ", word, word) for word in words) + bytes(400)
    same_as_one_by_one(body)


@pytest.mark.parametrize("size", [8, 800, 80_000])
def test_overlapping_bytes_count_each_time(size: int) -> None:
    count = 10_000
    # All pointers lead to the same bytes behind them.
    words = [(count - 1 - index) << 2 | 1 | 2 << 32 | size << 35 for index in range(count)]
    body = pack("<Q", 1 | 6 << 32 | count << 35) + pack(f"<{count}Q", *words) + bytes(size)
    found = message(body)
    if size == 8:
        assert read_datas(found, 0, *unpack_from("<iI", body)) == [bytes(8)] * count
    else:
        with pytest.raises(ProtocolError, match="traversal limit"):
            read_datas(found, 0, *unpack_from("<iI", body))


@pytest.mark.parametrize("write", [ours, foreign])
@pytest.mark.parametrize("size", [0, 40, 41])
def test_what_is_read_again_counts_again(
    write: Callable[[list[str], list[bytes]], bytes], size: int
) -> None:
    """Several pointers may lead to one list."""
    found = message(write(["x" * size] * 1000, [b"x" * size] * 1000))
    columns = rows(found)
    before = found.budget
    columns.texts(0)
    between = found.budget
    columns.datas(1)
    assert before - between >= 1000 * (1 + size // 8)
    assert between - found.budget >= 1000 * (1 + size // 8)


@pytest.mark.parametrize("values", [[], [b""] * 3, [b"x" * 5000, b"", b"y" * 4096]])
def test_large_and_empty_values(values: list[bytes]) -> None:
    w = Writer(1)
    w.head = pack("<Q", write_datas(w, 0, values))
    body = w.body()
    assert len(body) == w.end * 8
    assert read_datas(message(body), 0, *unpack_from("<iI", body)) == values


def test_large_values_are_not_copied() -> None:
    values = [bytes(10_000) for _ in range(FEW)]
    w = Writer(1)
    write_datas(w, 0, values)
    assert all(any(part is value for part in w.parts) for value in values)


@pytest.mark.parametrize("write", [write_texts, write_datas])
def test_a_list_that_has_not_as_many_elements_as_it_says(write: Callable[..., int]) -> None:
    class Liar(list[Any]):
        def __len__(self) -> int:
            return FEW

    with pytest.raises(ValueError, match="values instead of"):
        write(Writer(1), 0, Liar(["x" if write is write_texts else b"x"] * (FEW + 1)))


@pytest.mark.parametrize("value", [b"bytes", 5, None])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        write_texts(Writer(1), 0, ["text"] * FEW + [value])
