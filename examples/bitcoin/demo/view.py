"""How the demo is shown: as a table that changes in a terminal, as lines elsewhere."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from examples.bitcoin.demo.processes import Process
    from examples.bitcoin.demo.status import Status

_A_SECOND = 8
"""How often the table is drawn."""


class View:
    """As lines: what happens, and what the processes print."""

    def __init__(self) -> None:
        self.link = ""
        self.status: Status | None = None
        self.processes: Sequence[Process] = ()

    def shown(self) -> AbstractContextManager[object]:
        """Shows it until the end of the block."""
        return nullcontext()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Something that takes the block to happen."""
        print(f"\n== {title}", flush=True)
        yield

    def say(self, text: str, *, passing: bool = False) -> None:
        """Something has happened; `passing`: and does so often."""
        if not passing:
            print(f"   {text}", flush=True)

    def explain(self, text: str) -> None:
        """Something to read."""
        print(textwrap.indent(f"\n{text}", "   "), flush=True)

    def hear(self, line: str) -> None:
        """A process has printed a line."""
        print(f"   | {line}", flush=True)


class TerminalView(View):
    """As a table: the steps, the processes, and how it stands."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._console = console
        self._clock = clock
        self._steps: list[_Step] = []

    def shown(self) -> AbstractContextManager[object]:
        return Live(console=self._console, get_renderable=self.render, refresh_per_second=_A_SECOND)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        step = _Step(title, self._clock())
        self._steps.append(step)
        yield
        step.seconds = self._clock() - step.began

    def say(self, text: str, *, passing: bool = False) -> None:
        self._steps[-1].said = text

    def explain(self, text: str) -> None:
        self._console.print(Text(f"{text}\n", style="dim"))

    def hear(self, line: str) -> None:
        """Each process has a row with what it said last."""

    def render(self) -> RenderableType:
        parts: list[RenderableType] = [self._steps_table()]
        if self.processes:
            parts.append(self._processes_table())
        if self.status is not None:
            parts.append(_status_line(self.status))
        if self.link:
            link = Text.assemble("The page: ", (self.link, f"bold link {self.link}"))
            link.overflow = "fold"
            parts += [Text(), link]
            hint = "Kill any process, and it is started again. Ctrl-C ends everything."
            parts.append(Text(hint, style="dim"))
        return Panel(Group(*parts), title="Bitcoin in separate processes", border_style="dim")

    def _steps_table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for step in self._steps:
            done = step.seconds is not None
            mark = Text("✓", style="green") if done else Text("…", style="yellow")
            took = f"{step.seconds:.1f} s" if step.seconds is not None else ""
            table.add_row(mark, Text(step.title), Text(took, style="dim"))
            if step.said:
                table.add_row("", Text(step.said, style="dim", overflow="fold"), "")
        return table

    def _processes_table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for title, width in (("process", 7), ("pid", 7), ("state", 13)):
            table.add_column(f"\n{title}", no_wrap=True, min_width=width)
        table.add_column("\nsaid last", no_wrap=True, overflow="ellipsis", ratio=1)
        for process in self.processes:
            running = process.state == "ready"
            state = Text("running", "green") if running else Text(process.state, "yellow")
            again = " again" if running and process.starts > 1 else ""
            said = process.said.split(None, 3)[3:]
            table.add_row(
                process.name, str(process.pid or ""), state + again,
                Text(said[0] if said else process.said, style="dim"),
            )  # fmt: skip
        return table


class _Step:
    def __init__(self, title: str, began: float) -> None:
        self.title, self.began = title, began
        self.seconds: float | None = None
        self.said = ""


def _status_line(status: Status) -> Text:
    from examples.bitcoin.demo.story import bitcoins

    facts = [
        "height " + ("?" if status.height is None else str(status.height)),
        ("?" if status.mempool is None else str(status.mempool)) + " in the mempool",
    ]
    for name, amount in (status.balances or {}).items():
        facts.append(f"{name} {bitcoins(amount)}")
    return Text("\n" + "   ·   ".join(facts))
