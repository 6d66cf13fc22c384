"""Two ends of a connection, what each has of the other's objects, and what should come of it."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import strategies as st

from mpipc.capnp.proxy import Client, close
from mpipc.errors import IpcError
from mpipc.model import Field, Interface, Method, TypeName
from mpipc.testing.comparing import Comparing, is_there
from mpipc.testing.connected import connection_pair
from mpipc.testing.objects import Pick, objects_in, reachable, with_objects
from mpipc.testing.outcomes import answers, called, outcome_of, same_outcome
from mpipc.testing.recorder import object_of
from mpipc.testing.strategies import Strategies, results_of, returned
from mpipc.testing.subject import Subject


@dataclass(eq=False)
class Thing:
    """An object that is made at an end (0 or 1). It is there as long as somebody refers to it."""

    end: int
    interface: Interface
    impl: Callable[[], Any] = lambda: None


@dataclass(eq=False)
class Reference:
    """What an end has of a thing: itself or a proxy, as an object of an interface."""

    thing: Thing
    value: Any
    interface: Interface


@dataclass(frozen=True)
class Step:
    """A call to make, of an object that `pick` chooses, what it is to return, and the calls that
    are to be made meanwhile by the one that is called."""

    interface: Interface
    method: Method
    pick: int
    arguments: tuple[Any, ...]
    answer: Any
    inner: list[Step]

    def __repr__(self) -> str:
        called = f"{self.interface.name}.{self.method.name}"
        arguments = ", ".join(map(repr, self.arguments))
        inner = f", meanwhile {self.inner!r}" if self.inner else ""
        return f"{called}({arguments}) -> {self.answer!r}{inner}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints it."""
        printer.text(repr(self))


class Steps:
    """Strategies for calls of everything that can be reached from an interface."""

    def __init__(self, subject: Subject) -> None:
        model = subject.model
        self.interfaces = reachable(model, subject.interface)
        self._methods = {
            each.key: [method for _, method in Subject(model, each).methods()]
            for each in self.interfaces
        }
        self._strategies = Strategies(model, _picks, most=2, depth=2)
        self._made: dict[tuple[TypeName, int], st.SearchStrategy[Step]] = {}

    def of(self, interface: Interface, *, depth: int) -> st.SearchStrategy[Step]:
        """Calls of an object of an interface, with calls within them as deep as `depth`."""
        key = interface.key, depth
        if key not in self._made:
            methods = self._methods[interface.key]
            self._made[key] = st.one_of([self._step(interface, m, depth) for m in methods])
        return self._made[key]

    def _step(self, interface: Interface, method: Method, depth: int) -> st.SearchStrategy[Step]:
        inner: st.SearchStrategy[list[Step]] = st.just([])
        # What runs on the I/O thread, or in an event loop, must not block.
        if depth and method.context and not method.is_lazy:
            any_of = st.deferred(
                lambda: st.one_of([self.of(each, depth=depth - 1) for each in self.interfaces])
            )
            inner = st.lists(any_of, max_size=2)
        return st.builds(
            Step,
            st.just(interface),
            st.just(method),
            st.integers(0, 50),
            self._strategies.fields(method.parameters),
            answers(method, self._strategies),
            inner,
        )


def _picks(interface: Interface) -> st.SearchStrategy[Pick]:
    return st.builds(Pick, st.just(interface.key), st.integers(0, 50))


@dataclass(eq=False)
class _Call:
    """A call that has not returned yet."""

    reference: Reference
    step: Step
    arguments: tuple[Any, ...]
    thread: int
    answer: Any = None
    served: bool = False


class Lingering(AssertionError):
    """Objects that nobody refers to are still there."""


class World:
    """A connection, and what both ends of it have. `count`: how many calls there were. `patience`:
    seconds after which an object that should be gone is not going to go."""

    def __init__(self, subject: Subject, patience: float) -> None:
        self._patience = patience
        self._model = subject.model
        self._comparing = Comparing(subject.model, is_there)
        self._things: list[Thing] = []
        self._held: tuple[list[Reference], list[Reference]] = ([], [])
        self._calls: list[_Call] = []
        self._workers: dict[int, int] = {}
        self.count = 0
        self._stack = ExitStack()
        # End 0 serves an object to end 1. The connection keeps it, so it is no thing that may end.
        self._root = Thing(0, subject.interface)
        impl = self._impl(self._root)
        there, here = self._stack.enter_context(connection_pair(impl, subject.generated))
        self._connections = there, here
        root = here.start(subject.generated)
        self._held[0].append(Reference(self._root, impl, subject.interface))
        self._held[1].append(Reference(self._root, root, subject.interface))

    # ------------------------------------------------------------------------------ what to do

    def proxy(self, end: int, pick: int) -> Reference | None:
        """One of the other end's things that an end refers to."""
        return _picked([ref for ref in self._held[end] if ref.thing.end != end], pick)

    def make(self, end: int, interface: Interface) -> None:
        """Make an object, and keep it."""
        thing = Thing(end, interface)
        self._held[end].append(Reference(thing, self._impl(thing), interface))
        self._things.append(thing)

    def call(self, end: int, reference: Reference, step: Step) -> None:
        """Make a call, and check what comes of it."""
        method = step.method
        arguments = self._filled(end, method.parameters, step.arguments)
        call = _Call(reference, step, arguments, threading.get_ident())
        self._calls.append(call)
        self.count += 1
        name = f"{reference.interface.name}.{method.name}"
        try:
            outcome = outcome_of(method, lambda: called(reference.value, method, arguments))
        finally:
            self._calls.pop()
        assert call.served, f"{name} returned, but nobody was called"
        if not same_outcome(self._comparing, method, call.answer, outcome):
            raise AssertionError(f"{name} gave {outcome!r} instead of {call.answer!r}")
        if not isinstance(outcome, BaseException):
            sent, arrived = results_of(method, call.answer), results_of(method, outcome)
            self._arrived(end, method.result_fields, sent, arrived)

    def close(self, end: int, reference: Reference, step: Step) -> None:
        """Close a proxy, after which it is of no use."""
        if reference.thing is self._root:
            return  # which would close the connection
        self._held[end].remove(reference)
        arguments = self._filled(end, step.method.parameters, step.arguments)
        close(reference.value)
        close(reference.value)
        try:
            called(reference.value, step.method, arguments)
        except IpcError as error:
            assert "was closed" in str(error), error
        else:
            raise AssertionError("a closed proxy can be called")

    def forget(self, end: int, pick: int) -> None:
        """Drop a reference."""
        droppable = [ref for ref in self._held[end] if ref.thing is not self._root]
        found = _picked(droppable, pick)
        if found is not None:
            self._held[end].remove(found)

    def check_objects(self) -> None:
        """Those that somebody refers to are there; all others go, soon."""
        held = {ref.thing for refs in self._held for ref in refs}
        for thing in held:
            assert thing.impl() is not None, f"a {thing.interface.name} is gone too early"
        gone = [thing for thing in self._things if thing not in held]
        deadline = time.monotonic() + self._patience
        while any(thing.impl() is not None for thing in gone):
            if time.monotonic() > deadline:
                names = [thing.interface.name for thing in gone if thing.impl() is not None]
                raise Lingering(f"nobody refers to these objects, but they are there: {names}")
            gc.collect()
            time.sleep(0.001)
        self._things = [thing for thing in self._things if thing in held]

    def end(self, *, check: bool) -> None:
        """Drop everything, and disconnect."""
        with self._stack:
            if not check:
                return
            for refs in self._held:
                refs[:] = [ref for ref in refs if ref.thing is self._root]
            self.check_objects()

    # -------------------------------------------------------------------------------- objects

    def _impl(self, thing: Thing) -> Any:
        impl = object_of(thing.interface, self._model, partial(self._called, thing))
        thing.impl = weakref.ref(impl)
        return impl

    def _filled(
        self, end: int, fields: tuple[Field, ...], values: tuple[Any, ...]
    ) -> tuple[Any, ...]:
        """Values with objects that an end has, or makes for the purpose."""
        return with_objects(self._model, fields, values, partial(self._object, end))

    def _object(self, end: int, interface: Interface, pick: Pick) -> Any:
        fitting = [ref.value for ref in self._held[end] if self._fits(ref.interface, interface)]
        at = pick.number % (len(fitting) + 1)
        if at < len(fitting):
            return fitting[at]
        thing = Thing(end, interface)
        self._things.append(thing)
        return self._impl(thing)

    def _fits(self, interface: Interface, wanted: Interface) -> bool:
        return any(each.key == wanted.key for each in self._model.ancestry(interface))

    def _thing(self, value: Any) -> Thing:
        """What an end has passed on."""
        for thing in (self._root, *self._things):
            if thing.impl() is value:
                return thing
        return next(ref.thing for refs in self._held for ref in refs if ref.value is value)

    def _arrived(
        self, end: int, fields: tuple[Field, ...], sent: tuple[Any, ...], arrived: tuple[Any, ...]
    ) -> None:
        """What has arrived at an end is what was sent: an object of its own as itself, any other
        as a proxy, which it keeps."""
        if not self._comparing.same(fields, sent, arrived):
            raise AssertionError(f"{arrived!r} is not {sent!r}")
        pairs = zip(
            objects_in(self._model, fields, sent),
            objects_in(self._model, fields, arrived),
            strict=True,
        )
        for (interface, given), (_, value) in pairs:
            thing = self._thing(given)
            if thing.end == end:
                assert value is thing.impl(), f"{value!r} is not the {interface.name} itself"
            else:
                assert isinstance(value, Client), f"{value!r} is no proxy"
                assert value._mpipc_name == interface.name
                self._held[end].append(Reference(thing, value, interface))

    # --------------------------------------------------------------------------- being called

    def _called(self, thing: Thing, name: str, *arguments: Any) -> Any:
        """What each method of each object does."""
        call = self._calls[-1]
        step, end = call.step, thing.end
        assert thing is call.reference.thing, "another object was called"
        assert name == step.method.name, f"{name} was called instead of {step.method.name}"
        self._check_thread(end, step.method)
        call.served = True
        self._arrived(end, step.method.parameters, call.arguments, arguments)
        for inner in step.inner:
            proxies = [ref for ref in self._held[end] if ref.thing.end != end]
            fitting = [ref for ref in proxies if ref.interface.key == inner.interface.key]
            chosen = _picked(fitting, inner.pick)
            if chosen is not None:
                self.call(end, chosen, inner)
        if isinstance(step.answer, BaseException):
            call.answer = step.answer
            # A new one: its traceback refers to the arguments.
            raise type(step.answer)(*step.answer.args)
        fields = step.method.result_fields
        given = self._filled(end, fields, results_of(step.method, step.answer))
        call.answer = returned(step.method, given)
        return call.answer

    def _check_thread(self, end: int, method: Method) -> None:
        """A call back runs on the thread that waits for the call that it came from; calls of the
        same thread run on the same thread. Those that are async run in an event loop."""
        methods = [method, *(call.step.method for call in self._calls)]
        if not method.context or any(each.is_async or each.is_lazy for each in methods):
            return
        here = threading.get_ident()
        outer = self._calls[-2] if len(self._calls) > 1 else None
        expected = outer.thread if outer else self._workers.setdefault(end, here)
        assert here == expected, "the call runs on another thread"


def _picked(choices: list[Reference], pick: int) -> Reference | None:
    return choices[pick % len(choices)] if choices else None
