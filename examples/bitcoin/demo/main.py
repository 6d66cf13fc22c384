"""The demo as a program.

Derives the schemas, starts the processes, makes two wallets, mines, and pays from one wallet to the
other. In a terminal it goes on until Ctrl-C; elsewhere, and with -once, it ends then.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console

import mpipc
from examples.bitcoin.common.failures import Failure
from examples.bitcoin.common.options import Options, Parser, port
from examples.bitcoin.demo.processes import Processes
from examples.bitcoin.demo.schemas import derive_schemas, example
from examples.bitcoin.demo.status import Watch
from examples.bitcoin.demo.story import tell
from examples.bitcoin.demo.view import TerminalView, View
from examples.bitcoin.mine import NotMined

_LOOK = 1.0
"""Seconds between two looks at how it stands."""


class DemoOptions(Options):
    once: bool
    guiport: int


def parse() -> DemoOptions:
    parser = Parser(
        "demo", "Run node, wallet and page as processes, and show what they do. Without -datadir,"
        " everything is in a directory that is removed at the end.", datadir=None,
    )  # fmt: skip
    parser.switch("once", "end when everything has happened, also in a terminal")
    parser.option("guiport", "PORT", "the page's port; 0 for a free one", 0, type=port)
    return parser.parse_args(namespace=DemoOptions())


def main() -> None:
    options = parse()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # This very file: what `derive_schemas` redirects is not the table.
    console = Console(file=sys.stdout)
    view = TerminalView(console) if console.is_terminal else View()
    try:
        with ExitStack() as stack:
            if options.datadir is None:
                directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mpipc-demo-"))
                options.datadir = Path(directory)
            stack.enter_context(view.shown())
            run(options, view, stay=console.is_terminal and not options.once)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (Failure, NotMined, mpipc.IpcError) as error:
        sys.exit(f"demo: {error}")


def run(options: DemoOptions, view: View, *, stay: bool) -> None:
    """Let everything happen, and when it is to stay, go on until Ctrl-C. Raises Failure."""
    options.datadir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with view.step("Derive the schemas: the annotated ABCs are the only source"):
        view.say(derive_schemas())
        view.explain(example())
    processes = Processes(options.datadir, view.hear, options.debug, options.guiport)
    view.processes = processes.all
    try:
        with view.step("Start node, index, wallet and page, each a process of its own"):
            processes.start()
            view.link = processes.link()
        tell(options.datadir, view)
        if stay:
            keep_running(processes, view)
    except BaseException:
        with suppress(Failure):  # there is one already
            processes.end()
        raise
    with view.step("End the processes"):
        processes.end()


def keep_running(processes: Processes, view: View) -> None:
    """Show how it stands until Ctrl-C."""
    try:
        with Watch(processes.datadir) as watch:
            while True:
                view.status, view.link = watch.look(), processes.link()
                time.sleep(_LOOK)
    except KeyboardInterrupt:
        pass
