"""Running several components: in order, and until they are to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mpipc.errors import ComponentFailed, Unreachable
from mpipc.ipc import systemd
from mpipc.ipc.backoff import Backoff
from mpipc.ipc.links import as_function
from mpipc.ipc.reconnect import Link
from mpipc.ipc.seconds import checked_seconds
from mpipc.supervisor.component import Component, ComponentEvent
from mpipc.supervisor.runner import Runner
from mpipc.supervisor.signals import listening
from mpipc.temporary import Temporary

if TYPE_CHECKING:
    from mpipc.ipc.endpoints import Remote

R = TypeVar("R")
T = TypeVar("T")

_AT_ONCE = Backoff(first=0.01, most=0.2)  # to look whether a component is ready again
_LOOK = 5.0  # seconds that a look waits for it


class Supervisor:
    """Runs components: starts each when those that it needs are ready, starts it again when it
    ends, and stops them in reverse order. Nothing is left behind, even when it is killed itself.

    Use it in `with`, which starts and stops them; or `run`, for a program that does nothing else.

    `on_event` is called with a `ComponentEvent` for all that happens, once at a time and before
    anything follows from it; it must not wait for other components. The same goes to the logger
    "mpipc".

    Raises ValueError for components that do not fit together.
    """

    def __init__(
        self,
        components: Sequence[Component[Any]],
        *,
        on_event: Callable[[ComponentEvent], object] | None = None,
    ) -> None:
        self._components = _in_order(components)
        self._on_event = on_event
        self._telling = threading.Lock()
        self._changed = threading.Condition()
        self._runners: dict[str, Runner] = {}
        self._directory: Temporary | None = None
        self._process = 0
        self._stopping = False

    def start(self) -> None:
        """Start the components, and wait until all are ready.

        Raises ComponentFailed when one of them is given up; then all are stopped. Raises
        AddressError for an address that cannot be listened at, and RuntimeError when they were
        started already.
        """
        if self._runners:
            raise RuntimeError("a supervisor is started once")
        self._process = os.getpid()
        self._directory = Temporary("supervisor")
        try:
            for component in self._components:
                self._runners[component.name] = Runner(
                    component, self._directory.path, self._tell, self._changed
                )
            for component in self._components:
                runner = self._runners[component.name]
                runner.before = [self._runners[name] for name in component.after]
                runner.behind = [
                    self._runners[each.name]
                    for each in self._components
                    if component.name in each.after
                ]
            for runner in self._all:
                runner.open()
            for runner in self._all:
                runner.start()
            self._await(lambda: all(each.state == "ready" or each.over for each in self._all))
        except BaseException:
            self._ask_all()
            for runner in self._all:
                runner.abandon()  # where it was not started
            self._end()
            if not any(runner.ident for runner in self._all):
                # It may be tried again.
                self._runners.clear()
                self._stopping = False
            raise

    def stop(self) -> None:
        """Stop the components, those first that others are not needed by, and wait until their
        processes are gone. May be called more than once, and from any thread; when it is called
        in `on_event`, it does not wait."""
        if os.getpid() != self._process:
            return  # a forked child: they are its parent's
        self._ask_all()
        self._finish()

    def kill(self) -> None:
        """As `stop`, at once: the processes are killed."""
        if os.getpid() != self._process:
            return
        self._ask_all(at_once=True)
        self._finish()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no component runs any more, or `stop` was called; False when that takes more
        than `timeout` seconds. Raises ComponentFailed when one is given up, and TypeError and
        ValueError for what is no time."""
        timeout = checked_seconds("timeout", timeout, optional=True)
        return self._await(lambda: all(each.over for each in self._all), timeout)

    def run(self) -> None:
        """Start the components, and stop them on SIGTERM, on Ctrl-C, or when none runs any more. A
        second signal kills those that take too long. To be called on the main thread.

        Tells systemd, if it wants to know, when all are ready, that they are stopping, and that the
        supervisor is alive. Raises what `start` raises, and ComponentFailed when one is given up.
        """
        with listening(lambda _, count: self._ask_all(at_once=count > 1)):
            try:
                self.start()
                if not self._stopping:
                    systemd.notify("READY=1")
                interval = systemd.watchdog_interval()
                while not self.wait(interval):
                    systemd.notify("WATCHDOG=1")
            finally:
                systemd.notify("STOPPING=1")
                self.stop()

    def _end(self) -> None:
        """Stop, and be quicker at a second signal."""
        try:
            self.stop()
        except KeyboardInterrupt:
            self.kill()

    def restart(self, component: Component[Any]) -> None:
        """Have a component's process end, and start it again; does not wait for it."""
        self._runner(component).ask_to_restart()

    def states(self) -> dict[str, str]:
        """The kind of the last event of each component, by name; "" before it was started."""
        return {name: runner.state or "" for name, runner in self._runners.items()}

    @overload
    def root(
        self,
        component: Component[R],
        recipe: None = None,
        *,
        on_connect: Callable[[R], object] | None = None,
        wait: float | None = 10.0,
    ) -> Remote[R]: ...
    @overload
    def root(
        self,
        component: Component[R],
        recipe: Callable[[R], T],
        *,
        on_connect: Callable[[T], object] | None = None,
        wait: float | None = 10.0,
    ) -> Remote[T]: ...
    def root(
        self,
        component: Component[Any],
        recipe: Callable[[Any], Any] | None = None,
        *,
        on_connect: Callable[[Any], object] | None = None,
        wait: float | None = 10.0,
    ) -> Any:
        """A component's root object, or what `recipe` makes of it, which outlives its process: as
        `mpipc.reconnecting`, over the supervisor's own connection. Closing it lets go of it, and
        not of the connection.

        Raises ValueError for a component without a root interface, and what `mpipc.reconnecting`
        raises.
        """
        wait = checked_seconds("wait", wait, optional=True)
        runner = self._runner(component)
        if component.root is None:
            raise ValueError(f"{component.name} has no root interface")

        def dial(lost: Callable[[], None]) -> Any:
            return runner.root(lost, _LOOK)

        return Link(
            component.name, dial, as_function(recipe), on_connect, wait, _AT_ONCE, _LOOK,
            owns=False,
        ).begin()  # fmt: skip

    # ------------------------------------------------------------------------------ together

    def _ask_all(self, *, at_once: bool = False) -> None:
        """Have every component end; does not wait for it."""
        self._stopping = True
        for runner in self._all:
            if at_once:
                runner.ask_to_kill()
            else:
                runner.ask_to_stop()

    def _tell(self, event: ComponentEvent) -> None:
        if self._on_event is not None:
            with self._telling:
                self._on_event(event)

    @property
    def _all(self) -> Sequence[Runner]:
        return list(self._runners.values())

    def _runner(self, component: Component[Any]) -> Runner:
        try:
            return self._runners[component.name]
        except KeyError:
            raise Unreachable(f"{component.name} is not started") from None

    def _await(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while True:
                for runner in self._all:
                    if runner.state == "failed":
                        raise ComponentFailed(f"{runner.component.name} failed: {runner.failure}")
                if self._stopping or condition():
                    return True
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self._changed.wait(left)

    def _finish(self) -> None:
        """Wait for the runners, and clear up."""
        if threading.current_thread() in self._all:
            return
        for runner in self._all:
            if runner.ident is not None:
                runner.join()
        if self._directory is not None:
            self._directory.remove()

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end()

    def __repr__(self) -> str:
        return f"<Supervisor {self.states()}>"


def _in_order(components: Sequence[Component[Any]]) -> list[Component[Any]]:
    """Each behind those that it needs. Raises ValueError."""
    by_name = {each.name: each for each in components}
    if len(by_name) < len(components):
        raise ValueError("two components have the same name")
    ordered: dict[str, Component[Any]] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"components wait for each other: {' after '.join([*path, name])}")
        if name not in by_name:
            raise ValueError(f"{path[-1]} is to start after {name}, which there is not")
        if name not in ordered:
            for other in by_name[name].after:
                add(other, (*path, name))
            ordered[name] = by_name[name]

    for name in by_name:
        add(name, ())
    return list(ordered.values())
