"""Base classes of generated clients and tables of generated servers.

A generated client derives from `Client` and from the user's ABC, so a proxy is an instance of the
ABC. A generated server is a table of functions, one per method, that read the parameters, call the
local object and write the results.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from mpipc.capnp import rpc_messages as rpc
from mpipc.capnp.message import Message
from mpipc.capnp.misfits import unexpected
from mpipc.capnp.session import Capability, Import
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError, Unimplemented

if TYPE_CHECKING:
    from mpipc.capnp.endpoint import Endpoint

S = TypeVar("S", bound="Client")
R = TypeVar("R")


class ClientMethod(msgspec.Struct, Generic[R], eq=False):
    """What a client needs to know for a call: ids, the shape of the parameters
    (`data words | pointers << 16`), and how the results are read:
    `unpack(message, content, data words, pointers)`. `object`, where the result is an object: the
    index of its pointer, and its client."""

    name: str
    interface: int
    number: int
    shape: int
    context: bool
    unpack: Callable[[Message, int, int, int], R]
    object: tuple[int, Callable[[], type]] | None = None
    # Constant words of a call in a context.
    ids: bytes = b""
    pointer: int = 0

    def __post_init__(self) -> None:
        self.ids = rpc.method_ids(self.interface, self.number)
        self.pointer = rpc.context_pointer(self.shape)


def nothing(message: Message, content: int, data_words: int, pointers: int) -> None:
    """Unpack results that hold nothing."""


class ServerMethod(msgspec.Struct, eq=False):
    """How a call is answered: `run(object, message, content, data words, pointers)` returns the
    writer of the results, whose shape is given; of an `is_async` one it is to be awaited. `kind` as
    in the model, or "introspection"; `run` is None for the methods that the protocol adds.
    `run_async`, of a method of an iterator: what is awaited instead where the iterator is async.
    `supplied`: `run` is given who is at the other end, too."""

    name: str
    shape: int
    context: bool
    kind: str = "method"
    run: Callable[..., Any] | None = None
    is_async: bool = False
    run_async: Callable[[Any, Message, int, int, int], Any] | None = None
    supplied: bool = False
    # The pointer in a simple answer.
    pointer: int = 0
    # Whether `run` is all there is to it.
    plain: bool = False

    def __post_init__(self) -> None:
        self.pointer = rpc.result_pointer(self.shape)
        usual = self.run is not None and self.run_async is None
        self.plain = usual and not self.is_async and not self.supplied


class Server(msgspec.Struct, frozen=True):
    """The table of an interface's methods by (interface id, ordinal), inherited ones included.

    `interface` is the user's ABC, or None where any callable will do. `close`: what `destroy` does
    to an object. `secrets`: as a client has them.
    """

    name: str
    interface: type | None
    methods: Mapping[tuple[int, int], ServerMethod]
    close: Callable[[Any], None] | None = None
    secrets: Mapping[str, tuple[int | str, ...]] = {}


class Local:
    """An object of ours as a capability: what its server needs to call it."""

    __slots__ = ("impl", "server", "__weakref__")

    def __init__(self, impl: Any, server: Server) -> None:
        if server.interface is None:
            fits = callable(impl)
        else:
            # Where an interface is only `__call__`, any callable implements it.
            fits = isinstance(impl, server.interface) or (
                callable(impl) and "__call__" in server.interface.__dict__
            )
        if not fits:
            raise unexpected(server.name, impl)
        self.impl = impl
        self.server = server

    def destroy(self) -> None:
        """Let go of the object; calls that come later fail. What has to be closed is."""
        impl, self.impl = self.impl, None
        if self.server.close is not None:
            self.server.close(impl)


class Closable:
    """What `close` closes."""

    def _mpipc_close(self) -> None:
        """May be called again, and from any thread."""
        raise NotImplementedError


class Client(Closable):
    """Base of generated clients: a reference to an object in another process.

    Usable in `with`, which closes it: `mpipc.close` says what that means.
    """

    # Its state, under names that no user's method can clash with.
    _mpipc_connection: Endpoint
    _mpipc_target: Import | None
    _mpipc_name: str
    _mpipc_methods: tuple[str, ...] = ()
    # By the names of methods: which parameters must not be shown, by position and by name; and
    # "return", where it is what they return.
    _mpipc_secrets: Mapping[str, tuple[int | str, ...]] = {}
    _mpipc_destroy: ClientMethod[None] | None = None
    _mpipc_construct: ClientMethod[Capability] | None = None

    def __init__(self, connection: Endpoint, target: Import) -> None:
        self._mpipc_connection = connection
        self._mpipc_target = target

    def _mpipc_call(self, method: ClientMethod[R], w: Writer) -> R:
        """Send a call, wait for its answer, and read it."""
        target = self._mpipc_target
        if target is None:
            raise IpcError(f"{type(self).__name__} was closed")
        try:
            return self._mpipc_connection.call(target, method, w)
        except Unimplemented as error:  # which names a number at best
            text = f"{method.name}: {error.text}"
            raise Unimplemented(text, error.type, error.traceback) from None

    def _mpipc_let_go(self) -> Import | None:
        """Close it on this side; returns the reference that it held."""
        target, self._mpipc_target = self._mpipc_target, None
        return target

    def _mpipc_end(self, target: Import) -> None:
        """Destroy the object that it referred to, and wait until that is done."""
        connection, destroy = self._mpipc_connection, self._mpipc_destroy
        if connection.is_root(target):
            connection.close()
        elif destroy is not None and not connection.closed:
            connection.call(target, destroy, connection.empty_params(destroy))

    def _mpipc_close(self) -> None:
        target = self._mpipc_let_go()
        if target is not None:
            self._mpipc_end(target)

    def _mpipc_await(self, method: ClientMethod[R], w: Writer) -> Awaitable[R]:
        """As `_mpipc_call`, to be awaited."""
        target = self._mpipc_target
        if target is None:
            raise IpcError(f"{type(self).__name__} was closed")
        return self._mpipc_connection.call_async(target, method, w)

    def _mpipc_iterate(self, method: ClientMethod[R], w: Writer) -> R:
        """As `_mpipc_call`, of a method that gives an AsyncIterator: where calls are awaited, this
        one is made when the iterator is first asked for something."""
        found: R = self._mpipc_connection.iterate(self, method, w)
        return found

    def _mpipc_deprecated(self, text: str) -> None:
        """Warn whoever called the method that calls this."""
        warnings.warn(text, DeprecationWarning, stacklevel=3)

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close(self)

    def __repr__(self) -> str:
        state = "closed" if self._mpipc_target is None else self._mpipc_connection.describe()
        return f"<{type(self).__name__} {state}>"


def close(proxy: object) -> None:
    """Destroy the remote object now, and wait until that is done.

    Calls the interface's `destroy` where it has one, then lets go of the reference. Closing the
    root object closes the connection. A closed proxy may be closed again. An object of this
    process (a direct implementation) is left alone, so that code which closes what it was given
    works with and without IPC. Garbage collection lets go of the reference too, but calls no
    `destroy` and does not wait.
    """
    if isinstance(proxy, Closable):
        proxy._mpipc_close()


class Generated(msgspec.Struct, frozen=True):
    """What a generated module offers for one interface."""

    client: type[Client]
    server: Server
