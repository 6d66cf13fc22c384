"""Watching calls: methods of clients and of objects are wrapped, once for each class.

A `Wrapper` sees the arguments and results of each call. A `Meter` learns that there is one, and
costs less. A connection asks for an `Observer` when it is made, and there is none while nobody
watches.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.proxy import Client, ClientMethod, Server, ServerMethod
from mpipc.capnp.shortcuts import Incoming
from mpipc.capnp.threads import carry
from mpipc.capnp.writer import Writer

Function: TypeAlias = Callable[..., Any]


class Method(msgspec.Struct, frozen=True):
    """A method that is watched, on one side of its calls. `secrets`: as a `Client` has them."""

    side: Literal["client", "server"]
    interface: str
    name: str
    secrets: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.interface}.{self.name}"


class Watcher(Protocol):
    """Something that wants to know of calls: a `Wrapper`, or a `Meter`."""

    def opened(self, endpoint: Endpoint) -> None:
        """There is a new connection whose calls it will see."""


@runtime_checkable
class Meter(Watcher, Protocol):
    """A watcher that needs to know of each call only that it is made, and how it ends."""

    def client(self, client: type[Client]) -> dict[str, Function]:
        """What to call instead of the client's functions of these names, through which all its
        calls go (`_mpipc_call`, ...)."""

    def method(self, server: Server, method: ServerMethod) -> ServerMethod:
        """What is run instead of a method of the server's."""


@runtime_checkable
class Wrapper(Watcher, Protocol):
    """A watcher that sees what is passed, and what is returned."""

    def watch(self, method: Method, function: Function) -> Function:
        """What to call instead of a method. Both are called with a subject before the arguments,
        which is a `Client` or a `StandIn`: its `_mpipc_connection` is the connection."""


@runtime_checkable
class Carrier(Wrapper, Protocol):
    """A watcher that has something to tell the other end with each call."""

    def carried(self) -> str:
        """A text that travels in the call's Context, "" for none."""


class StandIn:
    """What a server calls instead of an object. `_mpipc_incoming` is the call."""

    def __init__(self, impl: Any, incoming: Incoming, connection: Endpoint) -> None:
        self._mpipc_impl = impl
        self._mpipc_incoming = incoming
        self._mpipc_connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mpipc_impl, name)


class Observer:
    """Wraps clients and objects for some watchers, the first of which is the outermost."""

    def __init__(self, watchers: tuple[Watcher, ...]) -> None:
        self._watchers = watchers
        self._meters = [each for each in watchers if isinstance(each, Meter)]
        self._wrappers = tuple(each for each in watchers if isinstance(each, Wrapper))
        self.wraps_objects = bool(self._wrappers)

    def opened(self, endpoint: Endpoint) -> None:
        """Tell the watchers of a new connection."""
        for watcher in self._watchers:
            watcher.opened(endpoint)

    def client(self, client: type[Client]) -> type[Client]:
        """The client class, watched."""
        return _watched_client(client, self._watchers)  # type: ignore[arg-type]  # mypy#11469

    def method(self, server: Server, method: ServerMethod) -> ServerMethod:
        """The method of a server, watched."""
        for meter in self._meters:
            method = meter.method(server, method)
        return method

    def object(self, impl: Any, incoming: Incoming, connection: Endpoint) -> Any:
        """A stand-in for the object that is called."""
        server = incoming.target.server
        key = id(server), self._wrappers
        kind = _stand_ins.get(key)
        if kind is None:
            # The server is kept: its id stands for it.
            kind = _stand_ins[key] = _stand_in(server, self._wrappers), server
        return kind[0](impl, incoming, connection)


_stand_ins: dict[object, tuple[type[StandIn], Server]] = {}


@functools.cache
def _watched_client(client: type[Client], watchers: tuple[Watcher, ...]) -> type[Client]:
    for watcher in watchers:
        if isinstance(watcher, Meter):
            client = _derived(client, watcher.client(client))
    wrappers = [each for each in watchers if isinstance(each, Wrapper)]
    if not wrappers:
        return client
    members: dict[str, Any] = {}
    for name in client._mpipc_methods:
        method = Method("client", client._mpipc_name, name, client._mpipc_secrets.get(name, ()))
        declared = getattr(client, name)
        if isinstance(declared, property) and declared.fget is not None:
            members[name] = property(_watched(method, declared.fget, wrappers))
        else:
            members[name] = functools.wraps(declared)(_watched(method, declared, wrappers))
    for wrapper in wrappers:
        if isinstance(wrapper, Carrier):
            members["_mpipc_call"] = _carrying(client, wrapper)
    return _derived(client, members)


def _derived(client: type[Client], members: dict[str, Any]) -> type[Client]:
    # Not `type(...)`: the class of an ABC's subclass is ABCMeta.
    made: type[Client] = types.new_class(
        client.__name__, (client,), exec_body=lambda namespace: namespace.update(members)
    )
    return made


def _carrying(client: type[Client], carrier: Carrier) -> Function:
    def call(self: Client, method: ClientMethod[Any], w: Writer) -> Any:
        # A peer that has no threads gets a Context that says so, and nothing else.
        if method.context and self._mpipc_connection.names_thread():
            text = carrier.carried()
            if text:
                carry(w, method.shape, text)
        return client._mpipc_call(self, method, w)

    return call


def _stand_in(server: Server, wrappers: Iterable[Wrapper]) -> type[StandIn]:
    members: dict[str, Any] = {}
    for each in server.methods.values():
        name = each.name.rpartition(".")[2]
        if each.kind != "method" or each.is_async:
            continue
        method = Method("server", server.name, name, server.secrets.get(name, ()))
        if isinstance(inspect.getattr_static(server.interface, name, None), property):
            members[name] = property(_watched(method, _getter(name), wrappers))
        else:
            members[name] = _watched(method, _caller(name), wrappers)
    return type(f"Watched{server.name}", (StandIn,), members)


def _caller(name: str) -> Function:
    def call(subject: StandIn, *args: Any, **kwargs: Any) -> Any:
        return getattr(subject._mpipc_impl, name)(*args, **kwargs)

    return call


def _getter(name: str) -> Function:
    return lambda subject: getattr(subject._mpipc_impl, name)


def _watched(method: Method, function: Function, wrappers: Iterable[Wrapper]) -> Function:
    for wrapper in reversed([*wrappers]):
        function = wrapper.watch(method, function)
    return function


_on: dict[str, Watcher] = {}
_ORDER = ("spans", "log", "metrics")
"""From the outermost to the innermost: what is logged belongs to a span."""


def switch(name: str, watcher: Watcher | None) -> None:
    """Have a watcher see the connections that are made from now on; None: none of this name."""
    if watcher is None:
        _on.pop(name, None)
    else:
        _on[name] = watcher


def observer(*more: tuple[str, Watcher]) -> Observer | None:
    """What watches a connection that is being made: what is switched on, and `more`."""
    found = {**_on, **dict(more)}
    return Observer(tuple(found[name] for name in _ORDER if name in found)) if found else None
