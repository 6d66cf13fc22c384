"""Rounds: in each of them every contestant does every task once."""

from __future__ import annotations

import importlib
import mmap
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import work
from benchmarks.contestant import Contestant, NotSupported, Running
from benchmarks.contestants import MODULES
from benchmarks.placement import Placement, places

ROWS = 10_000
THREADS = 8


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds, and calls in each; interpreters started."""

    rounds: int
    calls: int
    callbacks: int
    data: int
    starts: int


FULL = Effort(
    rounds=9, calls=2000, callbacks=200, data=100_000_000,
    starts=9,
)  # fmt: skip
QUICK = Effort(rounds=3, calls=200, callbacks=20, data=10_000_000, starts=3)


@dataclass
class Series:
    """Nanoseconds per operation, one figure per round; or why there are none."""

    rounds: list[float] = field(default_factory=list)
    missing: str = ""


TASKS = (
    "calls", "one thread", "callback", "threads", "many", "rows", "data", "view", "callbacks",
)  # fmt: skip
_LARGE = ("data", "view")
Results = dict[str, dict[str, Series]]  # by task, by name of the contestant


def measure(effort: Effort) -> dict[str, Results]:
    """Let all contestants do all tasks, in turns, in each of the `places`."""
    found: dict[str, Results] = {place: {task: {} for task in TASKS} for place in places()}
    placement = Placement()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mpipc-bench-")))
        stack.callback(placement.restore)
        running: list[Running] = []
        for module in MODULES:
            name, one = _start(module, directory, stack)
            for results in found.values():
                for task in TASKS:
                    results[task][name] = Series(missing="" if one else "not installed")
            if one:
                running.append(one)
        # One round more than asked for: the first warms up and does not count.
        for number in range(effort.rounds + 1):
            for place, results in found.items():
                _progress(f"round {number} of {effort.rounds}, on {place}")
                # Task by task, so that what is compared was measured in the same moment.
                for task in TASKS:
                    for one in running:
                        placement.move(place, [each.process for each in running])
                        if task in _LARGE:
                            _fetch_memory(4 * effort.data)
                        series = results[task][one.contestant.name]
                        _measure(task, one.contestant, effort, series, number > 0)
    return found


def _start(module: str, directory: Path, stack: ExitStack) -> tuple[str, Running | None]:
    """A contestant that is ready and gives right answers; None when it is not installed."""
    try:
        client = importlib.import_module(f"benchmarks.contestants.{module}").Client
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("benchmarks", "mpipc")):
            raise
        return str(error.name), None
    running = Running(module, client(str(directory / module)))
    contestant: Contestant = stack.enter_context(running)
    if contestant.get_rows(ROWS) != work.rows(ROWS):
        sys.exit(f"{contestant.name} returned wrong rows")
    if contestant.get_data(ROWS) != work.data(ROWS):
        sys.exit(f"{contestant.name} returned wrong bytes")
    return contestant.name, running


def _measure(
    task: str, contestant: Contestant, effort: Effort, series: Series, counts: bool
) -> None:
    if series.missing:
        return
    try:
        if task == "calls":
            figure = float(median(contestant.time_calls(effort.calls)))
        elif task == "callback":
            figure = contestant.time_callbacks(1, effort.callbacks) / effort.callbacks
        elif task == "one thread":
            figure = contestant.time_threads(1, effort.calls) / effort.calls
        elif task == "threads":
            elapsed = contestant.time_threads(THREADS, effort.calls // THREADS)
            figure = elapsed / effort.calls
        elif task == "many":
            figure = contestant.time_many(effort.calls) / effort.calls
        elif task == "rows":
            figure = float(contestant.time_rows(ROWS))
        elif task == "data":
            figure = float(contestant.time_data(effort.data))
        elif task == "view":
            figure = float(contestant.time_view(effort.data))
        else:
            elapsed = contestant.time_callbacks(THREADS, effort.callbacks)
            figure = elapsed / (THREADS * effort.callbacks)
    except NotSupported as reason:
        series.missing = str(reason)
        return
    if counts:
        series.rounds.append(figure)


def _fetch_memory(size: int) -> None:
    """Have this machine own as much memory as the next task needs.

    A virtual one gives back what it has not used for two seconds, and gets it again page by page,
    in five times the time of what is compared. Whoever comes first would pay for all.
    """
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for page in range(0, size, mmap.PAGESIZE):
            memory[page] = 1


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
