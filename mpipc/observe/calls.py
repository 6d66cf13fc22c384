"""Watching calls: methods of clients and of objects are wrapped, once for each class.

A `Wrapper` sees the arguments and results of each call. A `Meter` learns that there is one, and
costs less. A connection asks for an `Observer` when it is made, and there is none while nobody
watches.

What is awaited is watched until it is done. In an event loop (`mpipc.aio`) a method that is no
coroutine function only begins a call, which is awaited later: `Endpoint.begun`.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.proxy import Client, ClientMethod, Server, ServerMethod
from mpipc.capnp.shortcuts import Incoming
from mpipc.capnp.streams import Stream
from mpipc.capnp.threads import carry
from mpipc.capnp.writer import Writer

Function: TypeAlias = Callable[..., Any]
Watch: TypeAlias = Generator[None, Any, None]
"""Goes on around a call: it yields once, while the call is made, and is sent what that returns, or
thrown what it raises. It raises nothing itself."""


class Method(msgspec.Struct, frozen=True):
    """A method that is watched, on one side of its calls. `secrets`: as a `Client` has them."""

    side: Literal["client", "server"]
    interface: str
    name: str
    secrets: tuple[int | str, ...]

    def __str__(self) -> str:
        return f"{self.interface}.{self.name}"


class Watcher(Protocol):
    """Something that wants to know of connections; as a `Wrapper` or a `Meter`, also of calls."""

    def opened(self, endpoint: Endpoint) -> None:
        """There is a new connection, whose calls it will see."""


@runtime_checkable
class Meter(Watcher, Protocol):
    """A watcher that needs to know of each call only that it is made, and how it ends."""

    def client(self, client: type[Client], *, in_loop: bool) -> dict[str, Function]:
        """What to call instead of the client's functions of these names, through which all its
        calls go (`_mpipc_call`, ...). `in_loop`: a call may only be begun there."""

    def method(self, server: Server, method: ServerMethod) -> ServerMethod:
        """What is run instead of a method of the server's."""


@runtime_checkable
class Wrapper(Watcher, Protocol):
    """A watcher that sees what is passed, and what is returned."""

    def watch(
        self, method: Method, subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Watch:
        """What goes on around a call. `subject`, a `Client` or a `StandIn`, is what is called: its
        `_mpipc_connection` is the connection."""


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
    """Wraps clients and objects for some watchers, the first of which is the outermost. `in_loop`:
    an event loop drives the connection."""

    def __init__(self, watchers: tuple[Watcher, ...], *, in_loop: bool) -> None:
        self._watchers = watchers
        self._in_loop = in_loop
        self._meters = tuple(each for each in watchers if isinstance(each, Meter))
        self._wrappers = tuple(each for each in watchers if isinstance(each, Wrapper))
        self._carriers = [each for each in watchers if isinstance(each, Carrier)]
        self.wraps_objects = bool(self._wrappers)

    def opened(self, endpoint: Endpoint) -> None:
        """Tell the watchers of a new connection."""
        for watcher in self._watchers:
            watcher.opened(endpoint)

    def client(self, client: type[Client]) -> type[Client]:
        """The client class, watched."""
        return _watched_client(
            client,  # type: ignore[arg-type]  # mypy#11469
            (*self._meters, *self._wrappers),
            self._in_loop,
        )

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

    def carried(self) -> str:
        """What is to travel in the Context of a call that is made now."""
        return "".join(each.carried() for each in self._carriers)


_stand_ins: dict[object, tuple[type[StandIn], Server]] = {}


@functools.cache
def _watched_client(
    client: type[Client], watchers: tuple[Watcher, ...], in_loop: bool
) -> type[Client]:
    for watcher in watchers:
        if isinstance(watcher, Meter):
            client = _derived(client, watcher.client(client, in_loop=in_loop))
    wrappers = [each for each in watchers if isinstance(each, Wrapper)]
    if not wrappers:
        return client
    members: dict[str, Any] = {}
    for name in client._mpipc_methods:
        method = Method("client", client._mpipc_name, name, client._mpipc_secrets.get(name, ()))
        # An iterator's items are asked for in two ways.
        for form in (name, f"{name}_async") if issubclass(client, Stream) else (name,):
            declared = getattr(client, form)
            if isinstance(declared, property) and declared.fget is not None:
                members[form] = property(_watched(method, declared.fget, wrappers, in_loop))
            else:
                watched = _watched(method, declared, wrappers, in_loop)
                members[form] = functools.wraps(declared)(watched)
    # In a loop, the connection itself knows when a call is made.
    for carrier in wrappers if not in_loop else ():
        if isinstance(carrier, Carrier):
            for name in ("_mpipc_call", "_mpipc_await"):
                members[name] = _carrying(getattr(client, name), carrier)
    return _derived(client, members)


def _derived(client: type[Client], members: dict[str, Any]) -> type[Client]:
    # Not `type(...)`: the class of an ABC's subclass is ABCMeta.
    made: type[Client] = types.new_class(
        client.__name__, (client,), exec_body=lambda namespace: namespace.update(members)
    )
    return made


def _carrying(function: Function, carrier: Carrier) -> Function:
    def call(self: Client, method: ClientMethod[Any], w: Writer) -> Any:
        # A peer that has no threads gets a Context that says so, and nothing else.
        if method.context and self._mpipc_connection.names_thread():
            text = carrier.carried()
            if text:
                carry(w, method.shape, text)
        return function(self, method, w)

    return call


def _stand_in(server: Server, wrappers: Iterable[Wrapper]) -> type[StandIn]:
    members: dict[str, Any] = {}
    for each in server.methods.values():
        name = each.name.rpartition(".")[2]
        if each.kind != "method":
            continue
        method = Method("server", server.name, name, server.secrets.get(name, ()))
        declared = inspect.getattr_static(server.interface, name, None)
        if isinstance(declared, property):
            members[name] = property(_watched(method, _getter(name), wrappers))
        elif each.is_async and (declared is None or inspect.iscoroutinefunction(declared)):
            members[name] = _watched(method, _awaiter(name), wrappers)
        else:
            members[name] = _watched(method, _caller(name), wrappers)
    return type(f"Watched{server.name}", (StandIn,), members)


def _caller(name: str) -> Function:
    def call(subject: StandIn, *args: Any, **kwargs: Any) -> Any:
        return getattr(subject._mpipc_impl, name)(*args, **kwargs)

    return call


def _awaiter(name: str) -> Function:
    async def call(subject: StandIn, *args: Any, **kwargs: Any) -> Any:
        return await getattr(subject._mpipc_impl, name)(*args, **kwargs)

    return call


def _getter(name: str) -> Function:
    return lambda subject: getattr(subject._mpipc_impl, name)


def _watched(
    method: Method, function: Function, wrappers: Iterable[Wrapper], in_loop: bool = False
) -> Function:
    for wrapper in reversed([*wrappers]):
        if inspect.iscoroutinefunction(function):
            function = _awaited(method, function, wrapper)
        elif in_loop:
            function = _begun(method, function, wrapper)
        else:
            function = _called(method, function, wrapper)
    return function


def _called(method: Method, function: Function, wrapper: Wrapper) -> Function:
    def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
        watch = wrapper.watch(method, subject, args, kwargs)
        next(watch)
        try:
            result = function(subject, *args, **kwargs)
        except BaseException as e:
            _tell(watch.throw, e)
            raise
        _tell(watch.send, result)
        return result

    return call


def _awaited(method: Method, function: Function, wrapper: Wrapper) -> Function:
    async def call(subject: Any, *args: Any, **kwargs: Any) -> Any:
        watch = wrapper.watch(method, subject, args, kwargs)
        return await _until_done(watch, function(subject, *args, **kwargs))

    return call


def _begun(method: Method, function: Function, wrapper: Wrapper) -> Function:
    called = _called(method, function, wrapper)

    def begin(subject: Any, *args: Any, **kwargs: Any) -> Any:
        connection = subject._mpipc_connection
        if connection.blocks():
            return called(subject, *args, **kwargs)
        begun = connection.begun()
        result = function(subject, *args, **kwargs)
        watch = wrapper.watch(method, subject, args, kwargs)
        if begun is None:  # an iterator, which calls when it is first used
            result.watch(functools.partial(_until_done, watch))
        else:
            begun.append(_until_done(watch, begun[-1]))
        return result

    return begin


async def _until_done(watch: Watch, awaitable: Awaitable[Any]) -> Any:
    next(watch)
    try:
        result = await awaitable
    except BaseException as e:
        _tell(watch.throw, e)
        raise
    _tell(watch.send, result)
    return result


def _tell(how: Callable[[Any], object], what: Any) -> None:
    try:
        how(what)
    except StopIteration:
        pass


_on: dict[str, Watcher] = {}
_ORDER = ("spans", "log", "metrics", "recorder")
"""From the outermost to the innermost: what is logged belongs to a span."""


def switch(name: str, watcher: Watcher | None) -> None:
    """Have a watcher see the connections that are made from now on; None: none of this name."""
    if watcher is None:
        _on.pop(name, None)
    else:
        _on[name] = watcher


def is_on(name: str) -> bool:
    """Whether there is a watcher of this name."""
    return name in _on


def observer(*more: tuple[str, Watcher], in_loop: bool = False) -> Observer | None:
    """What watches a connection that is being made: what is switched on, and `more`. `in_loop`: an
    event loop drives the connection."""
    found = {**_on, **dict(more)}
    watchers = tuple(found[name] for name in _ORDER if name in found)
    return Observer(watchers, in_loop=in_loop) if watchers else None
