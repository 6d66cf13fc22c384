"""python -m examples.bitcoin.wallet"""

from examples.bitcoin.common import interrupts  # noqa: F401
from examples.bitcoin.wallet.main import main

if __name__ == "__main__":
    main()
