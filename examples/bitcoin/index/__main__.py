"""The index: python -m examples.bitcoin.index [options]"""

from examples.bitcoin.index.main import main

main()
