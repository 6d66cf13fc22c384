"""What the processes print: who says it, on which thread."""

from __future__ import annotations

import os
import sys
import threading

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
