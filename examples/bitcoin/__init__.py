"""A node and a wallet in processes of their own, joined by Bitcoin Core's IPC interfaces.

    common/        what all processes have in common
    interfaces/    what the example adds to them: Chain, and an Init that makes it
    headers.py     block headers: bytes, hashes, proof of work
    coinbase.py    the coinbase transaction of a block
    store.py       the chain of headers on disk
    chainstate.py  the chain in a running node: who waits for a tip, who is told about it
    mining.py      Mining and BlockTemplate
    node.py        Chain, Echo and Init; the node's main()
    wallet.py      the wallet's main(): asks, listens and mines
    demo.py        both at once, telling what happens where
    options.py     command lines in Bitcoin style
    console.py     what the processes print, and how they exit

Start with `node.py` and `wallet.py`; run it all with `examples/bitcoin/run`.
"""
