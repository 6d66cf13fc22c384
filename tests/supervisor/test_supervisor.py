"""Components together: order, restarts, health, sockets, the end."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import mpipc
from tests.runtime.support import PATIENCE, Running, eventually
from tests.supervisor.conftest import Events, alive, component, worker
from tests.supervisor.worker import Worker


class TestOrder:
    def test_components_start_and_stop_in_order(self, events: Events) -> None:
        gui = worker("gui", after=["wallet", "node"])
        wallet, node = worker("wallet", after=["node"]), worker("node")
        with mpipc.Supervisor([gui, wallet, node], on_event=events.append) as supervisor:
            assert events.of("ready") == ["node", "wallet", "gui"]
            assert supervisor.states() == {"node": "ready", "wallet": "ready", "gui": "ready"}
            with supervisor.root(gui) as root:
                assert root.name() == "gui"
        assert events.of("stopped") == ["gui", "wallet", "node"]
        assert events.kinds("gui") == ["starting", "ready", "stopping", "stopped"]
        assert {each.text for each in events} == {""}  # all in order

    @pytest.mark.parametrize(
        ("components", "why"),
        [
            ([worker("a"), worker("a")], "the same name"),
            ([worker("a", after=["b"])], "a is to start after b, which there is not"),
            ([worker("a", after=["b"]), worker("b", after=["a"])], "a after b after a"),
        ],
    )
    def test_what_does_not_fit_together_is_said(self, components: Any, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            mpipc.Supervisor(components)

    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            ({"after": "node"}, "are lists"),
            ({"pass_socket": True}, "needs an address"),
            ({"restart": "sometimes"}, "restart="),
            *(
                ({name: value}, f"^{name}=")
                for name in (
                    *("health_interval", "health_timeout", "watchdog"),
                    *("start_timeout", "stop_timeout"),
                )
                for value in (-1, math.nan, math.inf)
            ),
        ],
    )
    def test_so_is_what_is_wrong_with_one(self, wrong: Any, why: str) -> None:
        with pytest.raises(ValueError, match=why):
            worker("a", **wrong)
        with pytest.raises(ValueError, match="nobody can be asked"):
            mpipc.Component("a", ["true"], health_interval=1)
        with pytest.raises(TypeError, match=r"^stop_timeout='5': expected a number of seconds"):
            mpipc.Component("a", ["true"], stop_timeout="5")  # type: ignore[arg-type]

    def test_so_is_a_wait_that_is_none(self) -> None:
        with pytest.raises(ValueError, match=r"^timeout=-1"):
            mpipc.Supervisor([]).wait(-1)


class TestRestart:
    def test_a_process_that_is_killed_is_started_again(self, events: Events) -> None:
        one = worker()
        with (
            mpipc.Supervisor([one], on_event=events.append) as supervisor,
            supervisor.root(one) as root,
        ):
            pid = root.pid()
            for _ in range(2):
                os.kill(pid, signal.SIGKILL)
                old, pid = pid, eventually(lambda old=pid: root_pid(root, old))  # type: ignore[misc]
                assert pid != old
            assert [e.text for e in events if e.kind == "ended"] == ["it was ended by SIGKILL"] * 2

    def test_others_are_left_alone(self, events: Events) -> None:
        node, wallet = worker("node"), worker("wallet", after=["node"])
        with mpipc.Supervisor([node, wallet], on_event=events.append) as supervisor:
            with supervisor.root(node) as root:
                with pytest.raises(mpipc.Disconnected):
                    root.exit(1)
                assert root.name() == "node"
            assert events.kinds("wallet") == ["starting", "ready"]

    def test_calls_that_are_harmless_are_made_again(self, tmp_path: Path) -> None:
        one = worker()
        with mpipc.Supervisor([one]) as supervisor, supervisor.root(one) as root:
            pid = root.pid()
            waiting = Running(lambda: root.hang_once(f"{tmp_path}/file"))
            eventually(lambda: (tmp_path / "file").exists())
            os.kill(pid, signal.SIGKILL)
            assert waiting.result() not in (pid, None)

    def test_callbacks_are_registered_again(self) -> None:
        one = worker()
        heard: list[int] = []
        with (
            mpipc.Supervisor([one]) as supervisor,
            supervisor.root(one, on_connect=lambda root: root.watch(heard.append)),
        ):
            os.kill(heard[0], signal.SIGKILL)
            eventually(lambda: len(heard) == 2)

    def test_has_a_limit(self, events: Events) -> None:
        broken = component("broken", [sys.executable, "-c", "import sys; sys.exit(3)"])
        slow = mpipc.Backoff(first=0.01, most=0.02, attempts=3)
        broken = component("broken", broken.argv, Worker, backoff=slow)
        other = worker("other")
        why = "broken failed: 3 times in a row; at last it ended with exit status 3"
        with pytest.raises(mpipc.ComponentFailed, match=why):
            mpipc.Supervisor([other, broken], on_event=events.append).start()
        assert events.kinds("broken") == [
            *["starting", "ended", "restarting"] * 2, "starting", "ended", "failed"
        ]  # fmt: skip
        assert events.kinds("other")[-1] == "stopped"

    def test_is_as_it_was_said(self, events: Events) -> None:
        done = component("done", ["true"], restart="on-failure")
        once = component("once", ["true"], restart="never")
        supervisor = mpipc.Supervisor([done, once], on_event=events.append)
        with supervisor:
            assert supervisor.wait(PATIENCE)
        for name in ("done", "once"):
            assert events.kinds(name) == ["starting", "ready", "ended", "stopped"]
        failing = component("failing", ["false"], restart="never")
        with (
            pytest.raises(mpipc.ComponentFailed, match=r"failing failed: .* exit status 1"),
            mpipc.Supervisor([failing]) as supervisor,
        ):
            supervisor.wait(PATIENCE)

    def test_what_cannot_be_started_is_said(self) -> None:
        for argv, why in (
            (["no-such-program"], "No such file or directory: 'no-such-program'"),
            ([sys.executable, "-c", "import time; time.sleep(60)"], r"not ready within 0\.5 s"),
            ([sys.executable, "-c", ""], "it ended with exit status 0"),
        ):
            one = component("one", argv, Worker, restart="never", start_timeout=0.5)
            if "sleep" not in argv[-1]:
                one = component("one", argv, Worker, restart="never")
            with pytest.raises(mpipc.ComponentFailed, match=why):
                mpipc.Supervisor([one]).start()

    def test_can_be_asked_for(self, events: Events) -> None:
        one = worker()
        with (
            mpipc.Supervisor([one], on_event=events.append) as supervisor,
            supervisor.root(one) as root,
        ):
            pid = root.pid()
            supervisor.restart(one)
            eventually(lambda: root_pid(root, pid))
        again = ["starting", "ready", "stopping"]
        assert events.kinds() == [*again, *again, "stopped"]


def root_pid(root: Worker, other: int) -> int:
    """The process's number, once it is another one."""
    try:
        pid = root.pid()
    except mpipc.IpcError:
        return 0
    return pid if pid != other else 0


class TestHealth:
    def test_a_process_that_hangs_is_replaced(self, events: Events) -> None:
        one = worker(health_interval=0.1, health_timeout=1.0)
        with (
            mpipc.Supervisor([one], on_event=events.append) as supervisor,
            supervisor.root(one, wait=None) as root,
        ):
            os.kill(pid := root.pid(), signal.SIGSTOP)
            assert eventually(lambda: root_pid(root, pid))
        [event] = [each for each in events if each.kind == "unhealthy"]
        assert event.text == "it did not answer within 1 s"

    def test_one_that_is_well_is_left_alone(self, events: Events) -> None:
        checked = threading.Semaphore(0)
        one = worker(health_interval=0.01, health=lambda root: checked.release())
        two = worker("two", health_interval=0.01)
        with mpipc.Supervisor([one, two], on_event=events.append):
            for _ in range(20):
                assert checked.acquire(timeout=PATIENCE)
        assert not events.of("unhealthy")

    def test_a_check_of_the_users_own(self, events: Events) -> None:
        ill = [True]

        def check(root: Worker) -> None:
            if ill:
                raise ValueError(f"{root.name()} has a cold: {ill.pop()}")

        one = worker(health_interval=0.05, health=check)
        with mpipc.Supervisor([one], on_event=events.append):
            eventually(lambda: events.kinds().count("ready") == 2)
        assert [e.text for e in events if e.kind == "unhealthy"] == [
            "ValueError: worker has a cold: True"
        ]

    def test_a_process_says_that_it_is_alive(self, events: Events, tmp_path: Path) -> None:
        """Both `serve_spawned` and `serve_forever` do; with SIGSTOP nobody does."""
        address = f"unix:{tmp_path}/s"
        pair = worker("pair", watchdog=2.0)
        server = worker("server", watchdog=2.0, address=address, env={"ADDRESS": address})
        with (
            mpipc.Supervisor([pair, server], on_event=events.append) as supervisor,
            supervisor.root(pair) as root,
        ):
            assert root.environment("WATCHDOG_USEC") == "2000000"
            os.kill(root.pid(), signal.SIGSTOP)
            eventually(lambda: "pair" in events.of("unhealthy"))
            assert "did not say that it is alive within 2 s" in str(
                [e for e in events if e.kind == "unhealthy"]
            )


class TestReadiness:
    def test_it_is_not_told_what_the_supervisor_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Although it is given a copy of the environment."""
        monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
        monkeypatch.setenv("WATCHDOG_USEC", "1")
        one = worker()
        assert one.options and one.options["env"]["NOTIFY_SOCKET"] == "/nowhere"
        with mpipc.Supervisor([one]) as supervisor, supervisor.root(one) as root:
            assert root.environment("NOTIFY_SOCKET") == root.environment("WATCHDOG_USEC") == ""

    def test_is_what_the_process_says(self, events: Events, tmp_path: Path) -> None:
        text = """
import os, socket, time
while not os.path.exists("%s/go"):
    time.sleep(0.01)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
sock.send(b"STATUS=nearly there\\nREADY=1\\n")
time.sleep(3600)
"""
        one = component("one", [sys.executable, "-c", text % tmp_path], notifies=True)
        supervisor = mpipc.Supervisor([one], on_event=events.append)
        starting = Running(supervisor.start)
        eventually(lambda: events.kinds() == ["starting"])
        assert starting.is_alive()
        (tmp_path / "go").touch()
        starting.result()
        assert events.kinds() == ["starting", "ready"]
        supervisor.stop()

    def test_a_server_at_an_address(self, tmp_path: Path) -> None:
        address = f"unix:{tmp_path}/s"
        one = worker(address=address, env={"ADDRESS": address}, notifies=True)
        with mpipc.Supervisor([one]) as supervisor:
            with mpipc.connect(address, Worker) as root:
                assert root.name() == "worker"
            with supervisor.root(one) as root:
                os.kill(pid := root.pid(), signal.SIGKILL)
                eventually(lambda: root_pid(root, pid))


class TestSockets:
    def test_clients_wait_while_it_is_started_anew(self, tmp_path: Path) -> None:
        address = f"unix:{tmp_path}/s"
        one = worker(address=address, pass_socket=True, env={"ADDRESS": "systemd"})
        with mpipc.Supervisor([one]) as supervisor:
            with supervisor.root(one) as root:
                assert root.environment("LISTEN_FDNAMES") == "worker"
            pids = set()
            for _ in range(3):
                with mpipc.connect(address, Worker, timeout=PATIENCE) as root:
                    pids.add(root.pid())
                    os.kill(root.pid(), signal.SIGKILL)
            assert len(pids) == 3
        with pytest.raises(mpipc.Unreachable):
            mpipc.connect(address, Worker)

    def test_an_address_in_use_is_said(self, tmp_path: Path) -> None:
        address = f"unix:{tmp_path}/s"
        first, second = (
            worker(name, address=address, pass_socket=True, env={"ADDRESS": "systemd"})
            for name in ("first", "second")
        )
        with pytest.raises(mpipc.AddressError, match="another process listens there"):
            mpipc.Supervisor([first, second]).start()
        # What was made for the first is gone as well.
        with mpipc.Supervisor([first]):
            pass

    def test_where_nothing_was_started_it_may_be_tried_again(self, tmp_path: Path) -> None:
        address = f"unix:{tmp_path}/s"
        one = worker(address=address, pass_socket=True, env={"ADDRESS": "systemd"})
        supervisor = mpipc.Supervisor([one])
        with mpipc.Supervisor([one]), pytest.raises(mpipc.AddressError):
            supervisor.start()
        with supervisor:
            assert supervisor.states() == {"worker": "ready"}


class TestEnd:
    def test_only_the_main_thread_is_told_of_signals(self, events: Events) -> None:
        running = Running(mpipc.Supervisor([worker()], on_event=events.append).run)
        with pytest.raises(ValueError, match="main thread"):
            running.result()
        assert not events
        assert not [each for each in threading.enumerate() if each.name == "mpipc-signals"]

    def test_a_process_that_does_not_end_is_killed(self, events: Events) -> None:
        one = worker(env={"STUBBORN": "1"}, stop_timeout=0.5)
        with (
            mpipc.Supervisor([one], on_event=events.append) as supervisor,
            supervisor.root(one) as root,
        ):
            pid = root.pid()
        assert not alive(pid)
        assert events.kinds()[-2:] == ["stopping", "stopped"]
        assert events[-1].text == "it was ended by SIGKILL"

    def test_what_it_has_started_ends_too(self) -> None:
        one = worker()
        with mpipc.Supervisor([one]) as supervisor, supervisor.root(one) as root:
            pid = root.fork()
            assert alive(pid)
            with pytest.raises(mpipc.Disconnected):
                root.exit(0)
            eventually(lambda: not alive(pid))

    def test_stop_may_be_called_again_and_at_any_time(self, events: Events) -> None:
        mpipc.Supervisor([worker()]).stop()
        supervisor = mpipc.Supervisor([worker("a"), worker("b", after=["a"])])
        starting = Running(supervisor.start)
        eventually(lambda: supervisor.states())
        stopping = [Running(supervisor.stop) for _ in range(3)]
        for each in (*stopping, starting):
            each.result()
        supervisor.stop()
        assert set(supervisor.states().values()) == {"stopped"}
        with pytest.raises(RuntimeError, match="started once"):
            supervisor.start()

    def test_in_an_event_it_does_not_wait(self, events: Events) -> None:
        def heard(event: mpipc.ComponentEvent) -> None:
            events.append(event)
            if event.kind == "ready":
                supervisor.stop()

        supervisor = mpipc.Supervisor([worker()], on_event=heard)
        with supervisor:
            assert supervisor.wait(PATIENCE)
        assert events.kinds()[-1] == "stopped"

    def test_a_proxy_of_what_is_stopped(self) -> None:
        one = worker()
        with mpipc.Supervisor([one]) as supervisor:
            root = supervisor.root(one, wait=0.2)
            assert root.name() == "worker"
        with pytest.raises(mpipc.Unreachable, match="worker is stopped"):
            root.name()
        with pytest.raises(mpipc.Unreachable, match="other is not started"):
            supervisor.root(worker("other"))


def test_in_a_sandbox(events: Events) -> None:
    sandbox = mpipc.Sandbox(readable=[Path(__file__).parents[2]])
    one = worker(sandbox=sandbox)
    with mpipc.Supervisor([one]) as supervisor, supervisor.root(one) as root:
        with pytest.raises(mpipc.RemoteError) as caught:
            root.fork()
        assert caught.value.type == "PermissionError"
