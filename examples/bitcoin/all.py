"""Node, wallet, index and page in one process: python -m examples.bitcoin.all [options]

They use each other through the same interfaces as in processes of their own, but what was a call
to another process is a plain method call here: no socket, no encoding. Other processes can use
the node where -ipcbind says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.common.chainparams import NODE_RPC_PORT
from examples.bitcoin.common.link import LocalLink
from examples.bitcoin.common.lock import locked
from examples.bitcoin.common.options import Parser
from examples.bitcoin.common.process import Part, Shutdown, listen, run
from examples.bitcoin.gui import main as gui
from examples.bitcoin.index.main import open_index
from examples.bitcoin.node import main as node
from examples.bitcoin.wallet import main as wallet
from examples.bitcoin.wallet.wallets import open_wallets
from interfaces.proposed import ProposedInit


class AllOptions(node.NodeOptions, gui.GuiOptions):
    """What all of them can be told."""


@contextmanager
def open_all(options: AllOptions, shutdown: Shutdown) -> Iterator[Part]:
    """Run everything on a data directory. Raises Failure."""
    with ExitStack() as stack:
        for name in ("node", "wallet", "index", "gui"):
            # None of them may run in a process of its own meanwhile.
            stack.enter_context(locked(options.datadir, name))
        index = LocalLink()
        of_node = stack.enter_context(node.open_node(options, shutdown, index))
        chain = _init(of_node)
        of_index = stack.enter_context(open_index(options, shutdown, LocalLink(chain)))
        # The node is there first, and closed last: it asks the index only in between.
        stack.enter_context(closing(index)).start(_init(of_index))
        wallets = stack.enter_context(open_wallets(options, LocalLink(chain)))
        of_wallets = wallet.part_of(wallets)
        inits = chain, _init(of_wallets), _init(of_index)
        stack.enter_context(gui.open_gui(options, shutdown, *inits))
        # To others it is the node, at the address where they look for one.
        listen("node", options, chain, shutdown, stack)
        parts = of_node, of_wallets, of_index
        yield Part(
            None,
            [command for part in parts for command in part.rpc],
            {name: each for part in parts for name, each in part.namespaces.items()},
        )


def _init(part: Part) -> ProposedInit:
    assert isinstance(part.init, ProposedInit)
    return part.init


def parser() -> Parser:
    """The command line."""
    found = Parser("mpipc-bitcoin", "Run node, wallets, index and page in one process.")
    found.listens(unasked=False)
    found.offers_rpc(NODE_RPC_PORT)
    gui.add_options(found)
    # They have each other, and look for nobody.
    elsewhere = {"ipcconnect": "unix", "walletconnect": "unix", "indexconnect": "unix"}
    found.set_defaults(**elsewhere, blockfilters=None, connect_core=None)
    return found


def main() -> None:
    """The program."""
    options = parser().parse_args(namespace=AllOptions())
    run("bitcoin", options, lambda _, shutdown: open_all(options, shutdown))


if __name__ == "__main__":
    main()
