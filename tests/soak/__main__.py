"""python -m tests.soak: calls and kills for as long as one likes; see the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pace", type=float, default=0.02, help="seconds between two calls, about")
    parser.add_argument("--kills", type=float, default=10.0, help="seconds between them, about")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mpipc-soak-") as directory:
        soak = Soak(Path(directory), options.clients, options.pace, options.kills, options.seed)
        problems = soak.run(options.minutes * 60)
        print(soak.report())
    for problem in problems:
        print(f"soak: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
