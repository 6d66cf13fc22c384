"""The processes of the demo: starting, watching and ending them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from examples.bitcoin.common.failures import Failure
from examples.bitcoin.demo.schemas import ROOT

_END_SECONDS = 15.0


class Child:
    """A program of the example, in a process of its own. It writes to `<datadir>/<name>.log`, too.

    `said` is the last line that it has printed.
    """

    def __init__(self, name: str, datadir: Path, hear: Callable[[str], None], *options: str):
        self.name = name
        self.starts = 0
        self.said = ""
        self._hear = hear
        self._log = datadir / f"{name}.log"
        self._command = [
            sys.executable, "-m", f"examples.bitcoin.{name}", f"-datadir={datadir}", *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        self.starts += 1
        self.process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            # Ctrl-C in the terminal is for the demo, which ends its processes in order.
            start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=[self.process], daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with self._log.open("a") as log, process.stdout:
            for line in process.stdout:
                log.write(line)
                log.flush()
                self.said = line.strip()
                self._hear(line.rstrip())

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def end(self) -> int:
        """End it, in order if it can. Returns its exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join()
        return code


class Children:
    """All of them; the last started one is ended first."""

    def __init__(self, datadir: Path, hear: Callable[[str], None], debug: list[str]) -> None:
        self.datadir = datadir
        self.all: list[Child] = []
        self._hear = hear
        self._debug = [f"-debug={category}" for category in debug]
        self._ending = ExitStack()

    def start(self, name: str, *options: str) -> Child:
        child = Child(name, self.datadir, self._hear, *self._debug, *options)
        self.all.append(child)
        self._ending.callback(child.end)
        return child

    def check(self) -> None:
        """Raise Failure when one has ended that nobody has ended."""
        for child in self.all:
            if not child.running:
                code = child.process.returncode
                raise Failure(f"the {child.name} has ended with code {code}: {child.said}")

    def revive(self) -> None:
        """Start those again that have ended."""
        for child in self.all:
            if not child.running:
                child.start()

    def end(self) -> list[str]:
        """End all of them. Returns which have not ended well."""
        running = [child for child in self.all if child.running]
        self._ending.close()
        return [
            f"the {child.name} has ended with code {child.process.returncode}: {child.said}"
            for child in running
            if child.process.returncode != 0
        ]
