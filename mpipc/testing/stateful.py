"""Objects that two ends of a connection make, pass on, call, close and forget, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from mpipc.ipc.channel import timeout
from mpipc.testing.connected import SECONDS
from mpipc.testing.examples import deprecated_too, settings_for
from mpipc.testing.subject import Subject, subject_of
from mpipc.testing.world import Lingering, Steps, World

_STEPS = 20


def stateful(interface: type, *, max_examples: int | None = None) -> int:
    """Use an interface and the objects that its methods take and give in random ways, over a real
    connection: both ends make objects, pass them on and back, call them, also within the methods
    that are being called, close them, and drop them. A model predicts which object each call
    arrives at, what it gets, on which thread it runs, and which objects are still there.

    `max_examples`: how many such stories; by default as hypothesis's profile says.

    Returns the number of calls. Raises AssertionError and whatever a call has raised unexpectedly.
    """
    return check_stateful(subject_of(interface), max_examples)


def check_stateful(subject: Subject, max_examples: int | None) -> int:
    """As `stateful`."""
    steps = Steps(subject)
    calls = 0

    class Story(RuleBasedStateMachine):
        patience = SECONDS

        def __init__(self) -> None:
            super().__init__()
            self.world = World(subject, self.patience)
            self.sound = True

        @contextmanager
        def checked(self) -> Iterator[None]:
            """After an exception, also one of hypothesis's own, nothing more can be said about the
            world: its traceback refers to some of the objects."""
            self.sound = False
            try:
                with timeout(SECONDS):
                    yield
            except Lingering:
                Story.patience = 1.0  # it is one: look for a shorter story that leads to it
                raise
            self.sound = True

        @rule(end=_ENDS, which=_NUMBERS, data=st.data())
        def call(self, end: int, which: int, data: st.DataObject) -> None:
            chosen = self.world.proxy(end, which)
            if chosen is not None:
                with self.checked():
                    step = data.draw(steps.of(chosen.interface, depth=2))
                    self.world.call(end, chosen, step)

        @rule(end=_ENDS, which=_NUMBERS)
        def make(self, end: int, which: int) -> None:
            self.world.make(end, steps.interfaces[which % len(steps.interfaces)])

        @rule(end=_ENDS, which=_NUMBERS, data=st.data())
        def close(self, end: int, which: int, data: st.DataObject) -> None:
            chosen = self.world.proxy(end, which)
            if chosen is not None:
                with self.checked():
                    step = data.draw(steps.of(chosen.interface, depth=0))
                    self.world.close(end, chosen, step)

        @rule(end=_ENDS, which=_NUMBERS)
        def forget(self, end: int, which: int) -> None:
            self.world.forget(end, which)

        @rule()
        def look_who_is_there(self) -> None:
            with self.checked():
                self.world.check_objects()

        def teardown(self) -> None:
            nonlocal calls
            calls += self.world.count
            sound = self.sound
            with self.checked():
                self.world.end(check=sound)

    with deprecated_too():
        run_state_machine_as_test(
            Story, settings=settings(settings_for(max_examples), stateful_step_count=_STEPS)
        )
    return calls


_ENDS = st.sampled_from([0, 1])
_NUMBERS = st.integers(0, 50)
