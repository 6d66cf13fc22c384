"""Command lines in Bitcoin style: -name=value or -name value, with one dash or two."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mpipc
from mpipc.ipc.address import parse

DEBUG_CATEGORIES = ("calls", "ipc")


class Options(argparse.Namespace):
    """What every process can be told; each adds its own."""

    datadir: Path
    debug: list[str]
    ipcbind: list[str] | None
    """Where to listen; None: at `<datadir>/<name>.sock`; []: nowhere."""

    ipcfd: int | None
    """The descriptor of an inherited socket that the process serves, and nothing else."""

    ipcconnect: str
    """Where the node is."""

    server: bool
    """Whether there is a JSON-RPC server."""

    rpcbind: str
    rpcport: int
    """0: a free one."""


class _Help(argparse.HelpFormatter):
    """Shows an option once, as -name=VALUE."""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        name = action.option_strings[0]
        return f"{name}={action.metavar}" if action.metavar else name


class Parser(argparse.ArgumentParser):
    """A parser for the options that every program of the example has, to be extended by each."""

    def __init__(
        self, prog: str, description: str, *, datadir: str | None = "~/.mpipc-bitcoin"
    ) -> None:
        super().__init__(
            prog,
            "%(prog)s [options]",
            description,
            formatter_class=_Help,
            add_help=False,
            allow_abbrev=False,
        )
        self.option("datadir", "DIR", "data directory", datadir, type=directory)
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
        self.set_defaults(ipcbind=None, ipcfd=None, server=False, rpcbind="", rpcport=0)

    def option(
        self, name: str, metavar: str | None, help: str, default: object = None, **more: object
    ) -> None:
        """Add an option with one or two dashes; with a metavar it takes a value."""
        if metavar:
            more["metavar"] = metavar
            help += " (default: %(default)s)" if default is not None and default != [] else ""
        # The stubs want every keyword spelled out; what is passed on is what they list.
        self.add_argument(f"-{name}", f"--{name}", help=help, default=default, **more)  # type: ignore[arg-type]

    def switch(self, name: str, help: str, default: bool = False) -> None:
        """Add an option that is given as -name, -name=1 or -name=0."""
        shown = f"{help} (default: {default:d})"
        self.add_argument(
            f"-{name}", f"--{name}", help=shown, default=default,
            metavar="0|1", nargs="?", const=True, type=_yes_or_no,
        )  # fmt: skip

    def listens(self, *, unasked: bool = True) -> None:
        """Add what a process that serves others can be told. Without `unasked` it listens only
        where it is told to."""
        default = "unix" if unasked else "nowhere"
        self.option(
            "ipcbind",
            "ADDR",
            f"listen on unix, unix:PATH or tcp:HOST:PORT (default: {default}); repeatable",
            None if unasked else [],
            action="append",
            type=address,
        )
        self.option(
            "ipcfd", "N", "serve the process that spawned this one, on descriptor N", type=int
        )

    def connects(self) -> None:
        """Add what a process that uses a node can be told."""
        self.option("ipcconnect", "ADDR", "where the node is", "unix", type=address)

    def offers_rpc(self, default_port: int) -> None:
        """Add what a process with a JSON-RPC server can be told."""
        self.switch("server", "accept JSON-RPC commands")
        self.option("rpcbind", "HOST", "listen for JSON-RPC on this loopback address", "127.0.0.1")
        self.option(
            "rpcport", "PORT", "and on this port; 0 for a free one", default_port, type=port
        )

    def parse(self, arguments: Sequence[str] | None = None) -> Options:
        """The options on the command line; exits with a message when they are wrong."""
        return self.parse_args(arguments, Options())


def directory(text: str) -> Path:
    return Path(text).expanduser().absolute()


def address(text: str) -> str:
    """An address, which is only looked at here: what is relative in it is not known yet."""
    try:
        parse(text, datadir="/", name="node")
    except mpipc.AddressError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _yes_or_no(text: str) -> bool:
    if text not in ("0", "1"):
        raise argparse.ArgumentTypeError("0 or 1")
    return text == "1"
