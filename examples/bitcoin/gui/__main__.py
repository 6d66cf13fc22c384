"""The page: python -m examples.bitcoin.gui [options]"""

from examples.bitcoin.gui.main import main

main()
