"""What comes of a call: what a method returns, or an exception that it declares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from mpipc.ipc import coroutines
from mpipc.model import DeclaredException, Field, Method, StructType, TextType, python_object
from mpipc.testing.comparing import Comparing
from mpipc.testing.strategies import Strategies, results_of


def answers(method: Method, strategies: Strategies) -> st.SearchStrategy[Any]:
    """What a method may return, and the exceptions that it may raise."""
    found = strategies.results(method)
    for declared in method.raises:
        if isinstance(declared.slot.type, StructType):
            found |= strategies.of(declared.slot.type)
        else:
            found |= st.builds(python_object(declared.key), st.text(max_size=20))
    return found


def called(client: Any, method: Method, arguments: Sequence[Any]) -> Any:
    """Call a method, or get a property; await what is async."""
    if method.getter:
        return getattr(client, method.name)
    given = zip(method.parameters, arguments, strict=True)
    pairs = [each for field, value in given for each in field.apart(value)]
    positional = [value for field, value in pairs if not field.keyword]
    named = {field.keyword: value for field, value in pairs if field.keyword}
    result = getattr(client, method.name)(*positional, **named)
    return coroutines.run(result) if method.is_async else result


def outcome_of(method: Method, call: Callable[[], Any]) -> Any:
    """What a call returns, or the declared exception that it raises."""
    try:
        return call()
    except tuple(python_object(each.key) for each in method.raises) as error:
        return error


def same_outcome(comparing: Comparing, method: Method, given: Any, arrived: Any) -> bool:
    """Whether what a call returned or raised is what the method was told to."""
    if isinstance(given, BaseException):
        declared = _declared(method, given)
        if isinstance(declared.slot.type, StructType):
            field = _field(declared)
            return type(arrived) is type(given) and comparing.same([field], [given], [arrived])
        expected = python_object(declared.key)(str(given))
        return type(arrived) is type(expected) and arrived.args == expected.args
    if isinstance(arrived, BaseException):
        return False
    return comparing.same(
        method.result_fields, results_of(method, given), results_of(method, arrived)
    )


def as_results(method: Method, outcome: Any) -> tuple[Sequence[Field], tuple[Any, ...]]:
    """The fields of the results message that an outcome sets, and their values."""
    if isinstance(outcome, BaseException):
        field = _field(_declared(method, outcome))
        return [field], (outcome if isinstance(field.type, StructType) else str(outcome),)
    return method.result_fields, results_of(method, outcome)


def _field(declared: DeclaredException) -> Field:
    slot = declared.slot
    assert isinstance(slot.type, TextType | StructType)
    return Field(slot.name, slot.type, slot)


def _declared(method: Method, error: BaseException) -> DeclaredException:
    """As which of a method's exceptions one travels: the first that fits, as with `except`."""
    return next(each for each in method.raises if isinstance(error, python_object(each.key)))
