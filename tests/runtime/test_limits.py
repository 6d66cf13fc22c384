"""Limits of a server, each with a client that goes beyond it: that one gets an error which says so,
and an honest client, which was there before, notices nothing."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

import mpipc
from tests.rpc_peer import built, call
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import Running, eventually
from tests.test_malformed_clients import BadClient

Serve = Callable[..., mpipc.Server]

BOOTSTRAP = built(lambda message: message.init("bootstrap"))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serves with some limits; an honest client is there all the time."""
    servers: list[mpipc.Server] = []
    honest: list[Any] = []

    def serve(**limits: Any) -> mpipc.Server:
        server = mpipc.serve(f"unix:{tmp_path}/s", RealRoot(), **limits)
        servers.append(server)
        root = mpipc.connect(server.address, Root)
        honest.extend([root, root.values(), root.callbacks()])
        assert works()
        return server

    def works() -> bool:
        _, values, callbacks = honest
        return bool(values.small(1, 2) == 3 and callbacks.call(lambda value: value + 1, 1) == 2)

    yield serve
    assert works()
    mpipc.close(honest[0])
    eventually(lambda: is_let_in(servers[0]))
    servers[0].close()


def path(server: mpipc.Server) -> str:
    return server.address.removeprefix("unix:")


def farewell(client: BadClient) -> str:
    """Why the server dropped a client."""
    while True:
        message = client.next()
        assert message is not None
        if "abort" in message:
            assert client.next() is None
            return str(message["abort"]["reason"])


class TestConnections:
    def test_one_too_many_is_refused(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        server = serve(max_connections=3)
        others = [mpipc.connect(server.address, Root) for _ in range(2)]
        for _ in range(3):
            with pytest.raises(mpipc.Disconnected, match="more than 3 connections"):
                mpipc.connect(server.address, Root)
        assert "refused a client of unix:" in caplog.text
        assert [root.values().small(1, 2) for root in others] == [3, 3]
        # There is room again as soon as one has gone.
        mpipc.close(others.pop())
        eventually(lambda: is_let_in(server))
        mpipc.close(others.pop())

    def test_those_that_say_nothing_count(self, serve: Serve) -> None:
        server = serve(max_connections=3)
        silent = [BadClient(path(server)) for _ in range(2)]
        assert farewell(BadClient(path(server))) == "more than 3 connections"
        for client in silent:
            client.close()
        eventually(lambda: is_let_in(server))

    def test_of_one_user(self, serve: Serve) -> None:
        server = serve(max_connections_per_peer=2)
        with (
            mpipc.connect(server.address, Root),
            pytest.raises(mpipc.Disconnected, match="more than 2 connections of user "),
        ):
            mpipc.connect(server.address, Root)

    def test_more_than_there_are_descriptors(self, script: Any, tmp_path: Path) -> None:
        """The server goes on when there are some again."""
        done = script(
            """
import resource, socket, sys
import mpipc
from mpipc.generate.load import generated_for
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot

generated_for(Root)
with mpipc.serve(f"unix:{sys.argv[1]}/s", RealRoot(), max_connections=1000) as server:
    with mpipc.connect(server.address, Root) as honest:
        values = honest.values()
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(60)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        for each in crowd:
            each.connect(f"{sys.argv[1]}/s")
        assert values.small(1, 2) == 3
        for each in crowd:
            each.close()
        for _ in range(100):
            try:
                with mpipc.connect(server.address, Root) as another:
                    print(another.values().small(1, 2))
                break
            except (OSError, mpipc.Disconnected):
                pass  # still too many
""",
            str(tmp_path),
        )
        assert done.stdout == "3\n", done.stderr
        assert "Traceback" not in done.stderr


def is_let_in(server: mpipc.Server) -> bool:
    """Whether one more client is."""
    try:
        with mpipc.connect(server.address, Root) as root:
            return root.values().small(1, 2) == 3
    except mpipc.Disconnected:
        return False


class TestTimeToConstruct:
    WAYS: ClassVar[dict[str, list[bytes]]] = {
        "nothing": [],
        "half a message": [BOOTSTRAP[:20]],
        "another message": [built(lambda message: message.init("finish"))],
    }

    @pytest.mark.parametrize("way", WAYS)
    def test_a_client_that_asks_for_nothing_is_dropped(
        self, serve: Serve, way: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = serve(construct_timeout=0.3)
        silent = BadClient(path(server))
        silent.send(*self.WAYS[way])
        assert farewell(silent) == "it has not asked for anything for 0.3 s"
        assert "dropped the connection on unix:" in caplog.text

    def test_a_client_that_trickles_is_dropped(self, serve: Serve) -> None:
        server = serve(construct_timeout=0.3)
        slow = BadClient(path(server))
        slow.send(b"\0\0\0\0\0\0\1\0")  # of a message of 64 K words
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.01):
                try:
                    slow.send(b"\0")
                except OSError:
                    return

        trickling = Running(trickle)
        assert "has not asked for anything" in farewell_or_reset(slow)
        stop.set()
        trickling.result()

    def test_one_that_has_asked_may_stay(self, serve: Serve) -> None:
        server = serve(construct_timeout=0.2)
        quiet = BadClient(path(server))
        quiet.send(BOOTSTRAP)
        assert "results" in quiet.returned()
        # Long enough for another one to be dropped.
        farewell(BadClient(path(server)))
        quiet.send(built(lambda message: message.init("bootstrap").__setattr__("questionId", 1)))
        assert quiet.returned()["answerId"] == 1


def farewell_or_reset(client: BadClient) -> str:
    try:
        return farewell(client)
    except ConnectionError:
        return "has not asked for anything"


class TestIdleTime:
    def test_a_client_that_is_idle_is_dropped_and_one_that_waits_is_not(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with mpipc.serve(f"unix:{tmp_path}/s", RealRoot(), idle_timeout=1.0) as server:
            active, waiting, idle = (mpipc.connect(server.address, Root) for _ in range(3))
            gates, values = waiting.gates(), active.values()
            call = Running(lambda: gates.wait("long"))

            def dropped() -> bool:
                return values.small(1, 2) == 3 and "it was idle for 1 s" in caplog.text

            eventually(dropped)
            active.gates().open("long")
            assert call.result() == "long"
            with pytest.raises(mpipc.Disconnected, match="it was idle for 1 s"):
                idle.values()
            mpipc.close(active)
            mpipc.close(waiting)


class TestMessages:
    """What one message may ask for; tests/test_malformed.py has more of it."""

    def test_a_large_one_ends_the_connection(self, serve: Serve) -> None:
        server = serve(limits=mpipc.Limits(message_words=1000))
        root = mpipc.connect(server.address, Root)
        values = root.values()
        assert values.optional(1, "x" * 7000) == "1 " + "x" * 7000
        with pytest.raises(mpipc.Disconnected, match="larger than the limit of 1000"):
            values.optional(1, "x" * 9000)
        large = BadClient(path(server))
        large.send(b"\0\0\0\0" + (1001).to_bytes(4, "little"))
        assert "larger than the limit of 1000" in farewell(large)

    def test_so_does_a_large_answer(self, serve: Serve) -> None:
        server = serve()
        with mpipc.connect(server.address, Root, limits=mpipc.Limits(message_words=1000)) as root:
            values = root.values()
            with pytest.raises(mpipc.Disconnected, match="larger than the limit of 1000"):
                values.optional(1, "x" * 9000)


def succeeds(call: Callable[[], bool]) -> bool:
    try:
        return call()
    except mpipc.RemoteError:
        return False


class Tree(msgspec.Struct, frozen=True):
    children: list[Tree]


@mpipc.interface(root=True)
class Forest(ABC):
    @abstractmethod
    def count(self, tree: Tree) -> int: ...


class RealForest(Forest):
    def count(self, tree: Tree) -> int:
        return 1 + sum(map(self.count, tree.children))


class TestNesting:
    def test_a_deep_value_fails(self, tmp_path: Path) -> None:
        tree = Tree([Tree([Tree([])]), Tree([])])
        address = f"unix:{tmp_path}/s"
        with (
            mpipc.serve(address, RealForest(), limits=mpipc.Limits(nesting=3)),
            mpipc.connect(address, Forest) as forest,
            mpipc.connect(address, Forest) as honest,
        ):
            assert forest.count(tree) == 4
            with pytest.raises(mpipc.RemoteError, match="structs are nested too deeply"):
                forest.count(Tree([tree]))
            assert forest.count(tree) == honest.count(tree) == 4


class TestCalls:
    def test_too_many_at_once_fail(self, serve: Serve) -> None:
        server = serve(limits=mpipc.Limits(calls=5))
        with mpipc.connect(server.address, Root) as root:
            gates = root.gates()
            waiting = [Running(lambda: gates.wait("full")) for _ in range(20)]

            def refused() -> list[Running]:
                return [each for each in waiting if not each.is_alive()]

            eventually(lambda: len(refused()) >= 15)
            for each in refused():
                assert "more than 5 calls in flight" in str(each.error)
            with mpipc.connect(server.address, Root) as another:
                another.gates().open("full")
            eventually(lambda: len(refused()) == 20)
            assert root.values().small(1, 2) == 3

    def test_too_large_ones_at_once_fail(self, serve: Serve) -> None:
        server = serve(limits=mpipc.Limits(call_words=(1 << 19) + 1000))  # four, and a bit
        with (
            mpipc.connect(server.address, Root) as root,
            mpipc.connect(server.address, Root) as another,
        ):
            gates, others = root.gates(), another.gates()
            for gate in ("x" * (1 << 20), "y" * (1 << 20)):  # what is answered counts no more
                p = mpipc.pipeline().__enter__()
                promises = [p.call(gates.wait, gate) for _ in range(10)]
                for each in promises[4:]:
                    with pytest.raises(mpipc.RemoteError, match="more than 525288 words of calls"):
                        each.result()
                assert not promises[0].done
                assert others.waiting(gate) == 1
                others.open(gate)
                assert [each.result() == gate for each in promises[:4]] == [True] * 4
                p.__exit__(None, None, None)

    def test_too_many_threads_are_refused(self, serve: Serve) -> None:
        server = serve(limits=mpipc.Limits(threads=3))
        with mpipc.connect(server.address, Root) as root:
            gates = root.gates()
            waiting = [Running(lambda: gates.wait("threads")) for _ in range(10)]
            eventually(lambda: sum(not each.is_alive() for each in waiting) >= 7)
            errors = [str(each.error) for each in waiting if not each.is_alive()]
            assert all("more than 3 threads" in error for error in errors)
            with mpipc.connect(server.address, Root) as another:
                another.gates().open("threads")

    def test_too_many_threads_over_several_connections_are_refused(self, serve: Serve) -> None:
        server = serve(max_threads_per_peer=6)
        roots = [mpipc.connect(server.address, Root) for _ in range(5)]
        gates = [root.gates() for root in roots]  # one thread each, and one of the honest client
        for each in gates:
            with pytest.raises(mpipc.RemoteError, match="more than 6 threads over all connections"):
                Running(lambda each=each: each.wait("never")).result()  # type: ignore[misc]
        mpipc.close(roots.pop())
        values = roots[0].values()
        # Its thread has made room.
        eventually(lambda: succeeds(lambda: Running(lambda: values.small(1, 2)).result() == 3))
        for root in roots:
            mpipc.close(root)

    def test_too_many_objects_are_refused(self, serve: Serve) -> None:
        server = serve(limits=mpipc.Limits(exports=20))
        with mpipc.connect(server.address, Root) as root:
            objects = root.objects()
            with pytest.raises(mpipc.RemoteError, match="holds 20 objects, as many as it may"):
                objects.make_many(30)
            assert len(objects.make_many(5)) == 5


class TestObjects:
    def test_a_client_reaches_only_what_it_was_given(self, serve: Serve) -> None:
        """Numbers of objects count for one connection. Others name nothing."""
        server = serve()
        with mpipc.connect(server.address, Root) as rich:
            things = rich.objects().make_many(20)
            poor = BadClient(path(server))
            poor.bootstrap()
            for number in range(1, 200):
                poor.send(call(number, number))
                answer = poor.returned()
                assert answer["answerId"] == number
                assert answer["exception"]["reason"] == "the object was released"
            poor.close()
            assert things[0].get_name() == "0"
