"""Run executions until enough mutated messages were received; see the package."""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Seconds of the processor's in which some hundred executions must have ended, and of any time: on
# a busy machine, a process that is nice waits for long.
_HANG, _STUCK = 60, 1800
_STRIDE = 200  # executions
_LONGEST = 600  # bytes that an execution is made of
_GROWTH = 64 << 20  # bytes of resident memory, after the first tenth


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--messages", type=int, default=100_000, help="mutated ones in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true", help="have atheris make the bytes")
    parser.add_argument("--replay", type=Path, help="the file of an execution that failed")
    options, rest = parser.parse_known_args()
    logging.disable(logging.CRITICAL)
    if options.atheris:
        _run_atheris(options.messages, rest)
        return 0
    if rest:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    from tests.fuzz.harness import Harness

    harness = Harness()
    if options.replay:
        harness.run(options.replay.read_bytes())
        return 0
    numbers = random.Random(options.seed)
    return _run(
        harness, options.messages, lambda: numbers.randbytes(numbers.randrange(16, _LONGEST))
    )


def _run(harness: Any, messages: int, more: Callable[[], bytes]) -> int:
    """Executions until so many messages were received; the exit status."""
    begin = time.monotonic()
    told, first = 0, 0
    faulthandler.register(signal.SIGPROF, chain=True)  # and then it ends the process
    while harness.messages < messages:
        signal.setitimer(signal.ITIMER_PROF, _HANG)
        faulthandler.dump_traceback_later(_STUCK, exit=True)
        for _ in range(_STRIDE):
            data = more()
            try:
                harness.run(data)
            except BaseException:
                name = f"fuzz-failure-{hashlib.sha256(data).hexdigest()[:12]}"
                Path(name).write_bytes(data)
                print(f"failed; see it again with --replay {name}", flush=True)
                raise
        tenths = harness.messages * 10 // messages
        if tenths > told:
            told = tenths
            first = first or resident()
            print(_progress(harness, time.monotonic() - begin), flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)
    faulthandler.cancel_dump_traceback_later()
    growth = resident() - first
    if growth > _GROWTH:
        print(f"resident memory has grown by {growth >> 20} MiB since the first tenth")
        return 1
    print("no crash, no hang, no growth")
    return 0


def _progress(harness: Any, seconds: float) -> str:
    return (
        f"{harness.messages:,} mutated messages of {harness.fed:,} in {harness.executions:,}"
        f" conversations, of which {harness.ended:,} were ended by one; {seconds:,.0f} s,"
        f" {harness.messages / seconds:,.0f} a second, {resident() >> 20} MiB resident"
    )


def resident() -> int:
    """Bytes of resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def _run_atheris(messages: int, arguments: list[str]) -> None:
    """Hand over to libFuzzer, whose arguments these are. It does not return."""
    import atheris

    with atheris.instrument_imports(include=["mpipc.capnp"]):
        import mpipc.capnp.connection
        import mpipc.capnp.pipeline  # noqa: F401
    from tests.fuzz.harness import Harness

    harness = Harness()
    begin = time.monotonic()
    told = 0

    def run(data: bytes) -> None:
        nonlocal told
        harness.run(data)
        tenths = harness.messages * 10 // messages
        if tenths > told:
            told = tenths
            print(_progress(harness, time.monotonic() - begin), flush=True)
            if tenths >= 10:
                os._exit(0)  # libFuzzer would go on for ever

    limits = ["-timeout=60", "-rss_limit_mb=1024", f"-max_len={_LONGEST}"]
    atheris.Setup([sys.argv[0], *limits, *arguments], run)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
