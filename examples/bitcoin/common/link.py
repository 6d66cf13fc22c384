"""A connection to another process, which may come, go and come back."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import mpipc
from examples.bitcoin.common.console import say
from interfaces.proposed import ProposedInit

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
_LOOK = 0.5
"""Seconds between two looks at a quiet connection."""

_PATIENCE = 30.0
"""Seconds after which a process that does not answer counts as gone."""


class Link(ABC):
    """Another process, or another part of this one.

    `root` is what it serves, None while it is not there.
    """

    root: ProposedInit | None = None

    @abstractmethod
    def follow(
        self,
        on_connect: Callable[[ProposedInit], None],
        on_disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        """Call `on_connect` with what the process serves, whenever it has come, and
        `on_disconnect` when it has gone again: one after the other, never both at once.

        An exception of `on_connect` drops the connection, which is then made anew. To be called
        once.
        """

    @abstractmethod
    def close(self) -> None:
        """Give the connection up. Returns when neither function will be called any more."""


class LocalLink(Link):
    """A part of this process; with None, one that starts later, see `start`."""

    def __init__(self, root: ProposedInit | None = None) -> None:
        self.root = root

    def start(self, root: ProposedInit) -> None:
        """The part is there now; it is followed already."""
        self.root = root
        self._on_connect(root)

    def follow(
        self,
        on_connect: Callable[[ProposedInit], None],
        on_disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_connect, self._on_disconnect = on_connect, on_disconnect
        if self.root is not None:
            on_connect(self.root)

    def close(self) -> None:
        if self.root is not None:
            self.root = None
            self._on_disconnect()


class RemoteLink(Link):
    """A process that listens on an address.

    `name` is what it is called in messages, and names the default socket: `unix` is
    `<datadir>/<name>.sock`. `interface` is the root interface that it serves.
    """

    def __init__(
        self,
        address: str,
        *,
        datadir: Path,
        name: str,
        interface: Callable[..., ProposedInit] = ProposedInit,
    ) -> None:
        self._address, self._datadir, self._name = address, datadir, name
        self._interface = interface
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(
        self,
        on_connect: Callable[[ProposedInit], None],
        on_disconnect: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_connect, self._on_disconnect = on_connect, on_disconnect
        self._thread = threading.Thread(target=self._run, name=f"link-{self._name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        root = self.root
        if root is not None:
            mpipc.close(root)  # which ends what waits for an answer
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        pause, missed = _FIRST_PAUSE, False
        while not self._closed.is_set():
            try:
                root = mpipc.connect(
                    self._address, self._interface, datadir=self._datadir, name=self._name
                )
            except mpipc.IpcError as error:
                if not missed:
                    say(f"waiting for the {self._name}: {error}")
                missed = True
                self._closed.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            missed = False
            if self._serve(root):
                pause = _FIRST_PAUSE
            del root
            self._closed.wait(pause)

    def _serve(self, root: ProposedInit) -> bool:
        """Use a connection until it ends. Returns whether it was of use."""
        self.root = root
        useful = False
        try:
            say(f"connected to the {self._name}")
            self._on_connect(root)
            useful = True
            self._watch(root)
        except mpipc.IpcError as error:
            if not self._closed.is_set():
                say(f"lost the {self._name}: {error}")
        except Exception as error:
            say(f"cannot use the {self._name}: {type(error).__name__}: {error}")
        finally:
            self.root = None
            self._on_disconnect()
            mpipc.close(root)
        return useful

    def _watch(self, root: ProposedInit) -> None:
        """Return when the link is closed, raise when the other end is gone."""
        echo = root.make_echo()
        while not self._closed.wait(_LOOK):
            with mpipc.timeout(_PATIENCE):
                echo.echo("")
