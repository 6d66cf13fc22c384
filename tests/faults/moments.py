"""What a client can be in the middle of, when something goes wrong.

As a program, `python -m tests.faults.moments ADDRESS MOMENT DIRECTORY`, it is a client that begins
with one of them in a thread when it is told to, and whose main thread ends with its input.
"""

from __future__ import annotations

import sys
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import mpipc
from tests.faults.relay import Relay
from tests.runtime.declarations import Root
from tests.runtime.support import ROOT

LARGE = "x" * (8 << 20)
"""More than the sockets between two processes hold."""


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.01)


class Moment(ABC):
    """One of them; `act` is in the middle of it once `reached` says so."""

    expected: ClassVar[object]
    """What `act` returns when nothing goes wrong, or only for a while."""

    needs_root: ClassVar[bool] = True

    def __init__(self, address: str, directory: Path) -> None:
        self.address = address
        self.directory = directory
        self.root: Any = mpipc.connect(address, Root) if self.needs_root else None
        if self.root:
            self.prepare()

    def prepare(self) -> None:  # noqa: B027 - nothing, where nothing is needed
        """Make what `act` needs."""

    def arm(self, relay: Relay) -> None:  # noqa: B027
        """See to it that `act` will block."""

    @abstractmethod
    def act(self) -> object:
        """Block."""

    @abstractmethod
    def reached(self, relay: Relay, observer: Root) -> bool:
        """Whether `act` is blocked. Asked in the test's process, `observer` talks to the server."""

    @abstractmethod
    def let_go(self, relay: Relay, observer: Root) -> None:
        """Let it go on."""

    def leave(self) -> None:
        if self.root:
            mpipc.close(self.root)


class Waiting(Moment):
    """For the answer to a call."""

    expected = "gate"

    def prepare(self) -> None:
        self.gates = self.root.gates()

    def act(self) -> object:
        return self.gates.wait("gate")

    def reached(self, relay: Relay, observer: Root) -> bool:
        return observer.gates().waiting("gate") == 1

    def let_go(self, relay: Relay, observer: Root) -> None:
        observer.gates().open("gate")


class Sending(Moment):
    """A large message, to a peer that does not take it."""

    expected = len(f"1 {LARGE}")

    def prepare(self) -> None:
        self.values = self.root.values()

    def act(self) -> object:
        return len(self.values.optional(1, LARGE))

    def arm(self, relay: Relay) -> None:
        relay.jams = True

    def reached(self, relay: Relay, observer: Root) -> bool:
        return relay.unread() >= 1 << 16

    def let_go(self, relay: Relay, observer: Root) -> None:
        relay.thaw()


class Callback(Moment):
    """Run by a thread that waits for the answer to its call."""

    expected = 2

    def prepare(self) -> None:
        self.callbacks = self.root.callbacks()

    def act(self) -> object:
        return self.callbacks.call(self._step, 1)

    def _step(self, value: int) -> int:
        (self.directory / "reached").touch()
        wait_for(self.directory / "let go")
        return value + 1

    def reached(self, relay: Relay, observer: Root) -> bool:
        return (self.directory / "reached").exists()

    def let_go(self, relay: Relay, observer: Root) -> None:
        (self.directory / "let go").touch()


class Destroying(Moment):
    """A remote object whose end takes its time."""

    expected = None

    def prepare(self) -> None:
        self.thing = self.root.objects().make_stubborn("stubborn", "end")

    def act(self) -> object:
        mpipc.close(self.thing)
        return None

    def reached(self, relay: Relay, observer: Root) -> bool:
        return observer.gates().waiting("end") == 1

    def let_go(self, relay: Relay, observer: Root) -> None:
        observer.gates().open("end")


class Connecting(Moment):
    """To a server that has not answered yet."""

    expected = 3
    needs_root = False

    def act(self) -> object:
        with mpipc.connect(self.address, Root, timeout=60) as root:
            return root.values().small(1, 2)

    def arm(self, relay: Relay) -> None:
        relay.freeze()

    def reached(self, relay: Relay, observer: Root) -> bool:
        return relay.client is not None

    def let_go(self, relay: Relay, observer: Root) -> None:
        relay.thaw()


CHILD = """
import os, socket, sys, time
from pathlib import Path
import mpipc
from mpipc.generate.load import generated_for
from tests.runtime.program import RealRoot, Root

generated_for(Root)  # which takes a temporary directory: in a sandbox, that goes with its parent
directory, fd = Path(sys.argv[1]), int(sys.argv[-1])
(directory / "pid").write_text(str(os.getpid()))
(directory / "reached").touch()
while not (directory / "let go").exists():
    time.sleep(0.01)
said = (directory / "let go").read_bytes()
if said == b"exit":
    sys.exit()
if said:
    with socket.socket(fileno=fd) as parent:
        parent.sendall(said)
    sys.exit()
mpipc.serve_spawned(RealRoot())
"""


class Spawning(Moment):
    """A child that does not serve yet."""

    expected = 3
    needs_root = False

    sandbox: mpipc.Sandbox | None = None

    @property
    def argv(self) -> list[str]:
        return [sys.executable, "-c", CHILD, str(self.directory)]

    def act(self) -> object:
        with mpipc.spawn(self.argv, Root, timeout=60, cwd=ROOT, sandbox=self.sandbox) as root:
            return root.values().small(1, 2)

    @property
    def child(self) -> int:
        return int((self.directory / "pid").read_text())

    def reached(self, relay: Relay, observer: Root) -> bool:
        return (self.directory / "reached").exists()

    def let_go(self, relay: Relay, observer: Root) -> None:
        (self.directory / "let go").touch()

    def say(self, data: bytes) -> None:
        """Have the child say this and end."""
        whole = self.directory / "whole"
        whole.write_bytes(data)
        whole.rename(self.directory / "let go")


class Sandboxing(Spawning):
    """A child in a sandbox that does not serve yet."""

    def __init__(self, address: str, directory: Path) -> None:
        super().__init__(address, directory)
        self.sandbox = mpipc.Sandbox(readable=[ROOT], writable=[directory])


class Supervising(Spawning):
    """A component that is not ready yet, and is not started again."""

    start_timeout = 60.0

    def act(self) -> object:
        component: mpipc.Component[Root] = mpipc.Component(
            "child", self.argv, Root, restart="never", start_timeout=self.start_timeout,
            options={"cwd": ROOT},
        )  # fmt: skip
        with mpipc.Supervisor([component]) as supervisor, supervisor.root(component) as root:
            return root.values().small(1, 2)


MOMENTS: dict[str, type[Moment]] = {
    "waiting": Waiting,
    "sending": Sending,
    "callback": Callback,
    "destroy": Destroying,
    "connect": Connecting,
    "spawn": Spawning,
    "sandbox": Sandboxing,
    "supervise": Supervising,
}


def main() -> None:
    address, name, directory = sys.argv[1:]
    moment = MOMENTS[name](address, Path(directory))
    print("ready", flush=True)
    sys.stdin.readline()
    threading.Thread(target=lambda: print(moment.act()), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
