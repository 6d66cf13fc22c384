"""Compact filters of all blocks (BIP 158), in a process of its own that uses a node's Chain alone.

interfaces/    what it serves
store.py       the filters on disk
indexer.py     follows the node
commands.py    its RPC commands
main.py        the program
"""
