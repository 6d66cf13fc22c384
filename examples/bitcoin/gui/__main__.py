"""The page: python -m examples.bitcoin.gui [options]"""

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.gui.main import main

if __name__ == "__main__":
    main()
