"""The node: python -m examples.bitcoin.node [options]"""

from examples.bitcoin.node.main import main

main()
