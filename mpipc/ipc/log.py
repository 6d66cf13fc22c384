"""Request logging, as `-debug=ipc` asks for: one line per call.

Off, it costs nothing: proxies and objects are wrapped only while it is on. The lines go to the
standard library's logger "mpipc.ipc" at level DEBUG:

    client MainThread Chain.get_block_hash(5) -> b'\\x0f\\x91…' 0.213 ms on unix:/tmp/node.sock
    server MainThread Chain.get_block_hash(5) -> b'\\x0f\\x91…' 0.015 ms on unix:/tmp/node.sock
"""

from __future__ import annotations

import functools
import logging
import reprlib
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any, TextIO

from mpipc.capnp.proxy import Client

_log = logging.getLogger("mpipc.ipc")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


def enabled() -> bool:
    """Whether connections made now are logged."""
    return _log.isEnabledFor(logging.DEBUG)


def enable(stream: TextIO | None = None) -> None:
    """Log the calls of connections made from now on, to `stream` (standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s ipc %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG)
    _log.propagate = False


class Logger:
    """Wraps clients and objects so that their calls are logged."""

    def client(self, client: type[Client]) -> type[Client]:
        """The client class with every method logged."""
        return _logged_client(client)  # type: ignore[arg-type]  # mypy#11469

    def object(self, impl: Any, interface: str, where: str) -> Any:
        """A stand-in for a local object, which a server calls instead of it."""
        return _LoggedObject(impl, interface, where)


def _logged(side: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(self: Client, *args: Any, **kwargs: Any) -> Any:
        where = self._mpipc_connection.describe()
        return run(side, where, name, lambda: function(self, *args, **kwargs), args, kwargs)

    return call


@functools.cache
def _logged_client(client: type[Client]) -> type[Client]:
    members: dict[str, Any] = {}
    for name in client._mpipc_methods:
        declared, label = getattr(client, name), f"{client._mpipc_name}.{name}"
        if isinstance(declared, property) and declared.fget is not None:
            members[name] = property(_logged("client", label, declared.fget))
        else:
            members[name] = _logged("client", label, declared)
    # Not `type(...)`: the class of an ABC's subclass is ABCMeta.
    logged: type[Client] = types.new_class(
        client.__name__, (client,), exec_body=lambda namespace: namespace.update(members)
    )
    return logged


def _is_property(impl: object, name: str) -> bool:
    """Whether an object, or an interface of it, has a property of this name."""
    return any(isinstance(vars(cls).get(name), property) for cls in type(impl).__mro__)


class _LoggedObject:
    def __init__(self, impl: Any, interface: str, where: str) -> None:
        self._impl = impl
        self._interface = interface
        self._where = where

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return getattr(self._impl, name)
        label = f"{self._interface}.{name}"
        if _is_property(self._impl, name):
            return run("server", self._where, label, lambda: getattr(self._impl, name), (), {})
        method = getattr(self._impl, name)
        return lambda *args, **kwargs: run(
            "server", self._where, label, lambda: method(*args, **kwargs), args, kwargs
        )

    def __call__(self, *args: Any) -> Any:
        label = f"{self._interface}.__call__"
        return run("server", self._where, label, lambda: self._impl(*args), args, {})


def run(
    side: str, where: str, name: str, call: Callable[[], Any], args: Any, kwargs: dict[str, Any]
) -> Any:
    """Run a call and log it."""
    began = time.perf_counter()
    try:
        result = call()
    except BaseException as e:
        outcome = f"raised {type(e).__name__}: {_short.repr(str(e))}"
        raise
    else:
        outcome = f"-> {_short.repr(result)}"
        return result
    finally:
        shown = [_short.repr(a) for a in args]
        shown += [f"{key}={_short.repr(value)}" for key, value in kwargs.items()]
        _log.debug(
            "%s %s %s(%s) %s %.3f ms %s",
            side, threading.current_thread().name, name, ", ".join(shown), outcome,
            (time.perf_counter() - began) * 1000, where,
        )  # fmt: skip
