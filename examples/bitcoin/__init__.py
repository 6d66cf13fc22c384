"""Bitcoin as separate programs, joined by Bitcoin Core's IPC interfaces.

    common/    what all of them have in common
    node/      the chain, the mempool and mining
    index/     filters of blocks
    wallet/    keys, addresses, coins and payments
    gui/       a web page that shows all of it
    all.py     all of them in one process
    mine.py    a miner: a client of the node's Mining
    demo/      brings it up and shows what happens

Each is a program of its own, `python -m examples.bitcoin.node` and so on. `examples/bitcoin/run`
runs the demo.
"""

import sys
from pathlib import Path

if sys.version_info < (3, 11):
    _WHY = (
        "examples.bitcoin needs Python 3.11 or newer, as btclib does, its library for Bitcoin;"
        f" this is Python {sys.version.split()[0]}"
    )
    if sys.argv[0] == "-m" or Path(sys.argv[0]).name.startswith("mpipc-"):
        sys.exit(_WHY)  # it is run as a program
    raise ImportError(_WHY)
