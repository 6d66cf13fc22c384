"""References to an object: instances of its interfaces that decide about each call.

Here are those that are narrower than the object: some of its methods only, or only until they are
taken back.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

from mpipc.capnp.proxy import Closable
from mpipc.declare import INTERFACE, options_of

T = TypeVar("T")
R = TypeVar("R", bound="Reference")


def restrict(obj: T, allow: Collection[str]) -> T:
    """A reference to an object through which only the methods and properties in `allow` work.

    It is an instance of the same interfaces; other methods raise PermissionError, which a caller in
    another process sees as RemoteError. `obj` is an object of this process or a proxy. What the
    methods return is not restricted.

    Raises TypeError for an object without an interface, and ValueError for a name that is none of a
    method.
    """
    interfaces = interfaces_of(obj)
    names = methods_of(interfaces)
    if not interfaces:
        raise TypeError(f"{type(obj).__name__} implements no interface")
    unknown = [name for name in allow if name not in names]
    if isinstance(allow, str) or unknown:
        known = ", ".join(sorted(names))
        raise ValueError(f"allow={allow!r}: the methods of {interfaces[0].__name__} are {known}")
    return refer(obj, _Restricted(obj, frozenset(allow)))


def revocable(obj: T) -> tuple[T, Callable[[], None]]:
    """A reference to an object, and a function that takes it back.

    The reference is an instance of the same interfaces; where `obj` is a mere callable, it is one,
    too. Once it is taken back, calls raise PermissionError, which a caller in another process sees
    as RemoteError, and the object is let go of. Calls in progress go on, and so do objects that
    were got through the reference.

    Raises TypeError for an object that is neither.
    """
    held = _Revocable(obj)
    if interfaces_of(obj):
        return refer(obj, held), held.revoke
    if not callable(obj):
        raise TypeError(f"{type(obj).__name__} implements no interface")
    reference: Any = lambda *args: held.call("__call__", lambda held: held(*args))  # noqa: E731
    return reference, held.revoke


class Holder:
    """What stands between a reference and its object."""

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        """`use` the object, that is, call its method or read its property of this name. Raises what
        that raises, and PermissionError where it may not be."""
        raise NotImplementedError

    def close(self) -> None:
        """What `mpipc.close` does to the reference."""


class _Restricted(Holder):
    def __init__(self, obj: object, allowed: frozenset[str]) -> None:
        self._obj = obj
        self._allowed = allowed

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        if name not in self._allowed:
            raise PermissionError(f"{name} may not be called through this reference")
        return use(self._obj)


class _Revocable(Holder):
    def __init__(self, obj: object) -> None:
        self._held: list[object] = [obj]

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        try:
            obj = self._held[0]
        except IndexError:
            raise PermissionError(f"{name}: this reference was taken back") from None
        return use(obj)

    def revoke(self) -> None:
        """May be called again, and from any thread."""
        self._held.clear()


class Reference(Closable):
    """Base of the classes of references."""

    _mpipc_holder: Holder
    _mpipc_described: str

    def _mpipc_close(self) -> None:
        self._mpipc_holder.close()

    def __enter__(self: R) -> R:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._mpipc_close()

    def __repr__(self) -> str:
        return f"<reference to {self._mpipc_described}>"


def refer(obj: T, holder: Holder) -> T:
    """A reference that is an instance of the interfaces of `obj`, which has some."""
    cls = _reference_class(interfaces_of(obj))
    reference = object.__new__(cls)
    reference._mpipc_holder = holder
    return cast("T", reference)


def interfaces_of(obj: object) -> tuple[type, ...]:
    return tuple(base for base in type(obj).__mro__ if options_of(base, INTERFACE) is not None)


def methods_of(interfaces: tuple[type, ...]) -> dict[str, Any]:
    """The methods and properties that they declare, by name."""
    return {
        name: value
        for cls in reversed(interfaces)
        for name, value in vars(cls).items()
        if getattr(value, "__isabstractmethod__", False)
    }


@functools.cache
def _reference_class(interfaces: tuple[type, ...]) -> Any:
    """A class that implements the interfaces by asking `_mpipc_holder` for the object."""
    members = {name: _forwarded(name, value) for name, value in methods_of(interfaces).items()}
    members["_mpipc_described"] = interfaces[0].__name__
    return types.new_class(
        interfaces[0].__name__,
        (Reference, *interfaces),
        exec_body=lambda body: body.update(members),
    )


def _forwarded(name: str, declared: Any) -> Any:
    if isinstance(declared, property):
        return property(lambda self: self._mpipc_holder.call(name, operator.attrgetter(name)))

    # Not what is in its __dict__, which says that it is abstract.
    @functools.wraps(declared, updated=())
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._mpipc_holder.call(name, lambda obj: getattr(obj, name)(*args, **kwargs))

    return call
