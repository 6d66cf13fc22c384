"""A process that serves `Root` in threads: `python -m tests.aio.threaded ADDRESS`."""

from __future__ import annotations

import sys

import mpipc
from tests.aio.program import RootHere

if __name__ == "__main__":
    with mpipc.serve(sys.argv[1], RootHere()) as server:
        print("ready", flush=True)
        server.serve_forever()
