"""Objects that return what they are told and keep what they are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st

from mpipc.ipc import coroutines
from mpipc.model import Interface, Method, Model, python_object
from mpipc.testing.building import put_together
from mpipc.testing.strategies import Objects


def object_of(interface: Interface, model: Model, called: Callable[..., Any]) -> Any:
    """An object of an interface, or something callable where that is what the interface is. Each
    of its methods returns `called(name, *arguments)`."""
    if interface.callable:
        [call] = (method for method in interface.methods if method.kind == "method")
        if call.is_async:
            return partial(_awaited(call.name, called), None)
        return partial(called, call.name)
    methods: dict[str, Any] = {}
    for method in (each for i in model.ancestry(interface) for each in i.methods):
        methods[method.name] = _method(method, model, called)
    cls = python_object(interface.cls)
    made: Any = type(f"Recording{cls.__name__}", (cls,), methods)
    return made.__new__(made)  # its own constructor may want arguments


def _method(method: Method, model: Model, answer: Callable[..., Any]) -> Any:
    name = method.name
    fields = method.parameters
    supplied = len(method.supplied)

    def called(name: str, *values: Any) -> Any:
        return answer(name, *put_together(model, fields, values[: len(values) - supplied]))

    if method.getter:
        return property(lambda _self: called(name))
    if method.is_async:
        return _awaited(name, called)
    # Names say nothing about where a parameter stands, but the order in which they come does.
    return lambda _self, *values, **named: called(name, *values, *named.values())


def _awaited(name: str, called: Callable[..., Any]) -> Any:
    async def method(_self: Any, *values: Any, **named: Any) -> Any:
        # In a thread, since it may make calls of its own and wait for them.
        return await coroutines.in_thread(lambda: called(name, *values, *named.values()))

    return method


class Recorder:
    """What the objects that it makes are called with, and what they return: `returns`, which they
    raise when it is an exception."""

    def __init__(self) -> None:
        self.taken: tuple[Any, ...] = ()
        self.returns: Any = None

    def object_of(self, interface: Interface, model: Model) -> Any:
        """An object of an interface."""
        return object_of(interface, model, self._called)

    def _called(self, name: str, *arguments: Any) -> Any:
        self.taken = arguments
        if isinstance(self.returns, BaseException):
            raise self.returns
        return self.returns


def recorders(model: Model) -> Objects:
    """Strategies for objects that are only passed on."""
    return lambda interface: st.builds(lambda: Recorder().object_of(interface, model))
