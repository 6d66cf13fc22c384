"""References to objects: identity, lifetime, and passing them on."""

from __future__ import annotations

import gc
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Objects, Root, Thing
from tests.runtime.support import Running, ServerProcess, eventually

# What a connection's tables hold, as the garbage collector sees it.
TABLES = [
    "mpipc.capnp.session.Import",
    "mpipc.capnp.session.Question",
    "mpipc.capnp.session.Answer",
    "mpipc.capnp.session.Export",
    "mpipc.capnp.proxy.Local",
]


class Own(Thing):
    def __init__(self, name: str = "own") -> None:
        self._name = name

    def get_name(self) -> str:
        return self._name

    def itself(self) -> Thing:
        return self


@pytest.fixture
def objects(root: Root) -> Objects:
    return root.objects()


class TestIdentity:
    def test_a_proxy_is_an_instance_of_the_interface(self, objects: Objects) -> None:
        assert isinstance(objects, Objects)
        with objects.make("a") as thing:  # type: ignore[attr-defined]
            assert isinstance(thing, Thing)
            assert thing.get_name() == "a"
            assert thing.itself().get_name() == "a"

    def test_our_own_object_comes_back_as_itself(self, objects: Objects) -> None:
        own = Own()
        objects.keep(own)
        assert objects.kept() is own
        objects.keep(None)
        assert objects.kept() is None

    def test_the_servers_own_object_comes_back_to_it_as_itself(self, objects: Objects) -> None:
        thing, other = objects.make("a"), objects.make("a")
        objects.keep(thing)
        assert objects.keeps(thing)
        assert not objects.keeps(other)
        objects.keep(None)

    def test_the_server_calls_our_object(self, objects: Objects) -> None:
        assert objects.ask(Own("ours")) == "ours"
        things = [Own("1"), objects.make("2"), Own("3")]
        assert objects.ask_all(things) == ["1", "2", "3"]

    def test_none_is_no_object(self, objects: Objects) -> None:
        assert objects.maybe(None) is None
        thing = objects.maybe("a")
        assert thing is not None and thing.get_name() == "a"

    def test_what_is_no_such_object_is_refused(self, objects: Any) -> None:
        for wrong in ("text", 5, object(), objects, Thing):
            with pytest.raises(mpipc.ConversionError, match=r"ask: thing: expected .*Thing"):
                objects.ask(wrong)


class TestLifetime:
    def test_close_destroys_the_object_before_it_returns(self, objects: Objects) -> None:
        for _ in range(100):
            thing = objects.make("closed")
            assert objects.alive() == ["closed"]
            mpipc.close(thing)
            assert objects.alive() == []
        with objects.make("closed") as thing:  # type: ignore[attr-defined]
            assert objects.alive() == ["closed"]
        assert objects.alive() == []

    def test_a_closed_proxy_says_so(self, objects: Objects) -> None:
        thing = objects.make("a")
        mpipc.close(thing)
        mpipc.close(thing)  # once more is fine
        assert repr(thing) == "<ThingClient closed>"
        with pytest.raises(mpipc.IpcError, match="ThingClient was closed"):
            thing.get_name()
        with pytest.raises(mpipc.IpcError, match="ThingClient was closed"):
            objects.ask(thing)

    def test_other_references_to_a_destroyed_object_say_so(self, objects: Objects) -> None:
        """`keep` has a reference to the object itself, in its own process."""
        thing = objects.make("a")
        same = thing.itself()
        mpipc.close(thing)
        # Each result is an object of its own to the protocol: this one is still there.
        assert same.get_name() == "a"
        mpipc.close(same)
        assert objects.alive() == []

    def test_garbage_collection_of_a_proxy_frees_the_object(self, objects: Objects) -> None:
        thing: Thing | None = objects.make("collected")
        assert objects.alive() == ["collected"]
        del thing
        eventually(lambda: objects.alive() == [])

    def test_closing_a_proxy_without_destroy(self, shared: ServerProcess, root: Root) -> None:
        def plain() -> int:
            return root.process().instances("tests.runtime.program.RealPlain")

        # The program is the main module of its process.
        def count() -> int:
            return root.process().instances("__main__.RealPlain")

        thing = root.objects().make_plain("plain")
        assert thing.get_name() == "plain"
        assert (plain(), count()) == (0, 1)
        mpipc.close(thing)
        eventually(lambda: count() == 0)

    def test_closing_what_is_no_proxy_does_nothing(self) -> None:
        own = Own()
        mpipc.close(own)
        mpipc.close(None)
        assert own.get_name() == "own"

    def test_our_object_is_freed_when_the_server_lets_go(self, objects: Objects) -> None:
        own = Own()
        gone = weakref.ref(own)
        objects.keep(own)
        del own
        gc.collect()
        assert gone() is not None
        objects.keep(None)
        eventually(lambda: gone() is None)

    def test_arguments_are_freed_after_the_call(self, objects: Objects) -> None:
        own = Own()
        gone = weakref.ref(own)
        assert objects.ask(own) == "own"
        del own
        eventually(lambda: gone() is None)

    def test_the_connection_ends_with_its_last_proxy(self, server: ServerProcess) -> None:
        def connection_threads() -> list[str]:
            return [t.name for t in threading.enumerate() if server.address in t.name]

        root = server.connect()
        thing: Thing | None = root.objects().make("a")
        del root
        assert thing is not None and thing.get_name() == "a"
        assert connection_threads()
        del thing
        eventually(lambda: connection_threads() == [])

    def test_threads_that_come_and_go_do_not_end_a_connection(self, server: ServerProcess) -> None:
        with server.connect() as root:
            threads = root.threads()
            for _ in range(100):
                for running in [Running(threads.ident) for _ in range(4)]:
                    running.result()


class TestMany:
    def test_ten_thousand_objects_leave_nothing_behind(self, server: ServerProcess) -> None:
        def ours() -> dict[str, int]:
            gc.collect()
            names = [f"{type(o).__module__}.{type(o).__name__}" for o in gc.get_objects()]
            return {table: names.count(table) for table in TABLES}

        with server.connect() as root:
            objects, process = root.objects(), root.process()

            def theirs() -> dict[str, int]:
                return {table: process.instances(table) for table in TABLES}

            objects.make("warm up")
            eventually(lambda: objects.alive() == [])
            before = ours(), theirs()
            for _ in range(20):
                things = objects.make_many(500)
                assert things[-1].get_name() == "499"
            assert theirs() != before[1]
            assert ours() != before[0]
            del things
            eventually(lambda: objects.alive() == [])
            eventually(lambda: (ours(), theirs()) == before, lambda: (before, ours(), theirs()))

    def test_ten_thousand_of_ours_leave_nothing_behind(self, objects: Objects) -> None:
        gone = []
        for _ in range(20):
            things = [Own() for _ in range(500)]
            gone += [weakref.ref(thing) for thing in things]
            assert objects.ask_all(things) == ["own"] * 500
        del things
        eventually(lambda: not any(ref() for ref in gone))

    def test_several_threads_make_and_drop(self, objects: Objects) -> None:
        def work() -> None:
            for number in range(200):
                thing = objects.make(str(number))
                assert thing.get_name() == str(number)
                if number % 2:
                    mpipc.close(thing)

        for running in [Running(work) for _ in range(8)]:
            running.result()
        eventually(lambda: objects.alive() == [])

    def test_more_objects_than_allowed_are_refused(
        self, start: Callable[..., ServerProcess]
    ) -> None:
        server = start("--exports=20")
        with server.connect() as root:
            objects = root.objects()
            few = objects.make_many(10)
            with pytest.raises(mpipc.RemoteError, match="20 objects, as many as it may"):
                objects.make_many(20)
            # What was allowed works, and when some are gone there is room again.
            assert [thing.get_name() for thing in few] == [str(n) for n in range(10)]
            eventually(lambda: len(objects.alive()) == 10)
            del few
            eventually(lambda: objects.alive() == [])
            assert len(objects.make_many(10)) == 10


class TestOfADisconnectedClient:
    """Objects that a client held which is gone."""

    CLIENT = """
import os, sys
import mpipc
from tests.runtime.declarations import Root

root = mpipc.connect(sys.argv[1], Root)
objects = root.objects()
things = objects.make_many(100)
if sys.argv[2:]:
    stubborn = objects.make_stubborn("stubborn", sys.argv[2])
print("ready", flush=True)
os.kill(os.getpid(), 9)
"""

    def test_they_end(self, server: ServerProcess, script: Callable[..., Any]) -> None:
        with server.connect() as root:
            objects = root.objects()
            done = script(self.CLIENT, server.address)
            assert (done.returncode, done.stdout) == (-signal.SIGKILL, "ready\n"), done.stderr
            eventually(lambda: len(objects.ended()) == 100)
            assert objects.alive() == []
            threads = root.threads()
            eventually(lambda: threads.count() <= 6, threads.names)

    def test_their_end_may_block(self, server: ServerProcess, script: Callable[..., Any]) -> None:
        with server.connect() as root:
            objects, gates, threads = root.objects(), root.gates(), root.threads()
            done = script(self.CLIENT, server.address, "gate")
            assert done.returncode == -signal.SIGKILL, done.stderr
            # Nobody else is delayed: neither calls, nor new clients and threads, nor their end.
            before = threads.count()
            assert Running(threads.ident).result() != threads.ident()
            with server.connect() as another:
                assert another.objects().make("a").get_name() == "a"
            eventually(lambda: threads.count() <= before, threads.names)
            assert "stubborn" not in objects.ended()
            gates.open("gate")
            eventually(lambda: "stubborn" in objects.ended())


class TestThroughAnotherConnection:
    """References that are passed on to a third process."""

    @pytest.fixture
    def other(self, server: ServerProcess) -> Any:
        with server.connect() as other:
            yield other

    def test_a_proxy_passed_on_works(self, root: Root, other: Root) -> None:
        thing = root.objects().make("first's")
        assert other.objects().ask(thing) == "first's"
        assert other.objects().ask_all([thing, Own("ours")]) == ["first's", "ours"]

    def test_it_comes_back_as_the_same_proxy(self, root: Root, other: Root) -> None:
        thing = root.objects().make("a")
        other.objects().keep(thing)
        assert other.objects().kept() is thing
        other.objects().keep(None)

    def test_it_is_held_for_as_long_as_the_other_process_holds_it(
        self, root: Root, other: Root
    ) -> None:
        objects = root.objects()
        other.objects().keep(objects.make("held"))
        gc.collect()
        assert objects.alive() == ["held"]
        kept = other.objects().kept()
        assert kept is not None and kept.get_name() == "held"
        del kept
        other.objects().keep(None)
        eventually(lambda: objects.alive() == [])

    def test_a_server_passes_on_what_it_got_elsewhere(
        self, shared: ServerProcess, server: ServerProcess
    ) -> None:
        with shared.connect() as near, server.connect() as far:
            relayed = near.process().relay(server.address)
            assert relayed.process().pid() == server.pid
            thing = relayed.objects().make("far")
            assert far.objects().alive() == ["far"]
            mpipc.close(thing)
            eventually(lambda: far.objects().alive() == [])
            # An object of ours, through the near process to the far one.
            assert relayed.objects().ask(Own("here")) == "here"
