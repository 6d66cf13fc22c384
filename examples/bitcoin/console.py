"""What the example's processes print: who says it, on which thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

import mpipc
from examples.bitcoin.store import StoreError

_process = "?"
_tracing = False


def introduce(process: str, *, trace: bool = False) -> None:
    """Set the name that this process prints, and whether it tells about every call it serves."""
    global _process, _tracing
    _process, _tracing = process, trace


def say(text: str) -> None:
    """Print a line with the process, its id and the thread."""
    who = f"{_process} {os.getpid()}"
    # One write for the whole line, so that lines of several processes do not mix.
    sys.stdout.write(f"{who:<14} {threading.current_thread().name:<24.24} {text}\n")
    sys.stdout.flush()


def trace(text: str) -> None:
    """Tell about a call that is served, when asked to (-debug=calls)."""
    if _tracing:
        say(text)


def run(main: Callable[[], None], *, terminated: int = 128 + signal.SIGTERM) -> None:
    """Run a program to its end and exit as the shell expects: 130 after Ctrl-C, 1 after an error.

    `terminated` is the exit code after SIGTERM, which unwinds the stack as Ctrl-C does.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(terminated))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (mpipc.IpcError, StoreError) as error:
        sys.exit(f"{_process}: {error}")
