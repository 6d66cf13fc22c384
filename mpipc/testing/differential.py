"""The same values, written and read by what is generated and by pycapnp."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hypothesis import strategies as st

from mpipc.model import Field, Interface, Method
from mpipc.testing.comparing import Comparing, is_there, nothing
from mpipc.testing.examples import explained, run_examples
from mpipc.testing.loopback import Loopback
from mpipc.testing.outcomes import answers, as_results, called, outcome_of, same_outcome
from mpipc.testing.recorder import Recorder, recorders
from mpipc.testing.referee import Referee, Unwritable
from mpipc.testing.strategies import Strategies
from mpipc.testing.subject import Subject, subject_of

_FIRST_SEGMENTS = st.sampled_from([0, 1, 2, 7])


def differential(
    interface: type, *, methods: Collection[str] | None = None, max_examples: int | None = None
) -> dict[str, int]:
    """Compare what is generated for an interface with pycapnp, a foreign implementation of Cap'n
    Proto: each reads the parameters and results that the other has written.

    Objects and callables among the values are null in what pycapnp writes, and in what it reads
    they are only seen to be there: `roundtrip` checks them.

    `methods`       names of the methods to check, by default all.
    `max_examples`  how many values for each method; by default as hypothesis's profile says.

    Returns how many examples were tried, by method. Raises AssertionError or what reading has
    raised, with the method, the values and the bytes in its notes.
    """
    compared = Differential(subject_of(interface))
    return {
        method.name: compared.check(declaring, method, max_examples)
        for declaring, method in compared.subject.methods(methods)
    }


class Differential:
    """An interface and its schema, compiled by pycapnp."""

    def __init__(self, subject: Subject, referee: Referee | None = None) -> None:
        self.subject = subject
        self._referee = referee or Referee(subject.model)
        self._strategies = Strategies(subject.model, recorders(subject.model))

    def check(
        self,
        interface: Interface,
        method: Method,
        max_examples: int | None,
        strategies: Strategies | None = None,
    ) -> int:
        """Check one method, which `interface` declares."""
        strategies = strategies or self._strategies

        def example(arguments: tuple[Any, ...], answer: Any, first_segment: int) -> None:
            one = _Example(self.subject, self._referee, interface, method, arguments, answer)
            one.check(first_segment)

        return run_examples(
            example,
            strategies.fields(method.parameters),
            answers(method, strategies),
            _FIRST_SEGMENTS,
            max_examples=max_examples,
        )


class _Example:
    """One call, written and read in all ways."""

    def __init__(
        self,
        subject: Subject,
        referee: Referee,
        interface: Interface,
        method: Method,
        arguments: tuple[Any, ...],
        answer: Any,
    ) -> None:
        self._recorder = Recorder()
        self._recorder.returns = answer
        impl = self._recorder.object_of(subject.interface, subject.model)
        self._loop = Loopback(subject.generated, impl)
        self._model = subject.model
        self._referee = referee
        self._interface = interface
        self._method = method
        self._arguments = arguments
        self._answer = answer

    def check(self, first_segment: int) -> None:
        """`first_segment`: how many words the first segment has of what pycapnp writes; few make
        many segments, 0 makes one."""
        messages: dict[str, bytes] = {}
        with explained(self._interface, self._method, self._arguments, self._answer, messages):
            self._mpipc_alone(messages)
            self._pycapnp_reads()
            self._pycapnp_writes(first_segment, messages)

    def _mpipc_alone(self, messages: dict[str, bytes]) -> None:
        comparing = Comparing(self._model)
        returned = self._call()
        messages["parameters"], messages["results"] = self._loop.params, self._loop.results
        self._compare_arguments(comparing, self._recorder.taken, "the method gets")
        self._compare_outcome(comparing, returned, "the caller gets")

    def _pycapnp_reads(self) -> None:
        comparing = Comparing(self._model, is_there, null_is_empty=True)
        schema = self._referee.params(self._interface, self._method)
        read = self._referee.read(schema, self._method.parameters, self._loop.params)
        self._compare_arguments(comparing, read, "pycapnp reads the parameters")
        schema = self._referee.results(self._interface, self._method)
        fields, values = as_results(self._method, self._answer)
        read = self._referee.read(schema, fields, self._loop.results)
        if not comparing.same(fields, values, read):
            raise AssertionError(f"pycapnp reads the results {read!r}")

    def _pycapnp_writes(self, first_segment: int, messages: dict[str, bytes]) -> None:
        comparing = Comparing(self._model, nothing)
        schema = self._referee.params(self._interface, self._method)
        fields: Sequence[Field] = self._method.parameters
        try:
            written = self._referee.write(schema, fields, self._arguments, first_segment)
        except Unwritable:
            return
        messages["parameters that pycapnp wrote"] = written
        outcome_of(self._method, lambda: self._loop.serve(*self._loop.called, written))
        self._compare_arguments(comparing, self._recorder.taken, "of pycapnp, the method gets")
        schema = self._referee.results(self._interface, self._method)
        fields, values = as_results(self._method, self._answer)
        try:
            self._loop.answer = self._referee.write(schema, fields, values, first_segment)
        except Unwritable:
            return
        messages["results that pycapnp wrote"] = self._loop.answer
        self._compare_outcome(comparing, self._call(), "of pycapnp, the caller gets")

    def _call(self) -> Any:
        method, arguments = self._method, self._arguments
        return outcome_of(method, lambda: called(self._loop.client, method, arguments))

    def _compare_arguments(self, comparing: Comparing, found: tuple[Any, ...], what: str) -> None:
        fields = self._method.parameters
        if not comparing.same(fields, self._arguments, found):
            raise AssertionError(f"{what} {found!r}")

    def _compare_outcome(self, comparing: Comparing, found: Any, what: str) -> None:
        if not same_outcome(comparing, self._method, self._answer, found):
            raise AssertionError(f"{what} {found!r}")
