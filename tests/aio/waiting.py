"""A process that waits at a gate: `python -m tests.aio.waiting ADDRESS`."""

from __future__ import annotations

import asyncio
import sys

import mpipc
from tests.aio.declarations import Root

if __name__ == "__main__":
    with mpipc.connect(sys.argv[1], Root) as root:
        asyncio.run(root.wait("leave"))
