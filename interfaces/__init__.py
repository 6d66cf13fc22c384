"""Bitcoin Core's IPC interfaces as annotated ABCs, one module per upstream header.

What is derived from them is what `bitcoin-node` v30.0 speaks over `node.sock`.
"""
