"""Many calls before the first answer: `mpipc.pipeline`.

A call in a pipeline is sent and not waited for. What it gives is a `Promise`; and where it gives an
object, that can be called before it is there ("promise pipelining", https://capnproto.org/rpc.html):
the call names the question whose answer the object will be in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

import msgspec
from typing_extensions import ParamSpec

from mpipc.capnp.calling import AlreadyThere
from mpipc.capnp.connection import Connection
from mpipc.capnp.proxy import Client, ClientMethod
from mpipc.capnp.session import Import, Promised, Question
from mpipc.capnp.writer import Writer
from mpipc.errors import IpcError

P = ParamSpec("P")
R = TypeVar("R")

# Calls in flight, beyond which a new one waits for the oldest. It bounds what both ends have to
# remember, and is enough to keep both busy.
_WINDOW = 256


class Promise(msgspec.Struct, Generic[R], eq=False):
    """The result of a call in a pipeline, once it is there."""

    _connection: Connection
    _method: ClientMethod[R]
    _question: Question | None
    _value: R | None = None
    _error: BaseException | None = None
    _taken: bool = False

    @property
    def done(self) -> bool:
        """Whether `result` would not wait."""
        return self._question is None or self._question.done

    def result(self) -> R:
        """The result of the call, waited for if need be. Raises what the call raises, and Timeout.
        May be called again, by the thread that made the call."""
        if self._question is not None:
            self._settle()
        self._taken = True
        if self._error is not None:
            raise self._error
        return cast(R, self._value)

    def _settle(self) -> None:
        """Wait for the answer and read it."""
        question = self._question
        if question is None:
            return
        if not question.done:
            self._connection.await_answer(question)
        self._question = None
        try:
            self._value = self._connection.read_answer(self._method, question)
        except Exception as e:
            self._error = e


class _Made(Generic[R]):
    """A promise that is kept already: of a call on an object of this process."""

    __slots__ = ("_value",)

    def __init__(self, value: R) -> None:
        self._value = value

    done = True

    def result(self) -> R:
        return self._value


class _Recorder:
    """Stands in for the connection of a proxy whose methods are called in a pipeline. `stand_in` is
    like the proxy, but its calls come here."""

    def __init__(self, proxy: Client, connection: Connection) -> None:
        self._connection = connection
        self._send = connection.send
        self.peer, self.serves = connection.peer, connection.serves
        self.describe = connection.describe
        self.names_thread = connection.names_thread
        self.promise: Promise[Any]
        self.target = proxy._mpipc_target
        self.stand_in: Any = object.__new__(type(proxy))
        self.stand_in.__dict__.update(_mpipc_connection=self, _mpipc_target=self.target)
        if type(proxy)._mpipc_call is Client._mpipc_call:
            self.stand_in.__dict__["_mpipc_call"] = self._record  # the same, without a detour

    def call(self, target: Import | Promised, method: ClientMethod[Any], w: Writer) -> None:
        """As `Connection.call`, without waiting."""
        self._record(method, w)

    def iterate(self, client: Client, method: ClientMethod[Any], w: Writer) -> Any:
        """As `Connection.iterate`, without waiting."""
        return client._mpipc_call(method, w)

    def _record(self, method: ClientMethod[Any], w: Writer) -> None:
        question = self._send(self.target, method, w)
        self.promise = Promise(self._connection, method, question)


class _Later:
    """Stands in for the connection of an object that is promised, outside of the pipeline."""

    def __init__(self, promise: Promise[Any], connection: Any) -> None:
        self.promise = promise
        self.connection = connection
        self.peer, self.serves = connection.peer, connection.serves
        self.names_thread = connection.names_thread

    def call(self, target: object, method: ClientMethod[R], w: Writer) -> R:
        """As `Connection.call`, on the object itself."""
        found = self.promise.result()
        if not isinstance(found, Client) or found._mpipc_target is None:
            raise IpcError("the promised object is none of the other end's")
        return found._mpipc_connection.call(found._mpipc_target, method, w)

    def iterate(self, client: Client, method: ClientMethod[Any], w: Writer) -> Any:
        """As `Connection.iterate`, without waiting."""
        return client._mpipc_call(method, w)

    def describe(self) -> str:
        """The other end, for people."""
        return str(self.connection.describe())


class Pipeline:
    """Made by `pipeline`."""

    def __init__(self) -> None:
        self._sent: deque[Promise[Any]] = deque()
        # Who was called last, and probably is called again.
        self._proxy: Any = None
        self._recorder: _Recorder
        self._error: BaseException | None = None

    def call(self, method: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Promise[R]:
        """Send a call of a proxy's method, as in `p.call(chain.get_block, 5)`, and go on.

        Calls of one thread are run one after the other, in this order. At most 256 are in flight; a
        further one waits for the oldest. Raises what sending can raise: Disconnected, TypeError.
        """
        proxy: Any = getattr(method, "__self__", None)
        if len(self._sent) >= _WINDOW:
            self._settle_oldest()
        if (
            proxy is None
            or proxy is not self._proxy
            or self._recorder.target is not proxy._mpipc_target
        ):
            if not isinstance(proxy, Client):
                # An object of this process: the call is an ordinary one.
                return cast("Promise[R]", _Made(method(*args, **kwargs)))
            found = self._find(proxy)
            if found is not proxy:
                return self.call(getattr(found, method.__name__), *args, **kwargs)
        recorder = self._recorder
        try:
            method.__func__(recorder.stand_in, *args, **kwargs)  # type: ignore[attr-defined]
        except AlreadyThere:
            return self.call(method, *args, **kwargs)
        promise: Promise[R] = recorder.promise
        self._sent.append(promise)
        return promise

    def _find(self, proxy: Client) -> object:
        """Prepare to call the methods of a proxy. Returns it, or the object to call instead."""
        connection = proxy._mpipc_connection
        self._proxy = None
        if isinstance(connection, _Later):
            if connection.promise.done:
                # Calls that are on their way to the object must not be overtaken by one that takes
                # another way; the promise's object may be one of this process.
                self._settle_all()
                return connection.promise.result()
            connection = connection.connection
        if not isinstance(connection, Connection):
            raise TypeError("a pipeline is for blocking calls; with asyncio, gather several")
        if proxy._mpipc_target is None:
            raise IpcError("the object was closed")
        self._recorder = _Recorder(proxy, connection)
        if connection is proxy._mpipc_connection:
            self._proxy = proxy
        return proxy

    def object(self, method: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """As `call`, for a method that gives an object of an interface: a stand-in for that, whose
        methods can be called in the pipeline at once, and outside of it as those of any proxy.

        Raises TypeError for a method that gives something else.
        """
        promise = self.call(method, *args, **kwargs)
        if not isinstance(promise, Promise):
            return promise.result()
        kind = promise._method.object
        if kind is None:
            raise TypeError(f"{promise._method.name} gives no object, or one that may be None")
        field, client = kind
        question = promise._question
        assert question is not None
        stand_in = object.__new__(promise._connection.watched(client()))
        stand_in._mpipc_connection = cast(Connection, _Later(promise, promise._connection))
        stand_in._mpipc_target = cast("Import", Promised(question, field))
        return cast("R", stand_in)

    def _settle_oldest(self) -> None:
        promise = self._sent.popleft()
        promise._settle()
        if promise._error is not None and not promise._taken and self._error is None:
            self._error = promise._error

    def _settle_all(self) -> None:
        while self._sent:
            self._settle_oldest()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        self._settle_all()
        if self._error is not None:
            raise self._error


def pipeline() -> Pipeline:
    """Send many calls before the first answer is there.

        with mpipc.pipeline() as p:
            hashes = [p.call(chain.get_block_hash, height) for height in range(1000)]
            wallet = p.object(init.make_wallet, "savings")   # not there yet
            balance = p.call(wallet.get_balance)             # one round trip for both
        print(hashes[0].result(), balance.result())

    Leaving the block waits for all answers. When a call has failed and nobody has asked for its
    `result`, the first such exception is raised there: so a call whose promise is thrown away is a
    notification that still cannot fail silently. Interfaces of this process work, too: their
    methods are then called at once.
    """
    return Pipeline()
