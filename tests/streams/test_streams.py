"""Iterators that travel: what arrives, who runs when, and that nothing is left."""

from __future__ import annotations

import gc
import itertools
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpipc
from mpipc.capnp.streams import FIRST, MOST, Batch, Source, Stream
from mpipc.derive import derive_interface
from mpipc.schema import committed_lock
from mpipc.testing.comparing import Comparing
from mpipc.testing.connected import connected
from mpipc.testing.strategies import Strategies
from tests.codecs.declarations.streams import Item, Refused, Row, Streams
from tests.streams.program import RealStreams

PATIENCE = 30


def eventually(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        gc.collect()
        time.sleep(0.005)


@pytest.fixture
def impl() -> RealStreams:
    return RealStreams()


@pytest.fixture
def streams(impl: RealStreams) -> Iterator[Any]:
    with connected(impl, Streams) as client:
        yield client


@pytest.fixture
def spawned() -> Iterator[Any]:
    """An object in a process of its own."""
    with mpipc.spawn([sys.executable, "-m", "tests.streams.program"], Streams) as client:
        yield client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """How many items each batch was asked for, and how many it has."""
    found: list[tuple[int, int]] = []
    take = Source.next

    def next(self: Source[Any], count: int) -> Batch[Any]:
        batch = take(self, count)
        found.append((count, len(batch.items)))
        return batch

    monkeypatch.setattr(Source, "next", next)
    return found


MODEL = derive_interface(Streams, committed_lock)
ECHOES = {
    method.name: method.parameters[0].type.stream  # type: ignore[union-attr]
    for interface in MODEL.modules[Streams.__module__].interfaces
    for method in interface.methods
    if interface.root and [field.name for field in method.parameters] == ["given"]
    if method.name not in ("items", "optional")
}


class TestItems:
    @pytest.mark.parametrize("name", ECHOES)
    def test_arrive_as_they_are_in_both_directions(self, name: str) -> None:
        """The server reads them one by one from the caller, who reads them from the server."""
        comparing = Comparing(MODEL)
        type = ECHOES[name]
        assert type is not None

        def plain(values: list[Any]) -> list[Any]:
            return [None if each is None else comparing.plain(type, each) for each in values]

        with connected(RealStreams(), Streams) as client:

            @given(st.lists(Strategies(MODEL).of(type), max_size=40))
            @settings(max_examples=20)
            def check(values: list[Any]) -> None:
                assert plain(list(getattr(client, name)(iter(values)))) == plain(values)

            check()

    def test_are_objects_too(self, streams: Any) -> None:
        class Real(Item):
            def __init__(self, number: int) -> None:
                self._number = number

            def number(self) -> int:
                return self._number

        ours = [Real(number) for number in range(50)]
        assert [each.number() for each in streams.items(ours)] == [*range(50)]

    def test_may_be_none_at_all(self, streams: Any) -> None:
        assert [*streams.numbers(())] == []
        assert streams.total([]) == 0

    def test_are_many(self, spawned: Any) -> None:
        assert sum(itertools.islice(spawned.count(0), 100_000)) == sum(range(100_000))
        assert spawned.total(iter(range(100_000))) == sum(range(100_000))
        rows = [Row(number, "text") for number in range(20_000)]
        assert list(spawned.rows(rows)) == rows

    def test_come_with_other_results(self, streams: Any) -> None:
        parts = streams.parts(40)
        assert parts.count == 40
        assert [row.number for row in parts.rows] == [*range(40)]

    def test_go_to_callbacks(self, streams: Any) -> None:
        assert streams.each(sum) == sum(range(1000))
        assert streams.each(next) == 0

    def test_come_from_an_iterator_or_there_is_none(self, streams: Any) -> None:
        assert streams.optional() is None
        assert list(streams.optional(iter([1, 2]))) == [1, 2]


class TestAProxy:
    def test_is_an_iterator(self, streams: Any) -> None:
        numbers = streams.count(5)
        assert isinstance(numbers, Iterator)
        assert isinstance(numbers, Generator)
        assert iter(numbers) is numbers
        assert next(numbers) == 5
        assert numbers.send(None) == 6
        with pytest.raises(TypeError, match="sent no values"):
            numbers.send(1)
        with pytest.raises(LookupError):
            numbers.throw(LookupError("no more"))
        assert [*numbers] == []

    def test_gives_nothing_more_when_it_was_closed(self, streams: Any, impl: RealStreams) -> None:
        with streams.count(0) as numbers:
            assert next(numbers) == 0
        assert impl.ended_early == 1
        assert [*numbers] == []
        numbers.close()
        other = streams.count(0)
        assert next(other) == 0
        mpipc.close(other)
        assert impl.ended_early == 2
        assert next(other, None) is None

    def test_may_be_shared_by_threads(self, streams: Any) -> None:
        numbers = streams.numbers(iter(range(20_000)))
        with ThreadPoolExecutor(4) as pool:
            found = [*pool.map(lambda _: list(numbers), range(4))]
        assert sorted(itertools.chain(*found)) == [*range(20_000)]
        assert all(each == sorted(each) for each in found)

    def test_is_one_of_many_in_many_threads(self, streams: Any) -> None:
        def read(start: int) -> list[int]:
            return [*itertools.islice(streams.count(start), 500)]

        with ThreadPoolExecutor(8) as pool:
            for start, found in enumerate(pool.map(read, range(32))):
                assert found == [*range(start, start + 500)]

    def test_can_be_given_back(self, streams: Any) -> None:
        """Also when it has been read from: what it holds is not lost."""
        numbers = streams.count(0)
        assert next(numbers) == 0
        assert streams.first(numbers, 100) == [*range(1, 101)]


class TestFlow:
    def test_nothing_is_made_before_it_is_asked_for(self, streams: Any, impl: RealStreams) -> None:
        numbers = streams.count(0)
        assert impl.made == 0
        next(numbers)
        assert 1 <= impl.made <= FIRST

    def test_a_slow_reader_is_never_more_than_a_batch_behind(
        self, streams: Any, impl: RealStreams, asked: list[tuple[int, int]]
    ) -> None:
        for number in itertools.islice(streams.count(0), 3 * MOST):
            assert impl.made - number <= MOST
        assert max(count for count, _ in asked) == MOST
        assert asked[0][0] == FIRST

    def test_each_batch_is_a_small_message(self, impl: RealStreams) -> None:
        sizes = [*[10] * 2000, *[1 << 20] * 30, *[10] * 2000]
        largest = 0
        with connected(impl, Streams) as client:
            stream = client.sized(sizes)
            pull = stream.next

            def measured(count: int) -> Batch[bytes]:
                nonlocal largest
                batch: Batch[bytes] = pull(count)
                largest = max(largest, sum(map(len, batch.items)))
                return batch

            stream.next = measured
            assert [len(each) for each in stream] == sizes
        assert largest <= 1 << 20

    def test_slow_items_come_as_they_are_made(self) -> None:
        gate = threading.Semaphore(1)

        class Slow(RealStreams):
            def count(self, start: int) -> Generator[int, None, None]:
                for number in itertools.count(start):
                    assert gate.acquire(timeout=PATIENCE)
                    time.sleep(0.02)
                    yield number

        with connected(Slow(), Streams) as client:
            for number in itertools.islice(client.count(0), 5):
                gate.release()  # only now there will be another one
                assert number < 5

    def test_only_what_the_callee_asks_for_is_taken_from_the_caller(self, streams: Any) -> None:
        taken = []

        def numbers() -> Iterator[int]:
            for number in itertools.count():
                taken.append(threading.current_thread())
                yield number

        assert streams.first(numbers(), 3) == [0, 1, 2]
        assert 3 <= len(taken) <= FIRST
        assert {*taken} == {threading.current_thread()}


class TestExceptions:
    @pytest.mark.parametrize("good", [0, 1, 15, 16, 17, 100])
    def test_come_behind_the_items_before_them(self, streams: Any, good: int) -> None:
        for method, error, text in (
            (streams.fail_after, mpipc.RemoteError, "gone"),
            (streams.refuse_after, Refused, f"after {good}"),
            (streams.misfit_after, mpipc.RemoteError, "out of range for Int32"),
        ):
            found = []
            stream = method(good)
            with pytest.raises(error, match=text):
                for number in stream:
                    found.append(number)
            assert found == [*range(good)]
            assert [*stream] == []

    def test_of_the_caller_reach_the_callee(self, streams: Any) -> None:
        def numbers() -> Iterator[int]:
            yield 1
            raise LookupError("no second one")

        assert streams.first(numbers(), 1) == [1]
        with pytest.raises(mpipc.RemoteError, match="no second one"):
            streams.total(numbers())

    def test_what_is_no_iterator_is_refused_at_once(self, streams: Any) -> None:
        with pytest.raises(mpipc.ConversionError, match=r"numbers: expected something to iterate"):
            streams.total(5)

    def test_an_iterator_that_reads_itself_is_told_so(self) -> None:
        with connected(RealStreams(), Streams) as client:
            stream: Any = None

            def numbers() -> Iterator[int]:
                yield next(stream)

            stream = client.numbers(numbers())
            with pytest.raises(mpipc.RemoteError):
                list(stream)


class TestTheEnd:
    def test_a_reader_that_goes_away_ends_the_generator(
        self, streams: Any, impl: RealStreams
    ) -> None:
        numbers = streams.count(0)
        next(numbers)
        del numbers
        eventually(lambda: impl.ended_early == 1)
        for number in streams.count(0):
            if number == 100:
                break
        del number
        eventually(lambda: impl.ended_early == 2)

    def test_a_disconnected_reader_ends_the_generator(self, impl: RealStreams) -> None:
        with connected(impl, Streams) as client:
            numbers = client.count(0)
            next(numbers)
        eventually(lambda: impl.ended_early == 1)
        with pytest.raises(mpipc.Disconnected):
            list(numbers)

    def test_what_an_iterator_holds_is_freed(self, streams: Any) -> None:
        class Given:
            def __iter__(self) -> Iterator[int]:
                return iter([1, 2, 3])

        given = Given()
        seen = weakref.ref(given)
        assert streams.total(given) == 6
        del given
        eventually(lambda: seen() is None)

    def test_an_iterator_with_close_is_closed(self) -> None:
        class Closing:
            closed = 0

            def __iter__(self) -> Closing:
                return self

            def __next__(self) -> int:
                return 1

            def close(self) -> None:
                self.closed += 1

        closing = Closing()

        class Impl(RealStreams):
            def optional(self, given: Iterator[int] | None = None) -> Iterator[int] | None:
                return closing

        with connected(Impl(), Streams) as client:
            stream = client.optional()
            assert next(stream) == 1
            stream.close()
            assert closing.closed == 1

    def test_a_server_that_dies_is_noticed(self, spawned: Any) -> None:
        numbers = spawned.exit_after(FIRST)
        for number in range(FIRST):
            assert next(numbers) == number
        with pytest.raises(mpipc.Disconnected):
            next(numbers)
        assert [*numbers] == []

    def test_a_caller_whose_iterator_is_kept_goes_away(self, impl: RealStreams) -> None:
        ended = []

        def numbers() -> Iterator[int]:
            try:
                yield from itertools.count()
            finally:
                ended.append(True)

        with connected(impl, Streams) as client:
            client.keep(numbers())
            assert client.kept(5) == [0, 1, 2, 3, 4]
            assert client.kept(40) == [*range(5, 45)]
        eventually(lambda: ended)
        with pytest.raises(mpipc.Disconnected):
            list(impl._kept)


def test_log_lines_name_the_calls(
    caplog: pytest.LogCaptureFixture, impl: RealStreams, tmp_path: Any
) -> None:
    address = f"unix:{tmp_path}/s"
    caplog.set_level(logging.DEBUG, "mpipc.ipc")
    with mpipc.serve(address, impl), mpipc.connect(address, Streams) as client:
        rows = client.parts(40).rows
        assert isinstance(rows, Stream)
        assert len(list(rows)) == 40
    assert any("RowStream.next(16)" in each.getMessage() for each in caplog.records)
    assert not any("._" in each.getMessage().split("(")[0] for each in caplog.records)
