"""A program of one version: python -m tests.evolution.program serve|call DIRECTORY CASES

`serve` has a server for each case, says `ready`, and ends when its standard input does. `call` has
a client for each, and prints what each got. CASES is JSON: what each case serves or calls, by name.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from typing import Any

import mpipc


def serve(directory: str, cases: dict[str, str]) -> None:
    logging.disable()  # that calls fail is what is shown
    for name, implementation in cases.items():
        names = dict(vars(importlib.import_module(f"demo.{name}")))
        exec(implementation, names)
        mpipc.serve(f"unix:{directory}/{name}", names["RealChain"]())
    print("ready", flush=True)
    sys.stdin.read()


def call(directory: str, cases: dict[str, str]) -> None:
    print(json.dumps({name: outcome(directory, name, case) for name, case in cases.items()}))


def outcome(directory: str, name: str, expression: str) -> str:
    module = importlib.import_module(f"demo.{name}")
    try:
        with mpipc.connect(f"unix:{directory}/{name}", module.Chain) as chain:
            return repr(eval(expression, {**vars(module), "mpipc": mpipc, "chain": chain}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    command, directory, cases = sys.argv[1:]
    commands: dict[str, Any] = {"serve": serve, "call": call}
    commands[command](directory, json.loads(cases))
