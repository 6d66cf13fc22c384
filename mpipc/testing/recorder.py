"""Objects that return what they are told and keep what they are given."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mpipc.model import Interface, Model
from mpipc.testing.building import python_class
from mpipc.testing.strategies import Objects


class Recorder:
    """What the objects that it makes are called with, and what they return: `returns`, which they
    raise when it is an exception."""

    def __init__(self) -> None:
        self.taken: tuple[Any, ...] = ()
        self.returns: Any = None

    def call(self, *arguments: Any) -> Any:
        """What each method does."""
        self.taken = arguments
        if isinstance(self.returns, BaseException):
            raise self.returns
        return self.returns

    def _method(self) -> Any:
        # Names say nothing about where a parameter stands, but the order in which they come does.
        return lambda _self, *values, **named: self.call(*values, *named.values())

    def object_of(self, interface: Interface, model: Model) -> Any:
        """An object of the interface, or something callable where that is what the interface is."""
        if interface.callable:
            return lambda *arguments: self.call(*arguments)
        methods: dict[str, Any] = {}
        for method in (each for i in model.ancestry(interface) for each in i.methods):
            getter = property(lambda _self: self.call())
            methods[method.name] = getter if method.getter else self._method()
        cls = python_class(interface.key)
        made: Any = type(f"Recording{cls.__name__}", (cls,), methods)
        return made.__new__(made)  # its own constructor may want arguments


def recorders(model: Model) -> Objects:
    """Strategies for objects that are only passed on."""
    return lambda interface: st.builds(lambda: Recorder().object_of(interface, model))
