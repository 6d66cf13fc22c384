"""Objects of another process that outlive their connection: `mpipc.reconnecting`.

A `Link` has a thread that connects, gets the object, and does both again whenever the connection is
lost. What the user holds is a reference whose calls go to the object that the link has got last.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from mpipc.capnp.message import DEFAULT_LIMITS, Limits
from mpipc.capnp.proxy import close
from mpipc.errors import Disconnected, IpcError, Timeout, Unreachable
from mpipc.ipc import address as addresses
from mpipc.ipc import threads
from mpipc.ipc.backoff import Backoff
from mpipc.ipc.channel import within
from mpipc.ipc.endpoints import open_root, root_class
from mpipc.ipc.links import QUICKLY, BaseLink, as_function
from mpipc.ipc.peers import Allowed
from mpipc.ipc.references import interfaces_of, methods_of, refer
from mpipc.ipc.seconds import checked_seconds

if TYPE_CHECKING:
    from mpipc.ipc.endpoints import Remote

R = TypeVar("R")
T = TypeVar("T")

_CLOSE = object()


@overload
def reconnecting(
    address: str,
    root: Callable[..., R],
    recipe: None = None,
    *,
    on_connect: Callable[[R], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Remote[R]: ...
@overload
def reconnecting(
    address: str,
    root: Callable[..., R],
    recipe: Callable[[R], T],
    *,
    on_connect: Callable[[T], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Remote[T]: ...
def reconnecting(
    address: str,
    root: Callable[..., Any],
    recipe: Callable[[Any], Any] | None = None,
    *,
    on_connect: Callable[[Any], object] | None = None,
    wait: float | None = 10.0,
    backoff: Backoff = QUICKLY,
    timeout: float = 10.0,
    datadir: str | os.PathLike[str] | None = None,
    name: str = "node",
    peers: Allowed | None = None,
    limits: Limits = DEFAULT_LIMITS,
    call_timeout: float | None = None,
) -> Any:
    """Connect to a server, and again whenever the connection is lost; return an object of it.

    What is returned is an instance of the object's interfaces. Its calls go to the object that was
    got over the present connection:

    - A call that is on its way when the connection is lost raises Disconnected: nobody can know
      whether it has run. Where the method is declared `idempotent`, it is called once more.
    - A call that is made while there is no connection waits for one, up to `wait` seconds, and then
      raises Unreachable: it has not run.

    Use it in `with`, or close it with `mpipc.close`; it ends, too, when it is garbage-collected.

    `recipe`      makes the object from the root object: `Init.make_chain`, or
                  `lambda init: init.make_wallet("savings")`. Without it, it is the root object.
    `on_connect`  is called with each new object, also the first, before any other call goes to it:
                  the place to register callbacks, which end with a connection. It runs in a thread
                  of its own.
    `wait`        seconds that a call waits for a connection; 0: it fails at once; None: it waits
                  for as long as it takes. So does this function for the first connection.
    `backoff`     how long to wait between attempts. When it gives up, all calls raise Unreachable.
    `timeout`     seconds that an attempt may take.

    The others are as for `connect`. Raises Unreachable when there is no connection in time; and at
    once, when the first attempt does, AddressError, SchemaError, and what `recipe` and
    `on_connect` raise.
    """
    wait = checked_seconds("wait", wait, optional=True)
    timeout = checked_seconds("timeout", timeout)
    call_timeout = checked_seconds("call_timeout", call_timeout, optional=True)
    where = addresses.parse(address, datadir=datadir, name=name)
    interface = root_class(root)

    def dial(lost: Callable[[], None]) -> Any:
        found = open_root(where, interface, timeout, peers, limits, call_timeout)
        if found is None:
            raise Unreachable(f"nobody listens on {where}")
        proxy, channel = found
        channel.on_stop = lost
        if channel.stopped:
            lost()
        return proxy

    made = as_function(recipe)
    return Link(str(where), dial, made, on_connect, wait, backoff, timeout).begin()


class Dial(Protocol):
    """How a link gets a root object."""

    def __call__(self, lost: Callable[[], None]) -> Any:
        """Connect. `lost` is to be called when that connection has ended, from any thread."""


class Link(BaseLink):
    """See the module; the parameters are those of `reconnecting`. `timeout`: seconds that may pass
    from a connection to its object; `owns`: whether the connection ends with the link."""

    def __init__(
        self,
        name: str,
        dial: Dial,
        recipe: Callable[[Any], Any] | None,
        on_connect: Callable[[Any], object] | None,
        wait: float | None,
        backoff: Backoff,
        timeout: float,
        *,
        owns: bool = True,
    ) -> None:
        super().__init__(name, recipe, on_connect, wait, backoff, timeout)
        self._dial = dial
        self._owns = owns
        self._changed = threading.Condition()
        # What happens to the present connection, and `_CLOSE`. It is put to while objects are
        # garbage-collected, too.
        self._events: SimpleQueue[object] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"mpipc-link {name}", daemon=True)

    def begin(self) -> Any:
        """Connect for the first time; the reference. Raises what the first attempt raises, unless
        it may pass."""
        self._thread.start()
        try:
            obj = self._take(beginning=True)
        except BaseException:
            self.close()
            raise
        self._declared = methods_of(interfaces_of(obj))
        reference = refer(obj, self)
        weakref.finalize(reference, self._events.put, _CLOSE).atexit = False
        return reference

    def close(self) -> None:
        """End the connection, and make no other. May be called again, and from any thread."""
        self._end()
        self._events.put(_CLOSE)
        self._drop()

    # ------------------------------------------------------------------------------ calling

    def call(self, name: str, use: Callable[[Any], Any]) -> Any:
        obj = self._take()
        try:
            return use(obj)
        except Disconnected:
            if not self._may_repeat(name, obj):
                raise
        return use(self._take())

    def _take(self, *, beginning: bool = False) -> Any:
        """The present object, waited for if need be; `beginning`: the first one, for which there is
        at least one attempt."""
        if threading.current_thread() is self._thread:
            # In `on_connect`, for which all others wait.
            if self._fresh is None:
                raise IpcError(f"there is no object of {self._name} yet")
            return self._fresh
        began = time.monotonic()
        limit = None if self._wait is None else began + self._wait
        deadline = threads.current().deadline
        with self._changed:
            while True:
                found = self._present()
                if found is not None:
                    return found
                now = time.monotonic()
                if deadline is not None and now >= deadline:
                    raise Timeout(f"{self._name} was not reached in time") from self._error
                untried = beginning and self._error is None
                if beginning:
                    self._check_first_attempt()
                if limit is not None and now >= limit and not untried:
                    raise self._unreached()
                limits = (None if untried else limit, deadline)
                waits = [each - now for each in limits if each is not None]
                self._changed.wait(min(waits, default=None))

    # -------------------------------------------------------------------------- connecting

    def _run(self) -> None:
        failures = 0
        while self._over is None:
            began = time.monotonic()
            current = object()
            try:
                self._connect(lambda event=current: self._events.put(event))  # type: ignore[misc]
            except Exception as e:
                failures += 1
                self._failed(e, failures)
            else:
                self._await(current)
                self._drop()
                failures = self._lost(began, failures)
            self._await(None, self._backoff.delay(failures))
        self._drop()

    def _connect(self, lost: Callable[[], None]) -> None:
        root = self._dial(lost)
        with self._changed:
            self._root = root
        try:
            with within(self._timeout):
                obj = root if self._recipe is None else self._recipe(root)
                self._made(obj)
                if self._on_connect is not None:
                    self._on_connect(obj)
        except BaseException:
            self._drop()
            raise
        finally:
            self._fresh = None
        with self._changed:
            self._object, self._error = obj, None
            self._changed.notify_all()

    def _await(self, event: object, seconds: float | None = None) -> None:
        """Wait for an event, for so many seconds, or until it is all over."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._over is None:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                found = self._events.get(timeout=left)
            except Empty:
                return
            if found is _CLOSE:
                self._end()
            elif found is event:
                return

    def _drop(self) -> None:
        """Let go of the present connection."""
        with self._changed:
            root, self._root, self._object = self._root, None, None
        if self._owns:
            close(root)

    def _change(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _end(self, why: IpcError | None = None) -> None:
        with self._changed:
            super()._end(why)

    def forked(self) -> None:
        self._changed = threading.Condition()
        super().forked()
