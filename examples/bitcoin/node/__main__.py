"""The node: python -m examples.bitcoin.node [options]"""

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.node.main import main

if __name__ == "__main__":
    main()
