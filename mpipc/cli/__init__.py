"""The command `mpipc`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from mpipc.errors import IpcError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 for an error, 2 for wrong usage, 130 for
    Ctrl-C."""
    arguments = _parser().parse_args(argv)
    # `mpipc build interfaces` means the package in the working directory, as `python -m` does.
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return _build(arguments)
    except IpcError as error:
        print(f"mpipc: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mpipc", description="Interfaces declared as Python ABCs, called across processes."
    )
    parser.add_argument("--version", action="version", version=f"mpipc {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="write the schemas, clients and servers of packages",
        description="Write PACKAGE/generated/: for each interface module its schema and its "
        "client and server classes.",
    )
    build.add_argument("packages", nargs="+", metavar="PACKAGE", help="for example: interfaces")
    build.add_argument(
        "--check",
        action="store_true",
        help="write nothing; print what is out of date, and exit with status 1 if anything is",
    )
    return parser


def _build(arguments: argparse.Namespace) -> int:
    from mpipc.cli.build import build  # here, because --help must not wait for it

    return max(build(package, check=arguments.check) for package in arguments.packages)


def _version() -> str:
    try:
        return importlib.metadata.version("mpipc")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
