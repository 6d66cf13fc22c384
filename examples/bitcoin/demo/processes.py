"""The processes of the demo: a supervisor starts them, watches them and ends them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpipc
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.demo.schemas import ROOT
from examples.bitcoin.gui.main import link_path
from interfaces.proposed import ProposedInit

_AFTER: dict[str, list[str]] = {
    "node": [],
    "index": ["node"],
    "wallet": ["node"],
    "gui": ["index", "wallet"],
}
_START_SECONDS, _STOP_SECONDS = 60.0, 15.0
_AGAIN = mpipc.Backoff(first=0.2, most=5.0)
"""A process that somebody kills is started again, however often."""

_LOOK = 0.05
"""Seconds between two looks whether the page is there."""


@dataclass
class Process:
    """How one of them stands: `state` is the kind of the last `mpipc.ComponentEvent`, `said` the
    last line that it has printed."""

    name: str
    state: str = ""
    pid: int | None = None
    starts: int = 0
    said: str = ""


class Processes:
    """All of them. What they print goes to `hear`, and to `<datadir>/<name>.log`."""

    def __init__(
        self, datadir: Path, hear: Callable[[str], None], debug: list[str], guiport: int
    ) -> None:
        self.datadir = datadir
        self.all = [Process(name) for name in _AFTER]
        self._up = False
        self._problems: list[tuple[Process, str]] = []
        self._outputs = {each.name: _Output(each, datadir, hear) for each in self.all}
        options = [f"-datadir={datadir}", *(f"-debug={category}" for category in debug)]
        own = {"gui": [f"-guiport={guiport}"]}
        self._supervisor = mpipc.Supervisor(
            [self._component(name, *options, *own.get(name, [])) for name in _AFTER],
            on_event=self._on_event,
        )

    def _component(self, name: str, *options: str) -> mpipc.Component[Any]:
        serves = name != "gui"
        return mpipc.Component(
            name,
            [sys.executable, "-m", f"examples.bitcoin.{name}", *options],
            ProposedInit if serves else None,
            address=f"unix:{self.datadir / name}.sock" if serves else None,
            after=_AFTER[name],
            backoff=_AGAIN,
            start_timeout=_START_SECONDS,
            stop_timeout=_STOP_SECONDS,
            options={"cwd": ROOT, "stdin": subprocess.DEVNULL} | self._outputs[name].options,
        )

    def start(self) -> None:
        """Start them, and wait until all can be used. Raises Failure when one of them ends."""
        self._supervisor.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._problems and not self.link():
            if time.monotonic() > deadline:
                raise Failure(f"the page was not there within {_START_SECONDS:g} s")
            time.sleep(_LOOK)
        self._up = not self._problems
        if self._problems:
            self.end()

    def link(self) -> str:
        """The page's link, as long as there is one."""
        try:
            return link_path(self.datadir).read_text().strip()
        except FileNotFoundError:
            return ""

    def end(self) -> None:
        """End them, those first that others are not needed by. Raises Failure when one of them
        did not end in order."""
        try:
            self._supervisor.stop()
        except KeyboardInterrupt:  # for the second time
            self._supervisor.kill()
        for output in self._outputs.values():
            output.close()
        if self._problems:
            raise Failure(
                "; ".join(f"the {each.name}: {what}: {each.said}" for each, what in self._problems)
            )

    def _on_event(self, event: mpipc.ComponentEvent) -> None:
        process = next(each for each in self.all if each.name == event.component)
        process.state, process.pid = event.kind, event.pid or process.pid
        if event.kind == "starting":
            process.starts += 1
            if process.name == "gui":  # one that was killed has left its link
                link_path(self.datadir).unlink(missing_ok=True)
        elif event.kind == "ended" and not self._up:
            self._problems.append((process, event.text))
            self._supervisor.stop()
        elif event.kind == "stopped" and event.text and self._up:
            self._problems.append((process, event.text))


class _Output:
    """What a process prints, also after it was started again."""

    def __init__(self, process: Process, datadir: Path, hear: Callable[[str], None]) -> None:
        self._process, self._hear = process, hear
        self._log = datadir / f"{process.name}.log"
        self._reading, self._writing = os.pipe()
        self.options = {"stdout": self._writing, "stderr": subprocess.STDOUT}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._log.open("a") as log, open(self._reading, errors="replace") as lines:
            for line in lines:
                log.write(line)
                log.flush()
                self._process.said = line.strip()
                self._hear(line.rstrip())

    def close(self) -> None:
        """Read to the end, once no process writes any more."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
            self._reader.join()
