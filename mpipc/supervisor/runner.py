"""The life of one component."""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mpipc.capnp.connection import Connection
from mpipc.capnp.message import DEFAULT_LIMITS
from mpipc.capnp.proxy import Client
from mpipc.errors import IpcError, Timeout, Unreachable
from mpipc.generate.load import generated_for
from mpipc.ipc import address as addresses
from mpipc.ipc import sockets
from mpipc.ipc.address import UnixAddress
from mpipc.ipc.channel import Channel, timeout
from mpipc.ipc.endpoints import begin, open_root, root_class
from mpipc.ipc.peers import process_peer
from mpipc.launch.program import start
from mpipc.supervisor.component import Component, ComponentEvent, Kind
from mpipc.supervisor.notify import Notifications, environment

_log = logging.getLogger("mpipc")
_RETRY = 0.05  # seconds between attempts to connect to what has just been started
_ATTEMPT = 1.0  # seconds that one may take
_ENDING = 1.0  # seconds that a process has to end after it has closed its connection
_LOUD = {"unhealthy", "restarting", "failed"}


class Runner(threading.Thread):
    """A thread that starts a component's process, watches it, and starts it again.

    It is also what the process's life hangs on: the kernel kills the process when the thread ends,
    which it does when this whole process is killed.

    `state` is the kind of the last event.
    """

    def __init__(
        self,
        component: Component[Any],
        directory: Path,
        on_event: Callable[[ComponentEvent], object],
        changed: threading.Condition,
    ) -> None:
        super().__init__(name=f"mpipc-run {component.name}", daemon=True)
        self.component = component
        self.state: Kind | None = None
        self.failure = ""
        self.before: Sequence[Runner] = ()  # those that are to be ready before it
        self.behind: Sequence[Runner] = ()  # those that are to be stopped before it
        self._on_event = on_event
        self._changed = changed
        self._address = (
            addresses.parse(component.address, datadir=None, name=component.name)
            if component.address
            else None
        )
        self._root_class = None if component.root is None else root_class(component.root)
        self._directory = directory
        self._listening: socket.socket | None = None
        self._notifications: Notifications | None = None
        self._wake = -1
        self._stop_asked = self._kill_asked = self._restart_asked = False
        self._lock = threading.Lock()
        # Of the present process:
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._connecting: socket.socket | None = None
        self._root: Any = None
        self._channel: Channel | None = None
        self._lost: list[Callable[[], None]] = []
        self._said_ready = False
        self._alive_until: float | None = None

    def open(self) -> None:
        """Make what it needs, before it is started; `release` closes it. Raises AddressError,
        OSError."""
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        if self.component.pass_socket:
            assert self._address is not None
            self._listening, self._address = sockets.listen(self._address)
        if self.component.notifies or self.component.watchdog is not None:
            name = str(len(os.listdir(self._directory)))
            self._notifications = Notifications(self._directory, name)

    # ------------------------------------------------------------------------ from other threads

    def ask_to_stop(self) -> None:
        """Have the process end, after those behind it, and start no other."""
        self._stop_asked = True
        self._interrupt()

    def ask_to_kill(self) -> None:
        """Have it end at once."""
        self._stop_asked = self._kill_asked = True
        self._interrupt()

    def abandon(self) -> None:
        """Let those that wait for it not wait, when it was asked to stop before it was started."""
        if self.ident is None:
            with self._changed:
                self.state = "stopped"
                self._changed.notify_all()
            self.release()

    def ask_to_restart(self) -> None:
        """Have the process end, and start another."""
        self._restart_asked = True
        self._interrupt()

    def release(self) -> None:
        """Close its descriptors: its own last act, or that of another thread when it was never
        started."""
        with self._lock:
            wake, self._wake = self._wake, -1
        if wake < 0:
            return
        os.close(wake)
        if self._listening is not None:
            self._listening.close()
            if isinstance(self._address, UnixAddress):
                self._address.path.unlink(missing_ok=True)
        if self._notifications is not None:
            self._notifications.close()

    @property
    def served(self) -> bool:
        """Whether those that need it can begin."""
        return self.state in ("ready", "stopped")

    @property
    def over(self) -> bool:
        """Whether there is no process, and will not be another."""
        return self.state in ("failed", "stopped")

    def root(self, lost: Callable[[], None], wait: float) -> Any:
        """A proxy of the root object, as soon as the component is ready; `lost` is called when its
        connection has ended. Raises Unreachable."""
        deadline = time.monotonic() + wait
        with self._changed:
            while self._root is None or self.state != "ready":
                left = deadline - time.monotonic()
                if left <= 0 or self.over:
                    raise Unreachable(f"{self.component.name} is {self.state or 'not started'}")
                self._changed.wait(left)
            root: Client = self._root
            self._lost.append(lost)
            # Another one, so that closing it closes nothing else.
            return type(root)(root._mpipc_connection, root._mpipc_target)  # type: ignore[arg-type]

    def _interrupt(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._kick()
        with self._lock:
            if self._connecting is not None and self._stop_asked:
                try:
                    self._connecting.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it is lost already

    # ----------------------------------------------------------------------------- its life

    def run(self) -> None:
        try:
            self._live()
        except Exception as e:
            _log.exception("the supervisor of %s failed", self.component.name)
            self._give_up(f"its supervisor failed: {e!r}")
        finally:
            self.release()

    def _live(self) -> None:
        component, failures = self.component, 0
        if not self._await(lambda: all(each.served for each in self.before)):
            self._tell("stopped")
            return
        while True:
            began = time.monotonic()
            why = self._run_once()
            if self._stop_asked:
                self._tell("stopped", why)
                return
            lasted = time.monotonic() - began
            if self._restart_asked:
                self._restart_asked, failures = False, 0
                continue
            if component.restart == "never" and why:
                self._give_up(why)
                return
            if component.restart == "never" or (component.restart == "on-failure" and not why):
                break
            failures = 1 if lasted >= component.backoff.steady else failures + 1
            if component.backoff.exhausted(failures):
                self._give_up(f"{failures} times in a row; at last {why or 'it ended in order'}")
                return
            delay = component.backoff.delay(failures)
            self._tell("restarting", f"in {delay:.3g} s")
            if not self._pause(delay):
                break
        self._tell("stopped")

    def _await(self, condition: Callable[[], bool]) -> bool:
        """Wait until something holds of other components; whether it does, rather than that this
        one is to stop."""
        with self._changed:
            while not self._stop_asked:
                if condition():
                    return True
                self._changed.wait()
        return False

    def _pause(self, seconds: float) -> bool:
        """Wait; whether it may go on then."""
        deadline = time.monotonic() + seconds
        while not self._stop_asked and not self._restart_asked:
            left = deadline - time.monotonic()
            if left <= 0:
                return True
            self._poll(left)
        return not self._stop_asked

    def _run_once(self) -> str:
        """Start the process and stay with it until it is gone: why it was not as it should, "" when
        it has ended in order; also when it was told to end."""
        self._tell("starting")
        deadline = time.monotonic() + self.component.start_timeout
        self._said_ready = False
        self._alive_until = None
        why, kind = "", None
        try:
            self._start(deadline)
            why = self._become_ready(deadline)
            if not why and not self._leaves:
                self._tell("ready")
                why, kind = self._watch()
        except (OSError, IpcError) as e:
            why = str(e)
        if self._process is None:
            if not self._leaves:
                self._tell("ended", why)
            return why
        if self._leaves:
            # Those that need it come first.
            self._await_others()
            self._tell("stopping")
        elif kind is not None:
            self._tell(kind, why)
        elif why:
            self._poll_end(_ENDING)  # a connection that ends comes before the process does
        by_itself = self._ended
        status = self._end(at_once=kind is not None or self._kill_asked)
        if not self._leaves and kind is None:
            if by_itself and (status or self.state != "ready"):
                why = _described(status)
            self._tell("ended", why or _described(status))
        elif self._leaves:
            # SIGTERM is how it was told to end.
            why = "" if status in (0, -signal.SIGTERM) else _described(status)
        return why

    @property
    def _leaves(self) -> bool:
        """Whether the process is to end because somebody wants it to."""
        return self._stop_asked or self._restart_asked

    def _await_others(self) -> None:
        if self._restart_asked and not self._stop_asked:
            return
        with self._changed:
            while not self._kill_asked and not all(each.over for each in self.behind):
                self._changed.wait()

    # ----------------------------------------------------------------------------- starting

    def _start(self, deadline: float) -> None:
        """Start the process; on a pair of sockets, get its root object as well."""
        component = self.component
        options = dict(component.options or {})
        options["env"] = environment(options.get("env"), self._notifications, component.watchdog)
        options.setdefault("start_new_session", True)
        passed = [] if self._listening is None else [(component.name, self._listening.fileno())]
        if self._root_class is None or self._address is not None:
            self._launch(component.argv, [], passed, options)
            return
        ours, theirs = socket.socketpair()
        with ours, theirs:
            fd = theirs.fileno()
            pid = self._launch([*component.argv, "-ipcfd", str(fd)], [fd], passed, options)
            theirs.close()
            sock = ours.dup()
        with self._lock:
            self._connecting = sock
        try:
            generated = generated_for(self._root_class)
            description = f"spawn:{component.name}"
            connected = begin(
                sock, description, generated, deadline, DEFAULT_LIMITS, None,
                peer=process_peer(pid),
            )  # fmt: skip
        except Timeout:
            raise Timeout(self._late()) from None
        finally:
            with self._lock:
                self._connecting = None
        self._hold(*connected)

    def _launch(
        self,
        argv: Sequence[str],
        keep: Sequence[int],
        passed: Sequence[tuple[str, int]],
        options: dict[str, Any],
    ) -> int:
        """Start the process; its id."""
        self._process = start(
            argv, keep=keep, sockets=passed, die_with_thread=True, sandbox=self.component.sandbox,
            **options,
        )  # fmt: skip
        pid = self._process.pid
        self._pidfd = os.pidfd_open(pid)
        return pid

    def _become_ready(self, deadline: float) -> str:
        """Wait until the component is ready: why it is not, "" when it is, or is to leave."""
        while not self._leaves:
            if self._ended:
                return self._how_it_ended()
            left = deadline - time.monotonic()
            if left <= 0:
                return self._late()
            if self.component.notifies and not self._said_ready:
                self._poll(left)
                continue
            if self._address is None or self._root_class is None or self._root is not None:
                return ""
            if not self._connect(min(left, _ATTEMPT)):
                self._poll(_RETRY)
        return ""

    def _connect(self, seconds: float) -> bool:
        """Get the root object from where the component serves; whether it was there."""
        assert self._address is not None and self._root_class is not None
        user = (self.component.options or {}).get("user")
        peers = None if user is None else [user]
        try:
            found = open_root(self._address, self._root_class, seconds, peers, DEFAULT_LIMITS, None)
        except (ConnectionError, TimeoutError):
            return False
        if found is None:
            return False
        self._hold(*found)
        return True

    def _hold(self, root: Any, channel: Channel) -> None:
        with self._changed:
            self._root, self._channel = root, channel
        channel.on_stop = lambda: self._let_go(channel)
        if channel.stopped:
            self._let_go(channel)

    def _let_go(self, channel: Channel | None) -> None:
        """A connection has ended."""
        with self._changed:
            if channel is not self._channel:
                return
            self._root = self._channel = None
            lost, self._lost = self._lost, []
        for each in lost:
            each()
        self._kick()

    def _kick(self) -> None:
        """Have the thread look around."""
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def _late(self) -> str:
        return f"it was not ready within {self.component.start_timeout:g} s"

    # ----------------------------------------------------------------------------- watching

    def _watch(self) -> tuple[str, Kind | None]:
        """Stay with a process that is ready: why it is not any more, and what kind of event that
        is, if its process is still there."""
        component = self.component
        interval = component.health_interval
        check_at = None if interval is None else time.monotonic() + interval
        self._alive()
        while not self._leaves:
            times = [each for each in (check_at, self._alive_until) if each is not None]
            if self._ended:
                return self._how_it_ended(), None
            self._poll(min(times) - time.monotonic() if times else None)
            if self._leaves or self._ended:
                continue
            now = time.monotonic()
            if self._alive_until is not None and now >= self._alive_until:
                return f"it did not say that it is alive within {component.watchdog:g} s", (
                    "unhealthy"
                )
            if self._root_class is not None and self._root is None and not self._regain():
                if self._ended:
                    continue
                return "its connection has ended", "unhealthy"
            if check_at is not None and now >= check_at:
                why = self._check()
                if why and not self._ended and not self._leaves:
                    return why, "unhealthy"
                assert interval is not None
                check_at = time.monotonic() + interval
        return "", None

    def _regain(self) -> bool:
        """The connection is lost while the process is there: whether there is another one soon."""
        if self._address is None:
            self._poll_end(_ENDING)
            return False
        deadline = time.monotonic() + self.component.health_timeout
        while not self._leaves and not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._connect(min(left, _ATTEMPT)):
                with self._changed:
                    self._changed.notify_all()
                return True
            self._poll(_RETRY)
        return self._leaves

    def _check(self) -> str:
        """Ask whether it is well: why it is not, "" when it is."""
        root = self._root
        if root is None:
            return ""  # that is found out in its own way
        try:
            with timeout(self.component.health_timeout):
                if self.component.health is not None:
                    self.component.health(root)
                else:
                    connection = root._mpipc_connection
                    assert isinstance(connection, Connection)
                    connection.ping()
        except Timeout:
            return f"it did not answer within {self.component.health_timeout:g} s"
        except Exception as e:
            return f"{type(e).__name__}: {e}"
        return ""

    def _alive(self) -> None:
        if self.component.watchdog is not None:
            self._alive_until = time.monotonic() + self.component.watchdog

    def _poll(self, seconds: float | None) -> None:
        """Wait until something happens, at most so long."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._pidfd >= 0:
            poll.register(self._pidfd, select.POLLIN)
        if self._notifications is not None:
            poll.register(self._notifications, select.POLLIN)
        poll.poll(None if seconds is None else max(0.0, seconds) * 1000 + 1)
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            pass
        if self._notifications is not None:
            for line in self._notifications.read():
                if line == "READY=1":
                    self._said_ready = True
                elif line == "WATCHDOG=1":
                    self._alive()

    # ----------------------------------------------------------------------------- ending

    @property
    def _ended(self) -> bool:
        """Whether the process has ended; it is not reaped yet."""
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def _how_it_ended(self) -> str:
        """Why it was not in order, "" when it was; the process is not reaped."""
        assert self._process is not None
        info = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if info is None:
            return ""
        status = info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
        return "" if status == 0 else _described(status)

    def _poll_end(self, seconds: float) -> bool:
        """Wait for the process to end, at most so long; whether it has."""
        deadline = time.monotonic() + seconds
        while not self._ended and not self._kill_asked:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._poll(left)
        return self._ended

    def _end(self, *, at_once: bool) -> int:
        """Have the process end, and everything that it has started; its exit status."""
        process = self._process
        assert process is not None
        grace = self.component.stop_timeout
        root, self._root = self._root, None
        on_pair = root is not None and self._address is None
        if root is not None:
            root._mpipc_connection.close()
        if not at_once and not (on_pair and self._poll_end(grace / 2)):
            self._signal(signal.SIGTERM)
            self._poll_end(grace / 2 if on_pair else grace)
        if not self._ended:
            self._signal(signal.SIGKILL)
        # The group is the process's until it is reaped.
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._pidfd)
        self._pidfd, self._process = -1, None
        return status

    def _signal(self, number: signal.Signals) -> None:
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            pass  # it has ended meanwhile

    def _give_up(self, why: str) -> None:
        self.failure = why
        self._tell("failed", why)

    def _tell(self, kind: Kind, text: str = "") -> None:
        pid = None if self._process is None else self._process.pid
        event = ComponentEvent(self.component.name, kind, text, pid)
        _log.log(logging.WARNING if kind in _LOUD else logging.INFO, "%s", event)
        try:
            self._on_event(event)
        except Exception:
            _log.exception("the function that is told of events failed")
        # Only now, so that nothing which follows from it is told first.
        with self._changed:
            self.state = kind
            self._changed.notify_all()


def _described(status: int) -> str:
    if status >= 0:
        return f"it ended with exit status {status}"
    try:
        return f"it was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"it was ended by signal {-status}"
