"""Calling every method of an interface through a real connection, and comparing both sides."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from mpipc.errors import IpcError
from mpipc.ipc.channel import timeout
from mpipc.model import Interface, Method
from mpipc.testing.comparing import Comparing, of_its_interface
from mpipc.testing.connected import SECONDS, connection_pair
from mpipc.testing.examples import explained, run_examples
from mpipc.testing.loopback import Loopback
from mpipc.testing.outcomes import answers, called, outcome_of, same_outcome
from mpipc.testing.recorder import Recorder, recorders
from mpipc.testing.strategies import Strategies
from mpipc.testing.subject import Subject, subject_of


def roundtrip(
    interface: type, *, methods: Collection[str] | None = None, max_examples: int | None = None
) -> dict[str, int]:
    """Call every method of an interface with generated arguments and results, declared exceptions
    among them, through a real connection, and compare what arrives with what was sent, in both
    directions. Objects and callables among the values must arrive as proxies of the same interface.

    `methods`       names of the methods to check, by default all.
    `max_examples`  how many calls of each method; by default as hypothesis's profile says.

    Returns how many times each method was called. Raises AssertionError or what the call has
    raised, with the method, the values and the bytes in its notes.
    """
    subject = subject_of(interface)
    return {
        method.name: check_roundtrip(subject, declaring, method, max_examples)
        for declaring, method in subject.methods(methods)
    }


def check_roundtrip(
    subject: Subject, interface: Interface, method: Method, max_examples: int | None
) -> int:
    """Check one method, which `interface` declares; returns how many times it was called."""
    recorder = Recorder()
    comparing = Comparing(subject.model, of_its_interface)
    strategies = Strategies(subject.model, recorders(subject.model))

    def example(arguments: tuple[Any, ...], answer: Any) -> None:
        recorder.returns = answer
        messages: dict[str, bytes] = {}
        with explained(interface, method, arguments, answer, messages):
            try:
                with timeout(SECONDS):
                    returned = outcome_of(method, lambda: called(client, method, arguments))
                taken = recorder.taken
                # No `assert`, to which pytest would add all that is compared.
                if not comparing.same(method.parameters, arguments, taken):
                    raise AssertionError(f"the method gets {taken!r}")
                if not same_outcome(comparing, method, answer, returned):
                    raise AssertionError(f"the caller gets {returned!r}")
            except Exception:
                messages |= _messages(subject, method, arguments, recorder)
                raise

    impl = recorder.object_of(subject.interface, subject.model)
    generated = subject.generated
    with connection_pair(impl, generated) as (_, here):
        client = here.start(generated)
        return run_examples(
            example,
            strategies.fields(method.parameters),
            answers(method, strategies),
            max_examples=max_examples,
        )


def _messages(
    subject: Subject, method: Method, arguments: tuple[Any, ...], recorder: Recorder
) -> dict[str, bytes]:
    """What a call sends and gets, as far as that can be written."""
    loop = Loopback(subject.generated, recorder.object_of(subject.interface, subject.model))
    try:
        outcome_of(method, lambda: called(loop.client, method, arguments))
    except IpcError:
        pass
    written = {"parameters": loop.params, "results": loop.results}
    return {name: message for name, message in written.items() if message}
