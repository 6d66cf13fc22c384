"""What is to run, and what happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

import msgspec

from mpipc.ipc.backoff import Backoff
from mpipc.ipc.seconds import checked_seconds
from mpipc.launch.sandbox import Sandbox

T = TypeVar("T")

Kind = Literal[
    "starting", "ready", "ended", "unhealthy", "restarting", "failed", "stopping", "stopped"
]


class _Program(msgspec.Struct, Generic[T], frozen=True):
    name: str
    argv: Sequence[str]
    root: Callable[..., T] | None = None


class Component(_Program[T], Generic[T], frozen=True, kw_only=True):
    """A process that a `Supervisor` is to run: its name, its program with arguments, and the root
    interface that it serves, if it serves one.

    `address`          where it serves; None: on a socket pair, as what `mpipc.spawn` starts.
    `pass_socket`      the supervisor listens at `address`, and passes the socket on: the program
                       serves "systemd". While it is started anew, clients wait.
    `after`            names of components that are to be ready before it is started, and that are
                       stopped after it.
    `notifies`         it says when it is ready (READY=1 to NOTIFY_SOCKET), as
                       `Server.serve_forever` does. Otherwise it is ready when its root object has
                       been got, and without one when it was started.
    `restart`          whether it is started again when it has ended: "always", "on-failure" or
                       "never".
    `backoff`          how long to wait before that, and when to give it up.
    `health`           is called with the root object; if it raises, the process is killed and
                       started again. None: the connection itself is asked for an answer.
    `health_interval`  seconds between such checks; None: none.
    `health_timeout`   seconds that one may take.
    `watchdog`         seconds within which it must say that it is alive (WATCHDOG=1), as
                       `Server.serve_forever` and `serve_spawned` do; None: it need not.
    `start_timeout`    seconds until it must be ready.
    `stop_timeout`     seconds that it has to end in order; then it is killed.
    `sandbox`          what it may do.
    `options`          for `subprocess.Popen`: `env`, `cwd`, `stdout` …

    Raises ValueError for what does not fit together, and TypeError and ValueError for what is no
    time.
    """

    address: str | None = None
    pass_socket: bool = False
    after: Sequence[str] = ()
    notifies: bool = False
    restart: Literal["always", "on-failure", "never"] = "always"
    backoff: Backoff = Backoff(attempts=10)
    health: Callable[[T], object] | None = None
    health_interval: float | None = None
    health_timeout: float = 10.0
    watchdog: float | None = None
    start_timeout: float = 30.0
    stop_timeout: float = 10.0
    sandbox: Sandbox | None = None
    options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.after, str) or isinstance(self.argv, str):
            raise ValueError(f"{self.name}: argv and after are lists")
        if self.pass_socket and self.address is None:
            raise ValueError(f"{self.name}: pass_socket needs an address to listen at")
        if self.root is None and (self.health or self.health_interval):
            raise ValueError(f"{self.name}: without a root interface nobody can be asked: use"
                             " watchdog")  # fmt: skip
        if self.root is None and self.address is not None and not self.pass_socket:
            raise ValueError(f"{self.name}: what is at the address is not known: give a root")
        if self.restart not in ("always", "on-failure", "never"):
            raise ValueError(f"{self.name}: restart={self.restart!r}")
        for name in ("health_timeout", "start_timeout", "stop_timeout"):
            checked_seconds(name, getattr(self, name))
        for name in ("health_interval", "watchdog"):
            checked_seconds(name, getattr(self, name), optional=True)


class ComponentEvent(msgspec.Struct, frozen=True):
    """What has happened to a component: `kind` is one of

    starting    its process is about to be started
    ready       it can be used
    ended       its process has ended, by itself: `text` says how
    unhealthy   it did not answer, or did not say that it is alive: its process is killed
    restarting  it will be started again: `text` says when
    failed      it will not be: `text` says why
    stopping    the supervisor has it end
    stopped     its process is gone, and will not be started again: `text` says how it ended, if
                that was not in order
    """

    component: str
    kind: Kind
    text: str = ""
    pid: int | None = None

    def __str__(self) -> str:
        process = f" (process {self.pid})" if self.pid is not None else ""
        return f"{self.component} {self.kind}{process}{': ' if self.text else ''}{self.text}"
