"""python -m benchmarks [--quick] [--json FILE]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from benchmarks.claims import verdicts
from benchmarks.measure import FULL, QUICK, measure
from benchmarks.report import as_json, claims_table, table
from benchmarks.startup import measure_starts


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks", description="Compare calls between processes.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and calls")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to a file")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    results = measure(effort)
    found = list(verdicts(results, measure_starts(effort.starts)))
    print(table(results, effort))
    print(claims_table(found))
    if arguments.json:
        data = msgspec.json.format(msgspec.json.encode(as_json(results, effort, found)), indent=2)
        arguments.json.write_bytes(data + b"\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
