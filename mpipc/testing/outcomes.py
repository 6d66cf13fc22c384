"""What comes of a call: what a method returns, or an exception that it declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from mpipc.model import DeclaredException, Field, Method, TextType
from mpipc.testing.comparing import Comparing
from mpipc.testing.strategies import Strategies, python_class, results_of


def answers(method: Method, strategies: Strategies) -> st.SearchStrategy[Any]:
    """What a method may return, and the exceptions that it may raise."""
    found = strategies.results(method)
    for declared in method.raises:
        found |= st.builds(python_class(declared.key), st.text(max_size=20))
    return found


def outcome_of(method: Method, call: Callable[[], Any]) -> Any:
    """What a call returns, or the declared exception that it raises."""
    try:
        return call()
    except tuple(python_class(each.key) for each in method.raises) as error:
        return error


def same_outcome(comparing: Comparing, method: Method, given: Any, arrived: Any) -> bool:
    """Whether what a call returned or raised is what the method was told to."""
    if isinstance(given, BaseException):
        expected = python_class(_declared(method, given).key)(str(given))
        return type(arrived) is type(expected) and arrived.args == expected.args
    if isinstance(arrived, BaseException):
        return False
    return comparing.same(
        method.result_fields, results_of(method, given), results_of(method, arrived)
    )


def as_results(method: Method, outcome: Any) -> tuple[Sequence[Field], tuple[Any, ...]]:
    """The fields of the results message that an outcome sets, and their values."""
    if isinstance(outcome, BaseException):
        slot = _declared(method, outcome).slot
        return [Field(slot.name, TextType(), slot)], (str(outcome),)
    return method.result_fields, results_of(method, outcome)


def _declared(method: Method, error: BaseException) -> DeclaredException:
    """As which of a method's exceptions one travels: the first that fits, as with `except`."""
    return next(each for each in method.raises if isinstance(error, python_class(each.key)))
