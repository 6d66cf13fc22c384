"""Command lines in Bitcoin style: -name=value or -name value, with one dash or two."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mpipc.observe import log

DEBUG_CATEGORIES = ("calls", "ipc")


class Options(argparse.Namespace):
    """What the node, the wallet and the demo can be told; each of them has a part of it."""

    datadir: Path
    debug: list[str]
    ipcbind: list[str] | None
    ipcfd: int | None
    ipcconnect: str
    wait: float
    height: int
    mine: int
    follow: bool


class _Help(argparse.HelpFormatter):
    """Shows an option once, as -name=VALUE."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        name = action.option_strings[0]
        return f"{name}={action.metavar}" if action.metavar else name


class Parser(argparse.ArgumentParser):
    """A parser for the options that every program of the example has, to be extended by each."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(
            prog,
            "%(prog)s [options]",
            description,
            formatter_class=_Help,
            add_help=False,
            allow_abbrev=False,
        )
        home = _directory("~/.mpipc-bitcoin")
        self.option("datadir", "DIR", "data directory", home, type=_directory)
        self.option(
            "debug",
            "CATEGORY",
            "show more: calls (which thread serves which call) or ipc (every call with its"
            " arguments and time); repeatable",
            [],
            action="append",
            choices=DEBUG_CATEGORIES,
        )
        self.add_argument("-help", "--help", "-h", "-?", action="help", help="show this and exit")

    def option(
        self, name: str, metavar: str | None, help: str, default: object = None, **more: object
    ) -> None:
        """Add an option with one or two dashes; with a metavar it takes a value."""
        if metavar:
            more["metavar"] = metavar
            help += " (default: %(default)s)" if default is not None and default != [] else ""
        # The stubs want every keyword spelled out; what is passed on is what they list.
        self.add_argument(f"-{name}", f"--{name}", help=help, default=default, **more)  # type: ignore[arg-type]

    def parse(self, arguments: Sequence[str] | None = None) -> Options:
        """The options on the command line; exits with a message when they are wrong."""
        return self.parse_args(arguments, Options())


def log_ipc(options: Options) -> None:
    """Show what goes over connections, when asked to."""
    if "ipc" in options.debug:
        log.enable()


def _directory(text: str) -> Path:
    return Path(text).expanduser().absolute()
