"""A node and a miner, each in a process of its own: python -m examples.bitcoin.demo [options]"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mpipc
from examples.bitcoin.common import console
from examples.bitcoin.common.console import say
from examples.bitcoin.common.options import Options, Parser
from interfaces.proposed import ProposedInit

_ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class DemoOptions(Options):
    blocks: int


@contextmanager
def program(name: str, datadir: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program of the example; at the latest at the end of the block it is stopped."""
    command = [sys.executable, "-m", f"examples.bitcoin.{name}", f"-datadir={datadir}"]
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


def wait_for_node(datadir: Path) -> None:
    """Wait until the node listens."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with mpipc.connect("unix", ProposedInit, datadir=datadir, name="node") as init:
                say(f"the node's height is {init.make_chain().get_height()}")
                return
        except mpipc.AddressError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def main() -> None:
    parser = Parser("demo", "Run a node and a miner in two processes.")
    parser.set_defaults(datadir=None)
    parser.option("blocks", "N", "mine N blocks", 3, type=int)
    options = parser.parse_args(namespace=DemoOptions())
    console.introduce("demo")
    try:
        with ExitStack() as stack:
            if options.datadir is None:
                directory = tempfile.TemporaryDirectory(prefix="mpipc-demo-")
                options.datadir = Path(stack.enter_context(directory))
            node = stack.enter_context(program("node", options.datadir, "-debug=calls"))
            wait_for_node(options.datadir)
            with program("mine", options.datadir, f"-blocks={options.blocks}") as miner:
                failed = miner.wait() != 0
            node.terminate()
            failed |= node.wait(_STOP_SECONDS) != 0
            say("both processes have ended" if not failed else "a process failed, see above")
    except mpipc.IpcError as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(failed)


if __name__ == "__main__":
    main()
