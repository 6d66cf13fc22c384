"""Node and wallet, each in a process of its own: python -m examples.bitcoin.demo [options]

First derives the schemas, then starts both, shows which process and thread runs what, and stops
them.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mpipc.cli
from examples.bitcoin import console
from examples.bitcoin.console import say
from examples.bitcoin.interfaces.chain import Chain
from examples.bitcoin.options import Options, Parser

_ROOT = Path(__file__).resolve().parents[2]
_SCHEMA = _ROOT / "examples/bitcoin/interfaces/generated/chain.capnp"
_STOP_SECONDS = 10.0


def derive_schemas() -> None:
    """Derive what is missing or outdated and show what one method becomes."""
    for package in ("interfaces", "examples.bitcoin.interfaces"):
        say(f"mpipc build {package}")
        if mpipc.cli.main(["build", package]) != 0:
            sys.exit(f"demo: cannot derive the schemas of {package}")
    declared = inspect.getsource(Chain.get_block_hash)
    show_excerpt("declared in examples/bitcoin/interfaces/chain.py", declared)
    schema = _SCHEMA.read_text().splitlines()
    start = next(i for i, line in enumerate(schema) if line.startswith("interface Chain "))
    method = next(i for i in range(start, len(schema)) if "getBlockHash" in schema[i])
    derived = [schema[start], "    ...", *schema[method : method + 2]]
    show_excerpt(f"derived in {_SCHEMA.relative_to(_ROOT)}", "\n".join(derived))


def show_excerpt(title: str, text: str) -> None:
    print(f"\n    {title}:\n")
    print(textwrap.indent(textwrap.dedent(text).rstrip(), " " * 8), end="\n\n", flush=True)


def step(title: str) -> None:
    print(f"\n== {title}", flush=True)


@contextmanager
def program(name: str, options: Options, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program of the example; at the latest at the end of the block it is stopped."""
    command = [sys.executable, "-m", f"examples.bitcoin.{name}", f"-datadir={options.datadir}"]
    command += [f"-debug={category}" for category in options.debug]
    process = subprocess.Popen([*command, *arguments], cwd=_ROOT)
    try:
        say(f"started the {name}: process {process.pid}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def parse() -> Options:
    parser = Parser("demo", "Run a node and a wallet in two processes and show what they do.")
    parser.set_defaults(datadir=None)
    parser.option("mine", "N", "mine N blocks", 3, type=int)
    return parser.parse()


def main() -> None:
    options = parse()
    console.introduce("demo")
    with ExitStack() as stack:
        if options.datadir is None:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="mpipc-demo-"))
            options.datadir = Path(directory)

        step("The annotated ABCs are the only source: derive schemas and proxies from them")
        derive_schemas()

        step("Start the node; it listens on a unix socket in the data directory")
        node = stack.enter_context(program("node", options, "-debug=calls"))

        step("Start the wallet: it asks for a hash, registers a callback for tips and mines")
        with program("wallet", options, f"-mine={options.mine}") as wallet:
            failed = wallet.wait() != 0

        step("Stop the node")
        node.terminate()
        failed |= node.wait(_STOP_SECONDS) != 0
        say("both processes have ended" if not failed else "a process failed, see above")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    console.run(main)
