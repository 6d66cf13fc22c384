"""The command `mpipc`."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpipc.errors import IpcError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 for an error, 2 for wrong usage, 130 for
    Ctrl-C."""
    arguments = _parser().parse_args(argv)
    # `mpipc build interfaces` means the package in the working directory, as `python -m` does.
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
        return status
    except IpcError as error:
        print(f"mpipc: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `mpipc describe PACKAGE | head`: somebody has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mpipc", description="Interfaces declared as Python ABCs, called across processes."
    )
    parser.add_argument("--version", action="version", version=f"mpipc {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_build(commands)
    _add_check(commands)
    _add_diff(commands)
    _add_describe(commands)
    _add_certs(commands)
    return parser


# Each command is imported when it runs: --help must not wait for it.


def _add_build(commands: Any) -> None:
    build = commands.add_parser(
        "build",
        help="write the schemas, clients and servers of packages",
        description="Write PACKAGE/generated/: for each interface module its schema and its "
        "client and server classes.",
    )
    _add_packages(build)
    build.add_argument(
        "--check",
        action="store_true",
        help="write nothing; print what is out of date, and exit with status 1 if anything is",
    )
    build.set_defaults(run=_build)


def _build(arguments: argparse.Namespace) -> int:
    from mpipc.cli.build import build

    return max(build(package, check=arguments.check) for package in arguments.packages)


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="say what is out of date, and what breaks programs that run the committed version",
        description="Compare what packages declare with PACKAGE/generated/. Exit with status 1 "
        "when a change breaks the wire, or when generated files are out of date.",
    )
    _add_packages(check)
    check.add_argument(
        "--against",
        metavar="REV",
        help="compare with the schemas in a git revision, for example origin/main",
    )
    _add_forms(check)
    check.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from mpipc.cli.check import check
    from mpipc.cli.output import show_reports

    return show_reports(
        lambda: [check(package, arguments.against) for package in arguments.packages], arguments
    )


def _add_diff(commands: Any) -> None:
    diff = commands.add_parser(
        "diff",
        help="say what breaks between two versions",
        description="Compare two versions: each a package, a directory, a schema file, or one of "
        "these in a git revision. Exit with status 1 when a change breaks the wire.",
    )
    for name in ("old", "new"):
        diff.add_argument(
            name, metavar=name.upper(), help="PACKAGE, DIRECTORY, FILE.capnp, or REV:PACKAGE"
        )
    _add_forms(diff)
    diff.set_defaults(run=_diff)


def _diff(arguments: argparse.Namespace) -> int:
    from mpipc.cli.diff import diff
    from mpipc.cli.output import show_reports

    return show_reports(lambda: [diff(arguments.old, arguments.new)], arguments)


def _add_describe(commands: Any) -> None:
    describe = commands.add_parser(
        "describe", help="print the interfaces, methods and structs of packages"
    )
    _add_packages(describe)
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.set_defaults(run=_describe)


def _describe(arguments: argparse.Namespace) -> int:
    from mpipc.cli.describe import describe
    from mpipc.cli.output import show_description

    modules = [module for package in arguments.packages for module in describe(package)]
    return show_description(modules, arguments)


def _add_certs(commands: Any) -> None:
    certs = commands.add_parser(
        "certs",
        help="make certificates for TLS",
        description="Make an authority in DIR, unless there is one, and a directory DIR/NAME with "
        "a certificate for each NAME. The authority's key stays where it is; DIR/NAME is copied.",
    )
    certs.add_argument("directory", metavar="DIR", type=Path, help="for example: certs")
    certs.add_argument(
        "names",
        nargs="+",
        metavar="NAME[=HOST,...]",
        help="of a client; or of a server, with the hosts that clients know it as",
    )
    certs.add_argument(
        "--days", type=int, default=365, help="how long a certificate is valid (default: 365)"
    )
    certs.set_defaults(run=_certs)


def _certs(arguments: argparse.Namespace) -> int:
    from mpipc.cli.certs import certs

    return certs(arguments.directory, arguments.names, arguments.days)


def _add_packages(command: argparse.ArgumentParser) -> None:
    command.add_argument("packages", nargs="+", metavar="PACKAGE", help="for example: interfaces")


def _add_forms(command: argparse.ArgumentParser) -> None:
    forms = command.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--github", action="store_true", help="print annotations for GitHub Actions")


def _version() -> str:
    try:
        return importlib.metadata.version("mpipc")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
