"""What links have in common, be they driven by a thread (`reconnect.py`) or by an event loop
(`mpipc/aio/reconnect.py`): which object is there, what came of the attempts to get it, and which
calls may be made again."""

from __future__ import annotations

import logging
import operator
import time
from collections.abc import Callable
from typing import Any

from mpipc.capnp.proxy import Client
from mpipc.declare import METHOD, MethodOptions, options_of
from mpipc.errors import Disconnected, IpcError, Unreachable
from mpipc.ipc import forks
from mpipc.ipc.backoff import Backoff
from mpipc.ipc.references import Holder, interfaces_of

_log = logging.getLogger("mpipc")
QUICKLY = Backoff(most=2.0)  # to connect costs little


class BaseLink(Holder):
    """See the module; the parameters are those of `reconnecting`. `timeout`: seconds that may pass
    from a connection to its object.

    A subclass connects, sets `_root` and `_object`, lets go of them when the connection is lost,
    and has `_change` wake whoever waits for that.
    """

    def __init__(
        self,
        name: str,
        recipe: Callable[[Any], Any] | None,
        on_connect: Callable[[Any], object] | None,
        wait: float | None,
        backoff: Backoff,
        timeout: float,
    ) -> None:
        self._name = name
        self._recipe = recipe
        self._on_connect = on_connect
        self._wait = wait
        self._backoff = backoff
        self._timeout = timeout
        self._object: Any = None
        self._root: Any = None
        self._fresh: Any = None  # what `on_connect` is called with
        self._error: Exception | None = None  # of the last attempt
        self._over: IpcError | None = None  # why there will be no other
        self._declared: dict[str, Any] = {}  # the methods of what it gives, by name
        forks.tell(self)

    def _change(self) -> None:
        """Have all that wait look again."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------ calling

    def _present(self) -> Any:
        """The object; None while there is no connection. Raises why there will be no other."""
        if self._over is not None:
            raise type(self._over)(str(self._over)) from self._error
        return self._object if _works(self._root) else None

    def _check_first_attempt(self) -> None:
        """Raise what it has raised, if it is of no use to try again."""
        if self._error is not None and not _may_pass(self._error):
            raise self._error

    def _unreached(self) -> Unreachable:
        """The error of whoever has waited for as long as may be."""
        why = f"; {self._error}" if self._error else ""
        error = Unreachable(f"no connection to {self._name} within {self._wait:g} s{why}")
        error.__cause__ = self._error
        return error

    def _may_repeat(self, name: str, obj: Any) -> bool:
        """Whether a call of this method, on an object that was the present one, may be made again
        after Disconnected: which is perhaps about another connection."""
        lost = obj is not self._object or not _works(self._root)
        return lost and _is_idempotent(self._declared.get(name))

    # -------------------------------------------------------------------------- connecting

    def _made(self, obj: Any) -> None:
        """What the recipe has made. Raises TypeError."""
        if not interfaces_of(obj):
            raise TypeError(f"the recipe gave {obj!r}, which has no interface")
        self._fresh = obj

    def _failed(self, error: Exception, failures: int) -> None:
        """An attempt has failed, of so many in a row."""
        if _may_pass(error):
            _log.info("cannot connect to %s: %s", self._name, error)
        elif self._over is None:
            _log.warning("cannot connect to %s", self._name, exc_info=error)
        self._error = error
        self._change()
        if self._backoff.exhausted(failures):
            self._end(Unreachable(f"{self._name} was given up after {failures} attempts; {error}"))

    def _lost(self, began: float, failures: int) -> int:
        """The connection that was begun then is lost. Returns how many failures in a row it is."""
        if self._over is None:
            _log.info("lost the connection to %s", self._name)
        lasted = time.monotonic() - began
        return 0 if lasted >= self._backoff.steady else failures + 1

    # ------------------------------------------------------------------------------ ending

    def _end(self, why: IpcError | None = None) -> None:
        """There will be no other connection; without a reason, since it was closed."""
        closed = IpcError(f"the connections to {self._name} were closed")
        self._over = self._over or why or closed
        self._change()

    def forked(self) -> None:
        """In a forked child: the connection is the parent's, and so is what drives the link."""
        self._object = self._root = None
        self._over = Disconnected(
            f"the connection to {self._name} belongs to the process that this one was forked from"
        )

    def __repr__(self) -> str:
        return f"<Link {self._name}>"


def as_function(recipe: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """`Init.make_chain` is to be called of the root object, and not itself."""
    if getattr(recipe, "__isabstractmethod__", False):
        return operator.methodcaller(getattr(recipe, "__name__", ""))
    return recipe


def _works(root: object) -> bool:
    """Whether what was got from a root object can be called."""
    return not (isinstance(root, Client) and root._mpipc_connection.closed)


def _may_pass(error: BaseException) -> bool:
    """Whether to try again may help, in the case of a first attempt."""
    return isinstance(error, (ConnectionError, TimeoutError))


def _is_idempotent(declared: Any) -> bool:
    options = options_of(getattr(declared, "fget", declared), METHOD)
    return isinstance(options, MethodOptions) and options.idempotent
