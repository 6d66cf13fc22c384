"""python -m tests.hostile: attack a server, and print what came of it."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.hostile.campaign import Campaign


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--attackers", type=int, default=4, help="clients at a time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(Path(directory), options.seconds, options.attackers, options.seed)
        print(campaign.run())


if __name__ == "__main__":
    main()
