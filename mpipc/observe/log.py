"""Request logging, as `-debug=ipc` asks for: one record per call.

Off, it costs nothing. The records go to the standard library's logger "mpipc.ipc" at level DEBUG:

    client MainThread Chain.get_block_hash(5) -> b'\\x0f\\x91…' 0.213 ms on unix:/tmp/node.sock
    server MainThread Chain.get_block_hash(5) -> b'\\x0f\\x91…' 0.015 ms on unix:/tmp/node.sock

Each also has attributes, for handlers that write JSON or send them on: `ipc_side`, `ipc_interface`,
`ipc_method`, `ipc_peer`, `ipc_seconds`, `ipc_outcome` ("returned", "raised") and `ipc_error`, the
name of the exception's class. Secrets (`Field(secret=True)`) are not shown.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any, TextIO

from mpipc.capnp.descriptions import secretive
from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.showing import HIDDEN, Shortener
from mpipc.observe.calls import Method, Watch

_log = logging.getLogger("mpipc.ipc")
_short = Shortener()
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


class CallLog:
    """The watcher that logs calls."""

    def opened(self, endpoint: Endpoint) -> None:
        """Nothing is logged of that."""

    def watch(
        self, method: Method, subject: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Watch:
        """Logs a call when it has ended."""
        outcome, error = "raised", None
        began = time.perf_counter()
        try:
            result = yield
        except BaseException as e:
            error = type(e).__name__
            told = f"raised {error}: {_short.repr(e if secretive(type(e)) else str(e))}"
        else:
            outcome = "returned"
            told = f"-> {HIDDEN if 'return' in method.secrets else _short.repr(result)}"
        seconds = time.perf_counter() - began
        connection: Endpoint = subject._mpipc_connection
        where = connection.describe()
        # To a client, the address says which server it was.
        whom = connection.peer if connection.serves else None
        _log.debug(
            "%s %s %s(%s) %s %.3f ms %s",
            method.side, threading.current_thread().name, method,
            ", ".join(_shown(method.secrets, args, kwargs)), told, seconds * 1000, where,
            extra={
                "ipc_side": method.side,
                "ipc_interface": method.interface,
                "ipc_method": method.name,
                "ipc_peer": str(whom or where.removeprefix("on ")),
                "ipc_seconds": seconds,
                "ipc_outcome": outcome,
                "ipc_error": error,
            },
        )  # fmt: skip


def _shown(secrets: tuple[int | str, ...], args: Any, kwargs: dict[str, Any]) -> list[str]:
    shown = [HIDDEN if at in secrets else _short.repr(a) for at, a in enumerate(args)]
    for name, value in kwargs.items():
        shown.append(f"{name}={HIDDEN if name in secrets else _short.repr(value)}")
    return shown


CALL_LOG = CallLog()
