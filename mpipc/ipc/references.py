"""Narrower references to an object: some of its methods only, or only until they are taken back."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Collection
from typing import Any, Protocol, TypeVar

from mpipc.declare import INTERFACE, options_of

T = TypeVar("T")


def restrict(obj: T, allow: Collection[str]) -> T:
    """A reference to an object through which only the methods and properties in `allow` work.

    It is an instance of the same interfaces; other methods raise PermissionError, which a caller in
    another process sees as RemoteError. `obj` is an object of this process or a proxy. What the
    methods return is not restricted.

    Raises TypeError for an object without an interface, and ValueError for a name that is none of a
    method.
    """
    interfaces = _interfaces(type(obj))
    names = _methods(interfaces)
    if not interfaces:
        raise TypeError(f"{type(obj).__name__} implements no interface")
    unknown = [name for name in allow if name not in names]
    if isinstance(allow, str) or unknown:
        known = ", ".join(sorted(names))
        raise ValueError(f"allow={allow!r}: the methods of {interfaces[0].__name__} are {known}")
    reference: T = _reference(interfaces, _Restricted(obj, frozenset(allow)))
    return reference


def revocable(obj: T) -> tuple[T, Callable[[], None]]:
    """A reference to an object, and a function that takes it back.

    The reference is an instance of the same interfaces; where `obj` is a mere callable, it is one,
    too. Once it is taken back, calls raise PermissionError, which a caller in another process sees
    as RemoteError, and the object is let go of. Calls in progress go on, and so do objects that
    were got through the reference.

    Raises TypeError for an object that is neither.
    """
    held = _Revocable(obj)
    interfaces = _interfaces(type(obj))
    if interfaces:
        return _reference(interfaces, held), held.revoke
    if not callable(obj):
        raise TypeError(f"{type(obj).__name__} implements no interface")
    reference: Any = lambda *args: held.target("__call__")(*args)  # noqa: E731
    return reference, held.revoke


class _Holder(Protocol):
    """What stands between a reference and its object."""

    def target(self, name: str) -> Any:
        """The object, if this method of it may be called. Raises PermissionError."""


class _Restricted:
    def __init__(self, obj: object, allowed: frozenset[str]) -> None:
        self._obj = obj
        self._allowed = allowed

    def target(self, name: str) -> Any:
        if name not in self._allowed:
            raise PermissionError(f"{name} may not be called through this reference")
        return self._obj


class _Revocable:
    def __init__(self, obj: object) -> None:
        self._held: list[object] = [obj]

    def target(self, name: str) -> Any:
        try:
            return self._held[0]
        except IndexError:
            raise PermissionError(f"{name}: this reference was taken back") from None

    def revoke(self) -> None:
        """May be called again, and from any thread."""
        self._held.clear()


def _interfaces(cls: type) -> tuple[type, ...]:
    return tuple(base for base in cls.__mro__ if options_of(base, INTERFACE) is not None)


def _methods(interfaces: tuple[type, ...]) -> dict[str, Any]:
    return {
        name: value
        for cls in reversed(interfaces)
        for name, value in vars(cls).items()
        if getattr(value, "__isabstractmethod__", False)
    }


def _reference(interfaces: tuple[type, ...], holder: _Holder) -> Any:
    cls = _reference_class(interfaces)
    reference = object.__new__(cls)
    reference._mpipc_holder = holder
    return reference


@functools.cache
def _reference_class(interfaces: tuple[type, ...]) -> Any:
    """A class that implements the interfaces by asking `_mpipc_holder` for the object."""
    members = {name: _forwarded(name, value) for name, value in _methods(interfaces).items()}
    members["__repr__"] = lambda self: f"<reference to a {interfaces[0].__name__}>"
    return types.new_class(
        interfaces[0].__name__, interfaces, exec_body=lambda body: body.update(members)
    )


def _forwarded(name: str, declared: Any) -> Any:
    if isinstance(declared, property):
        return property(lambda self: getattr(self._mpipc_holder.target(name), name))

    # Not what is in its __dict__, which says that it is abstract.
    @functools.wraps(declared, updated=())
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._mpipc_holder.target(name), name)(*args, **kwargs)

    return call
