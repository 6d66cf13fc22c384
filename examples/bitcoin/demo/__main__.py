"""Node, wallet and page, each in a process of its own: python -m examples.bitcoin.demo [options]"""

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.demo.main import main

if __name__ == "__main__":
    main()
