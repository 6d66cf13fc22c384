"""A process from its start to its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

import mpipc
import mpipc.observe.log
from examples.bitcoin.common import console, jsonrpc
from examples.bitcoin.common.console import say
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.lock import locked
from examples.bitcoin.common.options import Options
from interfaces.init import Init
from mpipc.supervisor.signals import listening

_ANSWER_SECONDS = 0.2


class Shutdown:
    """Asked for by a signal, or by whoever calls `request`, from any thread."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self.failure = ""
        """Why it was asked for, where it is the user's to mend."""

    @property
    def requested(self) -> bool:
        """Whether it was asked for."""
        return self._requested.is_set()

    def request(self) -> None:
        """Ask the process to end."""
        self._requested.set()

    def fail(self, why: str) -> None:
        """Ask the process to end as one that cannot go on."""
        self.failure = why
        self.request()

    def request_soon(self) -> None:
        """As `request`, once whoever asked for it has had an answer."""
        threading.Timer(_ANSWER_SECONDS, self.request).start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is asked for, at most so many seconds. Returns whether it was."""
        return self._requested.wait(timeout)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGTERM and Ctrl-C ask for it until the end of the block. Ctrl-C when it was asked
        for already ends the process at once."""

        def hear(number: signal.Signals, count: int) -> None:
            if number == signal.SIGINT and self.requested:
                os._exit(128 + number)
            self.request()

        with listening(hear):
            yield


@dataclass
class Part:
    """A part of the whole program, which runs in a process of its own or together with others."""

    init: Init | None = None
    """What it serves to other processes, if anything."""

    rpc: list[object] = field(default_factory=list)
    """Objects of interfaces whose methods JSON-RPC offers as commands."""

    namespaces: Mapping[str, object] = field(default_factory=dict)
    """Others, whose methods it offers as `NAMESPACE.METHOD`."""


Open = Callable[[Options, Shutdown], AbstractContextManager[Part]]
"""Starts a part of the program; the end of the `with` block ends it."""


def run(name: str, options: Options, open_part: Open) -> None:
    """Run a part of the program as this process, until it is told to end. Exits with 0 then, with
    1 and a message where it cannot run.

    It listens where `-ipcbind` says and serves `Part.init` there, and with `-server` what is for
    JSON-RPC.
    """
    shutdown = Shutdown()
    console.introduce(name, trace="calls" in options.debug)
    if "ipc" in options.debug:
        mpipc.observe.log.enable()
    try:
        with ExitStack() as stack:
            stack.enter_context(shutdown.on_signals())
            stack.enter_context(locked(options.datadir, name))
            part = stack.enter_context(open_part(options, shutdown))
            if part.init is not None:
                listen(name, options, part.init, shutdown, stack)
            if options.server:
                http = stack.enter_context(jsonrpc.serve(name, part.rpc, part.namespaces, options))
                say(f"JSON-RPC at {http.address}")
            shutdown.wait()
            say("ending")
        if shutdown.failure:
            raise Failure(shutdown.failure)
    except (Failure, mpipc.IpcError) as error:
        sys.exit(f"{name}: {error}")


def listen(name: str, options: Options, init: Init, shutdown: Shutdown, stack: ExitStack) -> None:
    """Serve `init` to other processes until the stack is closed; `name` names the default socket.
    Raises AddressError."""
    if options.ipcfd is not None:
        server = stack.enter_context(mpipc.serve(f"fd:{options.ipcfd}", init))
        threading.Thread(target=_with, args=(server, shutdown), daemon=True).start()
        return
    for address in ["unix"] if options.ipcbind is None else options.ipcbind:
        server = mpipc.serve(address, init, datadir=options.datadir, name=name)
        stack.enter_context(server)
        say(f"listening on {server.address}")


def _with(server: mpipc.Server, shutdown: Shutdown) -> None:
    """End when the process that spawned this one does."""
    server.serve_forever()
    shutdown.request()
