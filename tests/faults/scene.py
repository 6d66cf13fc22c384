"""A server process, a client in the middle of something, and what can be done to them."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import mpipc
from mpipc.capnp.endpoint import Endpoint
from mpipc.capnp.session import Import, Session
from mpipc.ipc.channel import Channel
from tests.faults.moments import MOMENTS, Callback, Moment, Spawning
from tests.faults.relay import Relay
from tests.runtime.support import PATIENCE, ROOT, Running, ServerProcess, children, eventually

_LASTING = {"mpipc-cleanup", "mpipc-guard"}  # threads that a process keeps once it has them
_COUNTED = (Endpoint, Session, Import, Channel)


class Scene:
    """The client is in this process, and its moment begins with `begin`."""

    def __init__(self, moment: str, directory: Path) -> None:
        self.directory = directory
        self.name = moment
        self.server = ServerProcess(f"unix:{directory}/server", directory / "log", ())
        self.observer: Any = self.server.connect()
        self.usual = self._of_the_server()
        self.relay = Relay(f"{directory}/relay", self.server.address)
        self._moment: Moment | None = None
        self._running: Running | None = None

    @property
    def moment(self) -> Moment:
        if self._moment is None:
            self._moment = MOMENTS[self.name](self.relay.address, self.directory)
        return self._moment

    def begin(self) -> None:
        """In a thread. Returns when it is in the middle of it."""
        self.moment.arm(self.relay)
        self._running = running = Running(self.moment.act)
        eventually(lambda: self._reached() or not running.is_alive())

    def wait_until_reached(self) -> None:
        eventually(self._reached)

    def _reached(self) -> bool:
        return self.moment.reached(self.relay, self.observer)

    def let_go(self) -> None:
        self.moment.let_go(self.relay, self.observer)

    def outcome(self) -> str:
        """How it ended."""
        assert self._running is not None
        if isinstance(self.moment, Callback):
            self.let_go()  # nobody else ends it: it is the user's own code
        return outcome(self.moment, self._running.result)

    def signal_peer(self, number: signal.Signals) -> None:
        if isinstance(self.moment, Spawning):
            os.kill(self.moment.child, number)
        else:
            self.server.send(number)

    def said_by_peer(self, data: bytes) -> None:
        """Say something in the peer's name, and hang up."""
        if isinstance(self.moment, Spawning):
            self.moment.say(data)
        else:
            self.relay.inject(data)
            self.relay.hang_up()

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._moment is not None:
            with suppress(mpipc.IpcError):
                self.let_go()
            self._moment.leave()
        self._moment = self._running = None
        try:
            if error is None and self.server.process.poll() is None:
                self._server_is_as_before()
        finally:
            mpipc.close(self.observer)
            self.observer = None
            self.relay.close()
            self.server.stop()

    def _server_is_as_before(self) -> None:
        """It serves others, and keeps nothing."""
        with self.server.connect() as honest:
            assert honest.values().small(1, 2) == 3
        eventually(lambda: self._of_the_server() <= self.usual, self._of_the_server)
        assert "Traceback" not in self.server.errors

    def _of_the_server(self) -> tuple[int, int]:
        process, threads = self.observer.process(), self.observer.threads()
        return len(process.descriptors()), len(set(threads.names()) - _LASTING)


def outcome(moment: Moment, act: Callable[[], object]) -> str:
    """How a moment ended: `answer`, or the exception."""
    try:
        result = act()
    except BaseException as error:
        if isinstance(error, AssertionError):
            raise
        return type(error).__name__
    assert result == moment.expected
    return "answer"


class OtherProcess:
    """A scene's client in a process of its own."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        arguments = [scene.relay.address, scene.name, str(scene.directory)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.moments", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def begin(self) -> None:
        # Only what it takes to ask how far it has come.
        kind = MOMENTS[self.scene.name]
        self.moment = kind.__new__(kind)
        self.moment.directory = self.scene.directory
        self.moment.root = None
        self.scene._moment = self.moment
        self.moment.arm(self.scene.relay)
        assert self.process.stdin is not None
        self.process.stdin.write("begin\n")
        self.process.stdin.flush()
        self.scene.wait_until_reached()

    def end(self) -> tuple[int, str, str]:
        """End its input. Its exit status, output and errors."""
        assert self.process.stdin is not None
        if self.process.stdin.closed:
            self.process.stdin = None
        output, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, output, errors


@contextmanager
def nothing_is_left() -> Iterator[None]:
    """Of descriptors, threads, processes, and objects of mpipc's in this process."""
    before = _left()
    yield
    eventually(lambda: not _left() - before, lambda: _left() - before)


def _left() -> Counter[str]:
    gc.collect()
    found = Counter(
        f"thread {thread.name}" for thread in threading.enumerate() if thread.name not in _LASTING
    )
    found["descriptors"] = len(os.listdir("/proc/self/fd"))
    found["processes"] = len(children())
    for each in gc.get_objects():
        if isinstance(each, _COUNTED):
            found[type(each).__name__] += 1
    return found
