"""References that allow less than the object: in one process, and across processes."""

from __future__ import annotations

import gc
import inspect
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.runtime.declarations import Objects, Root, Thing, Values
from tests.runtime.program import RealRoot, RealThing
from tests.runtime.support import Running, ServerProcess, eventually

# Each test is run with an object of this process, and with a proxy of one.
WHERE = ["here", "there"]


@pytest.fixture(params=WHERE)
def root(request: pytest.FixtureRequest, shared: ServerProcess) -> Iterator[Root]:
    if request.param == "here":
        yield RealRoot()
    else:
        with mpipc.connect(shared.address, Root) as root:
            yield root


class TestRestrict:
    def test_allows_what_is_named_and_nothing_else(self, root: Root) -> None:
        values = mpipc.restrict(root.values(), allow=["small", "split"])
        assert values.small(1, second=2) == 3
        assert values.split(7, 2).quotient == 3
        with pytest.raises(PermissionError, match="large may not be called through this reference"):
            values.large(1)
        nothing = mpipc.restrict(values, allow=[])
        with pytest.raises(PermissionError):
            nothing.small(1, 2)

    def test_is_an_instance_of_the_interface_and_nothing_more(self, root: Root) -> None:
        values: Values = mpipc.restrict(root.values(), allow=["small"])
        assert isinstance(values, Values)
        assert repr(values) == "<reference to Values>"
        assert not hasattr(values, "_mpipc_target") and not hasattr(values, "_calls")
        assert [*inspect.signature(values.small).parameters] == ["first", "second"]

    def test_cannot_be_widened(self, root: Root) -> None:
        narrow = mpipc.restrict(root.values(), allow=["small"])
        again = mpipc.restrict(narrow, allow=["small", "large"])
        assert again.small(1, 2) == 3
        with pytest.raises(PermissionError):
            again.large(1)

    def test_travels(self, root: Root, shared: ServerProcess) -> None:
        """The other end sees it as any object, and a refusal as any exception."""
        with mpipc.connect(shared.address, Root) as other:
            objects = other.objects()
            thing = root.objects().make("a")
            assert objects.ask(mpipc.restrict(thing, allow=["get_name"])) == "a"
            with pytest.raises(mpipc.RemoteError) as caught:
                objects.ask(mpipc.restrict(thing, allow=["itself"]))
            assert caught.value.type == "PermissionError"
            assert "get_name may not be called" in caught.value.text

    def test_a_wrong_name_is_an_error_at_once(self, root: Root) -> None:
        for allow in (["smal"], ["small", "__init__"], "small"):
            with pytest.raises(ValueError, match="the methods of Values are calls, defaults, "):
                mpipc.restrict(root.values(), allow=allow)
        with pytest.raises(TypeError, match="int implements no interface"):
            mpipc.restrict(5, allow=[])

    def test_a_server_gives_each_peer_what_it_may_have(self, tmp_path: Path) -> None:
        clients: list[mpipc.Peer] = []

        def root_for(peer: mpipc.Peer) -> Root:
            clients.append(peer)
            allow = ["values", "threads"] if len(clients) == 1 else ["threads"]
            return mpipc.restrict(RealRoot(), allow=allow)

        with (
            mpipc.serve(f"unix:{tmp_path}/s", root_for) as server,
            mpipc.connect(server.address, Root) as first,
            mpipc.connect(server.address, Root) as second,
        ):
            assert first.values().small(1, 2) == 3
            assert second.threads().count()
            for refused in (first.objects, second.values):
                with pytest.raises(mpipc.RemoteError) as caught:
                    refused()
                assert caught.value.type == "PermissionError"


class TestRevocable:
    def test_ends_when_it_is_taken_back(self, root: Root) -> None:
        values, revoke = mpipc.revocable(root.values())
        assert isinstance(values, Values)
        assert values.small(1, 2) == 3
        revoke()
        for _ in range(2):
            with pytest.raises(PermissionError, match="small: this reference was taken back"):
                values.small(1, 2)
            revoke()

    def test_lets_go_of_the_object(self, root: Root) -> None:
        objects = root.objects()
        thing, revoke = mpipc.revocable(objects.make("temporary"))
        assert "temporary" in objects.alive()
        revoke()
        gc.collect()
        eventually(lambda: "temporary" not in objects.alive())
        del thing

    def test_of_a_callable(self, root: Root) -> None:
        step, revoke = mpipc.revocable(lambda value: value + 1)
        assert root.callbacks().call(step, 1) == 2
        revoke()
        with pytest.raises((PermissionError, mpipc.RemoteError), match="taken back"):
            root.callbacks().call(step, 1)

    def test_is_taken_back_from_another_process(self, shared: ServerProcess) -> None:
        """It was handed out and kept there; the object itself can still be used."""
        with mpipc.connect(shared.address, Root) as root:
            objects = root.objects()
            real = RealThing("lent", [])
            thing, revoke = mpipc.revocable(real)
            objects.keep(thing)
            kept = objects.kept()
            assert kept is thing and objects.ask(thing) == "lent"
            revoke()
            with pytest.raises(mpipc.RemoteError, match="taken back"):
                objects.ask(thing)
            objects.keep(None)
            assert real.get_name() == "lent"

    def test_calls_in_progress_go_on(self, root: Root) -> None:
        gates, revoke = mpipc.revocable(root.gates())
        running = Running(lambda: gates.wait("revoked"))
        eventually(lambda: root.gates().waiting("revoked") == 1)
        revoke()
        Running(lambda: root.gates().open("revoked")).result()
        assert running.result() == "revoked"

    def test_with_restrict(self, root: Root) -> None:
        narrow, revoke = mpipc.revocable(mpipc.restrict(root.values(), allow=["small"]))
        assert narrow.small(1, 2) == 3
        with pytest.raises(PermissionError, match="may not be called"):
            narrow.large(1)
        revoke()
        with pytest.raises(PermissionError, match="taken back"):
            narrow.small(1, 2)

    def test_of_nothing_is_an_error(self) -> None:
        with pytest.raises(TypeError, match="int implements no interface"):
            mpipc.revocable(5)


@mpipc.interface
class Base(ABC):
    @abstractmethod
    def first(self) -> str: ...

    @property
    @abstractmethod
    def title(self) -> str: ...

    def both(self) -> str:
        """Not remote, but made of what is."""
        return self.first() + self.first()


@mpipc.interface
class Derived(Base):
    @abstractmethod
    def second(self) -> str: ...


class Real(Derived):
    def first(self) -> str:
        return "1"

    def second(self) -> str:
        return "2"

    @property
    def title(self) -> str:
        return "real"

    def secret(self) -> str:
        return "3"


def test_inherited_interfaces() -> None:
    reference = mpipc.restrict(Real(), allow=["first"])
    assert isinstance(reference, Derived) and isinstance(reference, Base)
    assert reference.both() == "11"
    assert mpipc.restrict(Real(), allow=["title"]).title == "real"
    with pytest.raises(PermissionError, match="title may not be called"):
        assert reference.title
    assert not hasattr(reference, "secret")
    with pytest.raises(PermissionError):
        reference.second()


def test_classes_are_made_once() -> None:
    first, second = (mpipc.restrict(Real(), allow=[name]) for name in ("first", "second"))
    assert type(first) is type(second)
    kept = weakref.ref(first)
    del first
    gc.collect()
    assert kept() is None
    assert second.second() == "2"


def _type_checks(objects: Objects, thing: Thing) -> None:
    """Not run: mypy looks at it."""
    narrow: Objects = mpipc.restrict(objects, allow=["make"])
    lent, revoke = mpipc.revocable(thing)
    asked: str = narrow.ask(lent)
    revoke()
    _: Any = asked
