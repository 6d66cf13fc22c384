"""What a connection is, whether threads drive it or an event loop: references, and the methods that
the protocol itself has."""

from __future__ import annotations

import logging
import traceback
import weakref
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, Protocol, TypeVar

from mpipc.capnp import threads
from mpipc.capnp.message import Limits
from mpipc.capnp.proxy import Client, ClientMethod, Local, Server, ServerMethod
from mpipc.capnp.session import (
    Broken,
    Capability,
    Delivery,
    Import,
    Kept,
    LocalCapability,
    Overloaded,
    Passing,
    Question,
    Session,
    again,
)
from mpipc.capnp.showing import printable
from mpipc.capnp.threads import ThreadCapability, ThreadMapCapability
from mpipc.capnp.traffic import Tap, Traffic
from mpipc.capnp.writer import Writer
from mpipc.errors import Disconnected, IpcError, ProtocolError, RemoteError, Unimplemented

R = TypeVar("R")
_log = logging.getLogger("mpipc")

_LONGEST_NAME = 200  # characters of a thread's, which stands in every line of the log


class Observer(Protocol):
    """Wraps clients and objects so that somebody knows of their calls. `wraps_objects`: whether
    stand-ins are to be called instead of objects."""

    wraps_objects: bool

    def client(self, client: type[Client]) -> type[Client]:
        """A client class that is watched."""

    def method(self, server: Server, method: ServerMethod) -> ServerMethod:
        """A server's method that is watched."""

    def object(self, impl: Any, incoming: Any, connection: Any) -> Any:
        """A stand-in for the local object that an incoming call is for."""

    def carried(self) -> str:
        """What is to travel in the Context of a call that is made now, "" for nothing."""


class Endpoint(ABC):
    """See the module. `lock` is held around every use of the session. `on_drop` is the session's.
    `tracebacks`: send the tracebacks of undeclared exceptions to the peer. `observer`: wraps what
    somebody watches, None where nobody does.
    """

    def __init__(
        self,
        bootstrap: Local | None,
        limits: Limits,
        lock: Any,
        on_drop: Callable[[], None],
        *,
        tracebacks: bool,
        observer: Observer | None,
    ) -> None:
        self.limits = limits
        self._lock = lock
        self._tracebacks = tracebacks
        self._observer = observer
        self.wraps_objects = observer is not None and observer.wraps_objects
        self.traffic = Traffic()
        self.peer: object = None
        """Who is at the other end, where that is known."""
        self._session = Session(bootstrap, limits, on_drop)
        self._on_end: Callable[[Disconnected], object] | None = None
        self._root: weakref.ref[Import] | None = None
        self._thread_map: Import | None = None
        self._own_thread_map = ThreadMapCapability()
        # By id: of such a dictionary any thread can make a list at any time.
        self._made_threads: weakref.WeakValueDictionary[int, ThreadCapability] = (
            weakref.WeakValueDictionary()
        )

    # ----------------------------------------------------------------------------- for users

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._session.closed is not None

    @abstractmethod
    def describe(self) -> str:
        """The other end, for people."""

    @abstractmethod
    def close(self) -> None:
        """Drop the connection: every waiting call raises Disconnected."""

    @property
    def greeted(self) -> bool:
        """Whether the peer has asked for our root object."""
        return self._session.greeted

    @property
    @abstractmethod
    def heard(self) -> int:
        """A number that changes when something is received."""

    @property
    def busy(self) -> bool:
        """Whether either side waits for an answer of the other's."""
        return self._session.busy

    @property
    def idle(self) -> bool:
        """Whether no proxy of the user's is left."""
        return not self._session.imports

    @property
    def serves(self) -> bool:
        """Whether the peer can ask for a root object of ours."""
        return self._session.serves

    def _named(self, error: Disconnected) -> Disconnected:
        """Why the connection has ended, and which one that was."""
        where = self.describe()
        # To a client, the address says which server it was.
        whom = f"{self.peer} {where}" if self.serves else where.removeprefix("on ")
        return Disconnected(f"{whom}: {error}")

    def _end_session(self, reason: Disconnected) -> None:
        """The connection ends. Called once."""
        self._session.close(reason)
        if self._on_end is not None:
            self._on_end(reason)

    def census(self) -> tuple[dict[str, int], int, list[str]]:
        """What there is on the connection: how many objects of ours the peer holds, by interface;
        how many of its we hold; and the names of the threads that it has made here."""
        with self._lock:
            exports = [*self._session.exports.values()]  # at once: a loop has no lock
            held = self._session.imports
        targets = [export.target for export in exports]
        objects = Counter(each.server.name for each in targets if isinstance(each, Local))
        made = [each() for each in self._made_threads.valuerefs()]
        return dict(objects), held, [each.thread.name for each in made if each is not None]

    def names_thread(self) -> bool:
        """Whether a call that the current thread makes says which thread of the peer's runs it."""
        return self._thread_map is not None

    @abstractmethod
    def tap(self, sent: Tap, received: Tap, ended: Callable[[Disconnected], object]) -> None:
        """Have what is written and read passed to two functions, too, in chunks as they come, and
        why the connection ended to a third. Nothing takes another way then, as shared memory is
        one. Once at most, before the connection starts. Each is called by one thread at a time."""

    def is_root(self, target: Import) -> bool:
        """Whether this is the reference that the connection started with."""
        return self._root is not None and self._root() is target

    # ------------------------------------------------------------------------------- calling

    @abstractmethod
    def call(self, target: Import, method: ClientMethod[R], w: Writer) -> R:
        """Call a method, wait for its answer, and read that.

        Raises RemoteError, Disconnected, Timeout.
        """

    @abstractmethod
    def call_async(self, target: Import, method: ClientMethod[R], w: Writer) -> Awaitable[R]:
        """As `call`, to be awaited."""

    def begun(self) -> list[Any] | None:
        """Where a call that is made now is put, to be awaited later, if it is only begun: while
        `mpipc.aio.call` calls a method. None: it is made."""
        return None

    def blocks(self) -> bool:
        """Whether a call that is made now returns when it is answered."""
        return True

    def iterate(self, client: Client, method: ClientMethod[Any], w: Writer) -> Any:
        """Call a method that gives an async iterator."""
        return client._mpipc_call(method, w)

    def empty_params(self, method: ClientMethod[Any]) -> Writer:
        """Parameters of a method that has none but its context."""
        if not method.context:
            return Writer(0)
        head = threads.context_pointer(0, 1).to_bytes(8, "little") + threads.CONTEXT
        return Writer(1 + threads.CONTEXT_WORDS, [None, None], head)

    def _unpacked(self, method: ClientMethod[R], question: Question) -> R:
        """The results in an answer of any form. Raises what it says."""
        if question.error is not None:
            self._raise(question)
        payload, question.payload = question.payload, None
        assert payload is not None
        payload.message.owner = self
        return method.unpack(payload.message, *payload.struct())

    def _raise(self, question: Question) -> NoReturn:
        """Raise what an answer says."""
        error, question.error = question.error, None
        assert error is not None
        try:
            raise error
        finally:
            # Nothing in its traceback may lead to it: such a cycle would keep all the objects
            # that the frames refer to until the garbage collector finds it.
            del error

    def _started(self, question: Question) -> Import:
        """The root object that the peer answered with."""
        payload = question.payload
        assert payload is not None
        root = payload.message.cap(payload.lo, payload.hi)
        if not isinstance(root, Import):
            raise Unimplemented("the other end serves no root object")
        self._root = weakref.ref(root)
        return root

    def _keep_thread_map(self, thread_map: Capability) -> None:
        if isinstance(thread_map, Import):
            with self._lock:
                self._thread_map = Kept(thread_map)

    # ---------------------------------------------------------------------------- references

    def _outgoing(self, cap: Any) -> Any:
        """What to send for a capability: the peer's own object, when it is a proxy of one."""
        if isinstance(cap, Local):
            impl = cap.impl
            if isinstance(impl, Client) and impl._mpipc_connection is self:
                if impl._mpipc_target is None:
                    raise IpcError(f"{type(impl).__name__} was closed")
                return impl._mpipc_target
        return cap

    def watched(self, client: type[Client]) -> type[Client]:
        """The class of the proxies of an interface here."""
        return self._observer.client(client) if self._observer else client

    def _client(self, client: type[Client], target: Import) -> Client:
        return self.watched(client)(self, target)

    def proxy(self, cap: Capability, client: type[Client]) -> Any:
        """The Python object for a received capability: a proxy, or our own object itself."""
        if cap is None:
            return None
        if isinstance(cap, Import) and not isinstance(cap, Passing):
            return self._client(client, cap)
        if isinstance(cap, Local) and cap.impl is not None:
            return cap.impl
        if isinstance(cap, Broken):
            raise again(cap.error)
        raise ProtocolError("an object of another kind was expected")

    # ------------------------------------------------------------------------------- serving

    def served(self, server: Server, interface: int, number: int) -> ServerMethod | None:
        """The method of an object of ours that a call means, None where there is no such one."""
        method = server.methods.get((interface, number))
        if method is None or self._observer is None:
            return method
        return self._observer.method(server, method)

    @abstractmethod
    def _reply(self, delivery: Delivery, w: Writer, shape: int) -> None:
        """Answer a call of the protocol's own, whose parameters' capabilities are kept."""

    @abstractmethod
    def _make_thread(self, name: str) -> ThreadCapability:
        """A thread that the peer asks for. Another one than those that we pass on ourselves: only
        this peer's references decide when the thread ends."""

    def _reported(self, error: BaseException) -> tuple[IpcError, str]:
        """What an exception is for the peer, and its trace."""
        name = error.type if isinstance(error, RemoteError) else type(error).__qualname__
        text = error.text if isinstance(error, RemoteError) else str(error)
        trace = f"{name}\n" if name else ""
        if self._tracebacks and trace:
            trace += "".join(traceback.format_exception(error))
        if not isinstance(error, RemoteError):
            _log.debug("an undeclared exception goes to the caller", exc_info=error)
            error = RemoteError(text, name)
        return error, trace

    def _called(self, delivery: Delivery) -> ServerMethod | None:
        """The method of an object of ours that the peer calls; None for what the protocol adds,
        which is answered already. Raises Unimplemented, RemoteError."""
        target = delivery.target
        if not isinstance(target, Local):
            self._serve_thread(delivery, target)
            return None
        method = self.served(target.server, delivery.interface, delivery.method)
        if method is None:
            name = target.server.name
            raise Unimplemented(f"{name} has no such method ({delivery.method})")
        if method.kind == "construct":
            self._construct(delivery)
            return None
        return method

    def _construct(self, delivery: Delivery) -> None:
        self._keep_thread_map(threads.read_capability(delivery.message, *delivery.content))
        self._reply(delivery, threads.write_capability(self._own_thread_map), threads.ONE_POINTER)

    def _serve_thread(self, delivery: Delivery, target: LocalCapability) -> None:
        """Answer a call on a ThreadMap or a Thread."""
        called = delivery.interface, delivery.method
        if isinstance(target, ThreadCapability) and called == threads.THREAD_GET_NAME:
            w = threads.write_text(target.thread.name)
            self._reply(delivery, w, threads.ONE_POINTER)
        elif isinstance(target, ThreadMapCapability) and called == threads.MAKE_THREAD:
            if len(self._made_threads) >= self.limits.threads:
                raise Overloaded(f"more than {self.limits.threads} threads")
            name = threads.read_text(delivery.message, *delivery.content)
            capability = self._make_thread(printable(name[:_LONGEST_NAME]))
            self._made_threads[id(capability)] = capability
            self._reply(delivery, threads.write_capability(capability), threads.ONE_POINTER)
        elif isinstance(target, ThreadMapCapability) and called == threads.MAKE_POOL:
            # The pool is always there, and grows as it is used.
            self._reply(delivery, Writer(0), 0)
        else:
            raise Unimplemented("threads have no such method")
