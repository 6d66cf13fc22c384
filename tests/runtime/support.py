"""What several of these tests use."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import mpipc
from tests.runtime.declarations import Root

ROOT = Path(__file__).parents[2]
# As long as a test waits for something that a slow machine may take a while for.
PATIENCE = 30.0

T = TypeVar("T")


def eventually(condition: Callable[[], T], message: Callable[[], object] = lambda: "") -> T:
    """Wait until the condition is true, and return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, message()
        time.sleep(0.01)


class ServerProcess:
    """A child process that runs `tests.runtime.program`, with its standard error in a file."""

    def __init__(self, address: str, log: Path, options: Sequence[str]) -> None:
        self._log = log
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.runtime.program", *options, address],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.address = self._line().removeprefix("ready ")

    def _line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
        line = self.process.stdout.readline().decode().strip() if ready else ""
        assert line.startswith("ready "), self.errors
        return line

    @property
    def errors(self) -> str:
        """What it has written to standard error so far."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self.process.pid

    def processor_time(self) -> float:
        """Seconds that it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self) -> Any:
        return mpipc.connect(self.address, Root)

    def close_input(self) -> None:
        """Have it close its servers and end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            # Each of its threads stops as soon as it notices.
            tasks = Path(f"/proc/{self.process.pid}/task")
            eventually(
                lambda: all(
                    (task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                    for task in tasks.iterdir()
                )
            )

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Running(threading.Thread):
    """A thread that runs a function; `result` waits for it, and raises what it raised."""

    def __init__(self, function: Callable[[], Any], name: str | None = None) -> None:
        super().__init__(name=name, daemon=True)
        self._function = function
        self._result: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as e:
            self.error = e

    def result(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), f"{self.name} is still running"
        if self.error is not None:
            raise self.error
        return self._result


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def children(process: int | str = "self") -> set[int]:
    """The child processes that a process has, or has not reaped."""
    found = set[int]()
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            found.update(map(int, (thread / "children").read_text().split()))
        except FileNotFoundError:
            pass  # the thread has ended, and its children are another one's
    return found


def resident(process: int | str) -> int:
    """KiB of memory that a process takes."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])
