"""The command `mpipc`."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpipc.errors import IpcError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 1 for an error, 2 for wrong usage, 130 for
    Ctrl-C."""
    try:
        return _run(argv)
    except IpcError as error:
        return _failed(error)
    except OSError as error:
        # What is still to be written must not fail once more, at the end of the program.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # `mpipc describe PACKAGE | head`: read enough
            return 1
        file = f"{error.filename}: " if error.filename else ""
        return _failed(IpcError(f"{file}{error.strerror or error}"))
    except KeyboardInterrupt:
        return 130


def _run(argv: Sequence[str] | None) -> int:
    # `mpipc build interfaces` means the package in the working directory, as `python -m` does.
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks how the line could go on
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = parser.parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that has no such character gets its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    status: int = arguments.run(arguments)
    sys.stdout.flush()
    return status


def _failed(error: IpcError) -> int:
    from mpipc.capnp.showing import printable
    from mpipc.cli.usage import Usage
    from mpipc.evolution.report import wants_colour

    name = "\x1b[1;31mmpipc:\x1b[0m" if wants_colour(sys.stderr) else "mpipc:"
    print(name, printable(str(error), kept="\n\t"), file=sys.stderr)
    return 2 if isinstance(error, Usage) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mpipc",
        description="Interfaces declared as Python ABCs, called across processes.",
        epilog="mpipc COMMAND --help shows an example of each.\n"
        "Completion: pip install 'mpipc[completion]', then in bash or zsh\n"
        '  eval "$(register-python-argcomplete mpipc)"\n'
        "and in fish\n"
        "  register-python-argcomplete --shell fish mpipc | source",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mpipc {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_build(commands)
    _add_check(commands)
    _add_diff(commands)
    _add_describe(commands)
    _add_call(commands)
    _add_top(commands)
    _add_trace(commands)
    _add_certs(commands)
    return parser


def _add(commands: Any, name: str, *, help: str, description: str, example: str) -> Any:
    """A command; what `example` shows stands below its options."""
    lines = "".join(f"\n  {line}" for line in example.splitlines())
    return commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"example:{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


# Each command is imported when it runs: --help must not wait for it.


def _add_build(commands: Any) -> None:
    build = _add(
        commands,
        "build",
        help="write the schemas, clients and servers of packages",
        description="Write PACKAGE/generated/: for each interface module its schema and its\n"
        "client and server classes.",
        example="mpipc build interfaces",
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

    return max(build(package, check=arguments.check) for package in _packages(arguments))


def _add_check(commands: Any) -> None:
    check = _add(
        commands,
        "check",
        help="say what is out of date, and what breaks programs that run the committed version",
        description="Compare what packages declare with PACKAGE/generated/. Exit with status 1\n"
        "when a change breaks the wire, or when generated files are out of date.",
        example="mpipc check --against origin/main interfaces",
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
        lambda: [check(package, arguments.against) for package in _packages(arguments)], arguments
    )


def _add_diff(commands: Any) -> None:
    diff = _add(
        commands,
        "diff",
        help="say what breaks between two versions",
        description="Compare two versions: each a package, a directory, a schema file, or one of\n"
        "these in a git revision. Exit with status 1 when a change breaks the wire.",
        example="mpipc diff v1.0:interfaces interfaces",
    )
    for name in ("old", "new"):
        diff.add_argument(
            name, metavar=name.upper(), help="PACKAGE, DIRECTORY, FILE.capnp, REV:PACKAGE, or REV"
        )
    _add_forms(diff)
    diff.set_defaults(run=_diff)


def _diff(arguments: argparse.Namespace) -> int:
    from mpipc.cli.diff import diff
    from mpipc.cli.output import show_reports

    return show_reports(lambda: [diff(arguments.old, arguments.new)], arguments)


def _add_describe(commands: Any) -> None:
    describe = _add(
        commands,
        "describe",
        help="print the interfaces, methods and structs of packages",
        description="Print interfaces, methods and structs as a tree: of packages, of modules, or\n"
        "single ones of them.",
        example="mpipc describe interfaces\nmpipc describe interfaces.mining interfaces.Chain",
    )
    describe.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="of a package, a module, or an interface, struct or enum in one; or a path",
    ).completer = _complete_name
    describe.add_argument("--json", action="store_true", help="print JSON")
    describe.set_defaults(run=_describe)


def _describe(arguments: argparse.Namespace) -> int:
    from mpipc.cli.describe import describe
    from mpipc.cli.output import show_description

    modules = [module for name in arguments.names for module in describe(name)]
    return show_description(modules, arguments)


def _add_call(commands: Any) -> None:
    call = _add(
        commands,
        "call",
        help="call a method of a server",
        description="Call a method and print what it returns as JSON. Its object comes from the\n"
        "server's root object, through methods make_... that need no arguments.\n\n"
        "Arguments are JSON; a text may stand without quotes, bytes are hexadecimal digits.\n"
        "Objects and callables are not given: each call of them is printed as a line of JSON.",
        example="""mpipc call unix:node.sock Mining.get_tip
mpipc call unix:node.sock Mining.wait_tip_changed 00ff timeout=5
mpipc call --package shop.api unix:shop.sock Orders.place '{"item": "tea", "count": 2}'""",
    )
    call.add_argument("address", metavar="ADDRESS", help="as for mpipc.connect")
    target = call.add_argument(
        "target", metavar="INTERFACE.METHOD", help="for example: Mining.get_tip"
    )
    target.completer = _complete_target
    call.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="VALUE or NAME=VALUE")
    call.add_argument(
        "--package",
        default="interfaces",
        help="the package or module with the declarations (default: interfaces)",
    )
    call.add_argument(
        "--root", default="", help="the root interface (default: the only one, or Init)"
    )
    call.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="give up after this time (default: never)",
    )
    call.add_argument(
        "--follow", action="store_true", help="go on printing calls until Ctrl-C or the server ends"
    )
    call.set_defaults(run=_call)


def _seconds(text: str) -> float:
    """A time on the command line."""
    from mpipc.ipc.seconds import checked_seconds

    try:
        return checked_seconds("SECONDS", float(text))
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


def _complete_name(prefix: str, **_others: object) -> list[str]:
    """Interfaces of a package or a module whose name and dot are there."""
    from mpipc.cli.describe import describe

    inside = prefix.rpartition(".")[0]
    try:
        found = [each.name for module in describe(inside) for each in module.interfaces]
    except Exception:  # nobody who presses the tab key wants to read about it
        return []
    return [f"{inside}.{name}" for name in found]


def _complete_target(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    from mpipc.cli.call import targets

    try:
        return targets(parsed_args.package)
    except Exception:  # nobody who presses the tab key wants to read about it
        return []


def _call(arguments: argparse.Namespace) -> int:
    from mpipc.cli.call import Options, call

    options = Options(arguments.package, arguments.root, arguments.timeout, arguments.follow)
    return call(arguments.address, arguments.target, arguments.arguments, options)


def _add_top(commands: Any) -> None:
    top = _add(
        commands,
        "top",
        help="watch what a running server does",
        description="Show calls, connections, objects and threads of a server again and again:\n"
        "names and numbers, no values. It is served with introspect=True, and by the same user.\n"
        "q ends it.",
        example="mpipc top unix:node.sock\nmpipc top --once --json unix:node.sock",
    )
    top.add_argument("address", metavar="ADDRESS", help="as for mpipc.connect")
    top.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="between looks (default: 1)",
    )
    top.add_argument("--once", action="store_true", help="look once, and end")
    top.add_argument("--json", action="store_true", help="print a line of JSON for each look")
    top.set_defaults(run=_top)


def _top(arguments: argparse.Namespace) -> int:
    from mpipc.cli.top import top

    return top(
        arguments.address, interval=arguments.interval, once=arguments.once, json=arguments.json
    )


def _add_trace(commands: Any) -> None:
    trace = _add(
        commands,
        "trace",
        help="record what goes over connections, show it, and replay it",
        description="Record calls between clients and a server with arguments and answers, but\n"
        "without what is declared secret; show them; and make them again.",
        example="mpipc trace record unix:node.sock --listen unix:trace.sock\n"
        "mpipc trace show mpipc.trace\nmpipc trace replay mpipc.trace unix:node.sock",
    )
    actions = trace.add_subparsers(dest="action", required=True, metavar="ACTION")
    record = actions.add_parser("record", help="stand between clients and a server, until Ctrl-C")
    record.add_argument("address", metavar="ADDRESS", help="of the server")
    record.add_argument("--listen", metavar="ADDRESS", required=True, help="for the clients")
    record.add_argument(
        "--package",
        default="interfaces",
        help="the package or module with the declarations (default: %(default)s)",
    )
    record.add_argument(
        "--output",
        type=Path,
        default=Path("mpipc.trace"),
        metavar="FILE",
        help="a new file (default: %(default)s)",
    )
    record.set_defaults(run=_trace_record)
    show = actions.add_parser("show", help="print a recorded file")
    show.add_argument("file", type=Path, metavar="FILE")
    show.add_argument("--all", action="store_true", help="also what is neither call nor answer")
    show.set_defaults(run=_trace_show)
    replay = actions.add_parser("replay", help="call a server again, and compare the answers")
    replay.add_argument("file", type=Path, metavar="FILE")
    replay.add_argument("address", metavar="ADDRESS", help="of the server")
    replay.add_argument("--connection", type=int, default=1, metavar="N", help="which (default: 1)")
    replay.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="SECONDS", help="of a call"
    )
    replay.set_defaults(run=_trace_replay)


def _trace_record(arguments: argparse.Namespace) -> int:
    from mpipc.cli.trace.proxy import record

    return record(arguments.address, arguments.listen, arguments.output, arguments.package)


def _trace_show(arguments: argparse.Namespace) -> int:
    from mpipc.cli.trace.show import show

    return show(arguments.file, everything=arguments.all)


def _trace_replay(arguments: argparse.Namespace) -> int:
    from mpipc.cli.trace.replay import replay

    return replay(
        arguments.file, arguments.address, connection=arguments.connection,
        seconds=arguments.timeout,
    )  # fmt: skip


def _add_certs(commands: Any) -> None:
    certs = _add(
        commands,
        "certs",
        help="make certificates for TLS",
        description="Make an authority in DIR, unless there is one, and a directory DIR/NAME with\n"
        "a certificate for each NAME. The authority's key stays where it is; DIR/NAME is copied.",
        example="mpipc certs certs wallet node=node.example,localhost",
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
    command.add_argument(
        "packages",
        nargs="+",
        metavar="PACKAGE",
        help="its name as in `import`, or its directory: interfaces, ./interfaces",
    )


def _packages(arguments: argparse.Namespace) -> list[str]:
    from mpipc.cli.packages import package_name

    return [package_name(each) for each in arguments.packages]


def _add_forms(command: argparse.ArgumentParser) -> None:
    forms = command.add_mutually_exclusive_group()
    forms.add_argument("--json", action="store_true", help="print JSON")
    forms.add_argument("--github", action="store_true", help="print annotations for GitHub Actions")


def _version() -> str:
    try:
        return importlib.metadata.version("mpipc")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"
