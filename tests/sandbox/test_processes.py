"""What a program in a sandbox can do to other processes, and how much it can use."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mpipc
from mpipc.launch import program, seccomp
from tests.sandbox.prisoner import Prisoner

Imprisoned = Callable[..., Prisoner]


def call(name: str, *arguments: object) -> str:
    """Code that makes a system call; "Operation not permitted" is the filter's answer."""
    column = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
    number = {**seccomp.REFUSED, **seccomp.CHECKED}[name][column]
    return f"result = system_call({number}, {', '.join(map(str, arguments))})"


class TestOthers:
    def test_are_not_looked_into(self, prisoner: Prisoner) -> None:
        parent = os.getpid()
        refused = "Operation not permitted"
        assert prisoner.run(call("ptrace", 16, parent, 0, 0)) == refused
        assert prisoner.run(call("process_vm_readv", parent, 0, 0, 0, 0, 0)) == refused
        assert prisoner.run(call("pidfd_getfd", 0, 0, 0)) == refused
        for name in ("mem", "environ", "maps", "fd"):
            assert prisoner.run(f"open('/proc/{parent}/{name}')") == "PermissionError"

    def test_get_no_signals(self, prisoner: Prisoner) -> None:
        for pid in (os.getpid(), 1):
            assert prisoner.run(f"import os; os.kill({pid}, 0)") == "PermissionError"
        assert prisoner.run("import os; os.kill(os.getpid(), 0); result = 'sent'") == "sent"
        # Nor in roundabout ways: when there is input, as if by its parent's own wish.
        code = f"import fcntl; fcntl.fcntl(0, fcntl.F_SETOWN, {os.getpid()})"
        assert prisoner.run(code) == "PermissionError"
        code = f"import os, signal; signal.pidfd_send_signal(os.pidfd_open({os.getpid()}), 0)"
        assert prisoner.run(code) == "PermissionError"

    def test_keep_their_limits_and_priorities(self, prisoner: Prisoner) -> None:
        parent = os.getpid()
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        code = f"import resource; resource.prlimit({parent}, resource.RLIMIT_NOFILE, (9, 9))"
        assert prisoner.run(code) == "PermissionError"
        assert prisoner.run(f"import os; os.setpriority(0, {parent}, 19)") == "PermissionError"
        code = f"import os; os.sched_setaffinity({parent}, [0])"
        assert prisoner.run(code) == "PermissionError"
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == before

    def test_terminals_are_not_typed_into(self, imprisoned: Imprisoned) -> None:
        ours, theirs = os.openpty()
        try:
            prisoner = imprisoned(options={"stdin": theirs})
            code = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSTI, b'x')"
            assert prisoner.run(code) == "PermissionError"
            assert prisoner.run("import os; result = os.isatty(0)") == "True"
        finally:
            os.close(ours)
            os.close(theirs)

    def test_it_does_not_outlive_its_parent(self, prisoner: Prisoner) -> None:
        """If that was wanted, as by a supervisor."""
        assert prisoner.run(call("prctl", 1, 0, 0, 0, 0)) == "Operation not permitted"

    def test_the_machine_is_left_alone(self, prisoner: Prisoner) -> None:
        refused = "Operation not permitted"
        for name in ("mount", "unshare", "setns", "bpf", "io_uring_setup", "keyctl", "reboot",
                     "init_module", "settimeofday", "userfaultfd", "perf_event_open"):  # fmt: skip
            assert prisoner.run(call(name, 0, 0, 0, 0, 0)) == refused, name
        assert prisoner.run("result = system_call(500)") == "Function not implemented"
        # The other ABI of x86-64.
        assert prisoner.run("result = system_call((1 << 30) + 101)") == "Function not implemented"


class TestPrivileges:
    def test_there_are_none_and_no_new_ones(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned()
        status = Path(f"/proc/{prisoner.run('import os; result = os.getpid()')}/status")
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        assert lines["NoNewPrivs"] == "1"
        assert lines["Seccomp"] == "2"
        assert int(lines["CapEff"], 16) == int(lines["CapPrm"], 16) == 0

    def test_limits_are_not_raised(self, prisoner: Prisoner) -> None:
        code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000))"
        assert prisoner.run(code) in ("ValueError", "PermissionError")

    def test_no_other_descriptor_is_inherited(self, imprisoned: Imprisoned) -> None:
        leak = os.open("/etc/passwd", os.O_RDONLY)
        os.set_inheritable(leak, True)
        try:
            prisoner = imprisoned(options={"stdin": leak})
            pid = prisoner.run("import os; result = os.getpid()")
            found = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            assert found.count("/etc/passwd") == 1  # its standard input, as it was told
        finally:
            os.close(leak)


class TestProcesses:
    def test_none_is_started(self, prisoner: Prisoner) -> None:
        assert prisoner.run("import os; os.fork()") == "PermissionError"
        code = "import subprocess; subprocess.run(['/bin/true'])"
        assert prisoner.run(code) == "PermissionError"
        assert prisoner.run("import os; os.posix_spawn('/bin/true', ['x'], {})") == (
            "PermissionError"
        )

    def test_threads_are(self, prisoner: Prisoner) -> None:
        code = """
import threading
t = threading.Thread(target=lambda: None)
t.start()
t.join()
result = "done"
"""
        assert prisoner.run(code) == "done"

    def test_a_fork_bomb_does_not_grow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        options: dict[str, Any] = {}
        if os.getuid() == 0:
            # Root would not be held to it, and another user may not reach this Python.
            if not os.access("/usr/bin/python3", os.X_OK):
                pytest.skip("there is no Python for another user")
            monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
            options = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        code = """
import os, signal
born = 0
try:
    while born < 1000:
        if os.fork() == 0:
            signal.pause()
        born += 1
except BlockingIOError:
    print(born, flush=True)
os.killpg(0, signal.SIGKILL)
"""
        sandbox = mpipc.Sandbox(processes=20)
        child = program.start(
            [sys.executable, "-c", code], sandbox=sandbox, cwd="/", start_new_session=True,
            stdout=subprocess.PIPE, **options,
        )  # fmt: skip
        with child:
            assert child.stdout is not None
            assert 0 < int(child.stdout.read()) <= 20

    @pytest.mark.skipif(os.getuid() != 0, reason="root alone is not held to it")
    def test_of_root_cannot_be_counted(self, imprisoned: Imprisoned) -> None:
        with pytest.raises(mpipc.SandboxError, match="root is not held to a number"):
            imprisoned(processes=20)


class TestLimits:
    def test_of_memory(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned(memory=1 << 30)
        assert prisoner.run("bytearray(1 << 30)") == "MemoryError"
        assert prisoner.run("import mmap; mmap.mmap(-1, 1 << 30)") in ("OSError", "MemoryError")
        threads = """
import threading, time
over = threading.Event()
made = 0
try:
    while made < 10_000:
        threading.Thread(target=over.wait, daemon=True).start()
        made += 1
except RuntimeError:
    result = made < 1000
over.set()
"""
        assert prisoner.run(threads) == "True"
        assert prisoner.call(lambda value: value + 1) == 2

    def test_of_processor_time(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned(cpu_time=3)
        with pytest.raises(mpipc.Disconnected):
            prisoner.run("while True: pass")

    def test_of_descriptors(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned(files=50)
        code = """
files = []
try:
    while True:
        files.append(open("/dev/null"))
except OSError as e:
    result = len(files) < 50 and e.strerror
"""
        assert prisoner.run(code) == "Too many open files"

    def test_of_files(self, imprisoned: Imprisoned) -> None:
        prisoner = imprisoned(file_size=1000)
        code = """
import os
f = open(os.environ["TMPDIR"] + "/f", "wb", buffering=0)
f.write(bytes(1000))
try:
    f.write(b"x")
except OSError as e:
    result = e.strerror
"""
        assert prisoner.run(code) == "File too large"


def test_it_is_called_like_any_child(prisoner: Prisoner) -> None:
    assert prisoner.run("result = 6 * 7") == "42"
    assert prisoner.call(lambda value: value + 1) == 2
