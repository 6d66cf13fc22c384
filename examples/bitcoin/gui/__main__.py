"""The page: python -m examples.bitcoin.gui [options]"""

from __future__ import annotations

from examples.bitcoin.common.process import run
from examples.bitcoin.gui.program import open_gui, parse

if __name__ == "__main__":
    options = parse()
    run("gui", options, lambda _, shutdown: open_gui(options, shutdown))
