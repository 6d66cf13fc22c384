"""The index: python -m examples.bitcoin.index [options]"""

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.index.main import main

if __name__ == "__main__":
    main()
