"""Making a sandbox: what is wrong is said, and what a system lacks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc.launch import landlock, sandbox, seccomp
from tests.sandbox.conftest import ROOT
from tests.sandbox.prisoner import Prisoner

Imprisoned = Callable[..., Prisoner]


class TestMistakes:
    @pytest.mark.parametrize(
        "wrong",
        [{"readable": "/etc"}, {"tcp_connect": [70000]}, {"memory": 0}, {"processes": -1}],
    )
    def test_are_said(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError):
            mpipc.Sandbox(**wrong)

    def test_of_the_program(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no program")
        for argv, error in (
            (["no-such-program"], FileNotFoundError),
            (["./no-such-program"], FileNotFoundError),
            ([str(tmp_path / "file")], PermissionError),
        ):
            with pytest.raises(error, match=r"no-such-program|file"):
                mpipc.spawn(argv, Prisoner, sandbox=mpipc.Sandbox())

    def test_of_paths(self, imprisoned: Imprisoned, tmp_path: Path) -> None:
        for name in ("readable", "writable"):
            with pytest.raises(FileNotFoundError, match="missing"):
                imprisoned(**{name: [tmp_path / "missing"]})

    def test_of_options(self, imprisoned: Imprisoned) -> None:
        with pytest.raises(TypeError, match="shell cannot be given"):
            imprisoned(options={"shell": True})

    def test_leave_nothing_behind(
        self, imprisoned: Imprisoned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with pytest.raises(FileNotFoundError):
            imprisoned(readable=[tmp_path / "missing"])
        assert os.listdir(tmp_path) == []


MAKER = """
import os, signal, sys
from tests.sandbox.conftest import imprison

with imprison() as prisoner:
    prisoner.run("open(os.environ['TMPDIR'] + '/file', 'w')")
    if "forks" in sys.argv:
        child = os.fork()
        if child == 0:
            sys.exit()  # and runs what a process runs at its end
        os.waitpid(child, 0)
    print(*os.listdir(os.environ["TMPDIR"]), flush=True)
    if "dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
"""


class TestTheTemporaryDirectory:
    """The program's own one, as seen by who started it."""

    @staticmethod
    def made(where: Path, *arguments: str) -> set[str]:
        """Those that there are while a process has a sandbox."""
        environment = {**os.environ, "TMPDIR": str(where)}
        command = [sys.executable, "-c", MAKER, *arguments]
        run = subprocess.run(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=50
        )
        assert run.returncode == (-signal.SIGKILL if "dies" in arguments else 0)
        return set(run.stdout.split())

    def test_goes_with_the_one_who_made_it(self, tmp_path: Path) -> None:
        assert len(self.made(tmp_path)) == 1
        assert not os.listdir(tmp_path)

    def test_stays_when_a_forked_child_ends(self, tmp_path: Path) -> None:
        assert len(self.made(tmp_path, "forks")) == 1

    def test_is_removed_by_the_next_one_when_its_maker_is_killed(self, tmp_path: Path) -> None:
        left = self.made(tmp_path, "dies")
        assert set(os.listdir(tmp_path)) == left
        link = tmp_path / "mpipc-sandbox-link"  # which nobody follows
        link.symlink_to(ROOT)
        found = self.made(tmp_path)
        assert len(found) == 2
        assert not found & left
        assert os.listdir(tmp_path) == [link.name]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes the kernel one that has an older Landlock, of which newer ones have all."""
    if landlock.abi() < 6:
        pytest.skip("this kernel is old itself")
    return lambda version: monkeypatch.setattr(sandbox, "_ANY_VERSION", version)


class TestOlderKernels:
    @pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
    def test_hold_it_as_well(
        self, kernel: Callable[[int], None], imprisoned: Imprisoned, version: int, tmp_path: Path
    ) -> None:
        kernel(version)
        (tmp_path / "file").write_text("secret")
        prisoner = imprisoned()
        for code in (
            f"open('{tmp_path}/file')",
            f"import os; os.truncate('{tmp_path}/file', 0)",
            f"import os; os.kill({os.getpid()}, 0)",
            f"import os, signal; signal.pidfd_send_signal(os.pidfd_open({os.getpid()}), 0)",
            "import socket; socket.socket()",
        ):
            assert prisoner.run(code) == "PermissionError", code
        # Its own threads get signals.
        code = """
import signal, threading
signal.pthread_kill(threading.get_ident(), 0)
result = "sent"
"""
        assert prisoner.run(code) == "sent"

    def test_that_lack_something_are_refused(
        self, kernel: Callable[[int], None], imprisoned: Imprisoned
    ) -> None:
        kernel(5)
        with pytest.raises(mpipc.SandboxError, match=r"abstract sockets \(Landlock 5, needs 6\)"):
            imprisoned(unix_sockets=True)
        kernel(3)
        with pytest.raises(mpipc.SandboxError, match=r"restrict ports \(Landlock 3, needs 4\)"):
            imprisoned(tcp_connect=[80])
        kernel(0)
        with pytest.raises(mpipc.SandboxError, match="this kernel has no Landlock"):
            imprisoned()

    def test_do_what_they_can_where_that_is_enough(
        self, kernel: Callable[[int], None], imprisoned: Imprisoned
    ) -> None:
        kernel(0)
        prisoner = imprisoned(required=False)
        assert prisoner.run("open('/etc/passwd'); result = 'read'") == "read"
        for code in (
            "import socket; socket.socket()",
            "import os; os.fork()",
            f"import os; os.kill({os.getpid()}, 0)",
        ):
            assert prisoner.run(code) == "PermissionError"


def test_another_system_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(mpipc.SandboxError, match="only on Linux"):
        mpipc.spawn([sys.executable], Prisoner, sandbox=mpipc.Sandbox())


HEADERS = {
    0: ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", r"#define __NR_(\w+)\s+(\d+)"),
    1: ("/usr/include/asm-generic/unistd.h", r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
}


@pytest.mark.parametrize("column", HEADERS)
def test_the_numbers_of_system_calls_are_those_of_the_kernel(column: int) -> None:
    path, pattern = HEADERS[column]
    if not os.path.exists(path):
        pytest.skip("the kernel's headers are not installed")
    known = {name: int(number) for name, number in re.findall(pattern, Path(path).read_text())}
    for table in (seccomp.REFUSED, seccomp.CHECKED):
        for name, numbers in table.items():
            number = numbers[column]
            if name in known:
                assert number == known[name], name
            else:
                # Newer than the headers, or there is none on this architecture.
                assert number is None or number > max(known.values()), name
