"""Sockets that systemd passes on, and telling it that a service is ready: its own programs are not
needed for it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import mpipc
from tests.runtime.declarations import Root
from tests.runtime.program import RealRoot
from tests.runtime.support import PATIENCE, ROOT

# systemd sets these for the process that it starts, and passes the sockets on from 3.
START = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "tests.runtime.program", *sys.argv[1:]])
"""


def start(sockets: list[socket.socket], *addresses: str, **variables: str) -> Any:
    """Start the server program as systemd does."""

    def place() -> None:
        for number, sock in enumerate(sockets):
            os.dup2(sock.fileno(), 3 + number)

    return subprocess.Popen(
        [sys.executable, "-c", START, *addresses],
        cwd=ROOT,
        env={**os.environ, "LISTEN_FDS": str(len(sockets)), **variables},
        pass_fds=range(3, 3 + len(sockets)),
        preexec_fn=place,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    sock.listen()
    # Away from where the child wants to have it.
    moved = socket.socket(fileno=os.dup(sock.fileno())) if sock.fileno() < 10 else sock
    return moved


class TestSockets:
    def test_the_only_one(self, tmp_path: Path) -> None:
        with listening(tmp_path / "s") as sock:
            # A client that came before the service was started waits for it.
            with start([sock], "systemd") as child:
                with mpipc.connect(f"unix:{tmp_path}/s", Root) as root:
                    assert root.process().pid() == child.pid
                child.stdin.close()
                assert child.wait() == 0
            # systemd goes on listening, and starts the service anew.
            with start([sock], "systemd") as child:
                with mpipc.connect(f"unix:{tmp_path}/s", Root) as root:
                    assert root.process().pid() == child.pid
                child.stdin.close()

    def test_by_name(self, tmp_path: Path) -> None:
        with listening(tmp_path / "a") as first, listening(tmp_path / "b") as second:
            names = {"LISTEN_FDNAMES": "first:second"}
            with start([first, second], "systemd:second", "systemd:first", **names) as child:
                for name in ("a", "b"):
                    with mpipc.connect(f"unix:{tmp_path}/{name}", Root) as root:
                        assert root.process().pid() == child.pid
                child.stdin.close()

    MISTAKES: ClassVar[dict[str, tuple[dict[str, str], str]]] = {
        "none": ({}, "this process was given no sockets (LISTEN_PID)"),
        "of another process": ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "no sockets (LISTEN_PID)"),
        "no number": ({"LISTEN_PID": "own", "LISTEN_FDS": "many"}, "no sockets (LISTEN_FDS)"),
        "several": ({"LISTEN_PID": "own", "LISTEN_FDS": "2"}, "there are 2 sockets: use systemd:"),
    }

    @pytest.mark.parametrize("case", MISTAKES)
    def test_a_mistake_is_said(self, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
        variables, why = self.MISTAKES[case]
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("own", str(os.getpid())))
        with pytest.raises(mpipc.AddressError) as caught:
            mpipc.serve("systemd", RealRoot())
        assert why in str(caught.value)

    def test_an_unknown_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "2")
        monkeypatch.setenv("LISTEN_FDNAMES", "a:a")
        for name, count in (("b", 0), ("a", 2)):
            with pytest.raises(mpipc.AddressError, match=f"systemd:{name}: {count} of the sockets"):
                mpipc.serve(f"systemd:{name}", RealRoot())

    def test_is_none_to_connect_to(self) -> None:
        with pytest.raises(mpipc.AddressError, match="an address to serve"):
            mpipc.connect("systemd", Root)


class TestReadiness:
    @pytest.mark.parametrize("name", ["path", "abstract"])
    def test_is_told_by_serve_forever(
        self, tmp_path: Path, name: str, script: Callable[..., Any]
    ) -> None:
        address = f"{tmp_path}/notify" if name == "path" else f"@mpipc-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            notified.settimeout(PATIENCE)
            notified.bind(address.replace("@", "\0") if name == "abstract" else address)
            done = script(
                """
import os, sys, threading
import mpipc
from tests.runtime.program import RealRoot

os.environ["NOTIFY_SOCKET"] = sys.argv[2]
with mpipc.serve(f"unix:{sys.argv[1]}/s", RealRoot()) as server:
    threading.Timer(0.1, server.close).start()
    server.serve_forever()
""",
                str(tmp_path),
                address,
            )
            assert (done.returncode, done.stderr) == (0, "")
            assert notified.recv(100) == b"READY=1"

    def test_is_no_reason_to_fail(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for address in (f"{tmp_path}/nobody", "nonsense", ""):
            monkeypatch.setenv("NOTIFY_SOCKET", address)
            with mpipc.serve(f"unix:{tmp_path}/s", RealRoot()) as server:
                server.close()
                server.serve_forever()
