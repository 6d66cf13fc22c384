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

if sys.version_info < (3, 11):
    raise ImportError("examples.bitcoin needs Python 3.11: its library for Bitcoin does")
