"""How types of your own travel: each is represented by a type that mpipc knows.

    class Hash:
        def __init__(self, hexadecimal: str) -> None: ...

    def build_hash(value: Hash) -> bytes: ...
    def read_hash(data: bytes) -> Hash: ...

    hooks.register(Hash, wire=bytes, build=build_hash, read=read_hash)

From then on `Hash` may stand wherever a type may stand: its values travel as `bytes`. The types of
the standard library that mpipc knows are registered the same way (`mpipc/standard`).

Generated code calls the functions by their names, so they are at the top level of a module, or
methods of a class there. `build` is given what somebody else sends, and `read` what somebody else
sent: what `read` raises becomes a `ConversionError` that names the method and the field. Register a
type in the module that declares it: whoever uses it has imported that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from mpipc.ipc.peers import Peer


class Hook(msgspec.Struct, frozen=True):
    """How a type travels. `takes_type`: `read` is called with the type before the value. `name`:
    what it is called in descriptions, where that is not the name of the class."""

    wire: object
    build: Callable[[Any], object]
    read: Callable[..., object]
    takes_type: bool = False
    name: str = ""


Predicate: TypeAlias = Callable[[object, tuple[object, ...]], bool]

_exact: dict[object, Hook] = {}
_bases: dict[type, Hook] = {}
_predicates: list[tuple[Predicate, Hook]] = []
_supplied: dict[object, Callable[[Peer], object]] = {}
_filled_in: dict[object, Callable[[], object]] = {}


def register(
    cls: type,
    *,
    wire: object,
    build: Callable[[Any], object],
    read: Callable[..., object],
    subclasses: bool = False,
) -> None:
    """Say how values of a class travel.

    `wire`        the annotation of the type that they travel as; constraints on it hold for what
                  travels.
    `build`       called with a value, gives one of the wire type.
    `read`        called with a value of the wire type, gives one of the class. It should raise
                  ValueError for values that are none.
    `subclasses`  also for classes that are derived from it; `read` is called with the annotated
                  class and then the value.

    What is registered for the class itself counts before what is registered for a base, and what
    is registered last before what was registered earlier.
    """
    if subclasses:
        _bases[cls] = Hook(wire, build, read, takes_type=True)
    else:
        _exact[cls] = Hook(wire, build, read)


def register_if(
    predicate: Predicate,
    *,
    wire: object,
    build: Callable[[Any], object],
    read: Callable[..., object],
    name: str = "",
) -> None:
    """Say how values travel whose annotation fulfils a predicate.

    The predicate is called with every annotation, without `| None` and `Annotated`, and with the
    metadata that the latter adds, before classes are looked up. `build` and `read` are called as
    for a class that is registered alone. `name` stands for the type in descriptions.
    """
    _predicates.append((predicate, Hook(wire, build, read, name=name)))


def find(base: object, metadata: tuple[object, ...] = ()) -> Hook | None:
    """The hook of an annotation, given without `Annotated` and what that adds to it."""
    for predicate, hook in reversed(_predicates):
        if predicate(base, metadata):
            return hook
    try:
        found = _exact.get(base)
    except TypeError:  # not hashable, so nobody registered it
        return None
    if found is None and isinstance(base, type):
        found = next((_bases[each] for each in base.__mro__ if each in _bases), None)
    return found if found is None or found.wire is not base else None


def supply(cls: type, function: Callable[[Peer], object]) -> None:
    """Say what a parameter of a class is, which the caller does not pass: the side that is called
    fills it in, from who the caller is.

        def user_of(peer: mpipc.Peer) -> User: ...

        hooks.supply(User, user_of)

        def cancel(self, order: int, *, user: User | None = None) -> None: ...

    `function` is called for each call, with the `Peer` at the other end of the connection, in the
    thread that runs the method; what it raises fails the call. Nothing of the parameter travels.
    It is passed by name only and None by default, which it is where the method is called without
    a connection. `mpipc.Peer` is registered: the peer itself.
    """
    _supplied[cls] = function


def supplier(base: object) -> Callable[[Peer], object] | None:
    """The function that supplies parameters of a class, None where the caller passes them."""
    return _supplied.get(base) if isinstance(base, type) else None


def fill_in(cls: type, function: Callable[[], object]) -> None:
    """Say what a parameter of a class is where the caller leaves it out: the caller's side fills
    it in, and it travels like any other. What C++ does for a type with `$Proxy.count(0)`.

        def settings() -> Settings: ...

        hooks.fill_in(Settings, settings)

        def make_wallet(self, name: str, *, settings: Settings | None = None) -> Wallet: ...

    `function` is called for each call that passes None or nothing, in the caller's thread; what it
    raises the caller gets. This holds for parameters that are None by default; where the method is
    called without a connection, they are.
    """
    _filled_in[cls] = function


def filler(base: object) -> Callable[[], object] | None:
    """The function that fills in parameters of a class, None where there is none."""
    return _filled_in.get(base) if isinstance(base, type) else None
