"""SIGTERM and SIGINT as something that happens, rather than as exceptions at any place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_END = 0  # the number of no signal
_HEARD = signal.SIGTERM, signal.SIGINT


@contextmanager
def listening(on_signal: Callable[[signal.Signals, int], object]) -> Iterator[None]:
    """Meanwhile, have SIGTERM and SIGINT call a function with which of them came, and how many
    have, on a thread of its own. Raises ValueError elsewhere than on the main thread.

    An exception in the main thread, which is what Ctrl-C is otherwise, may come while that holds a
    lock, or between two steps that belong together. And a handler in Python may never run: not when
    the signal comes just before the main thread starts to wait for a lock. So the thread reads what
    the interpreter writes when the kernel tells it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def listen() -> None:
        count = 0
        while (number := os.read(reading, 1)[0]) != _END:
            if number in _HEARD:
                count += 1
                on_signal(signal.Signals(number), count)

    thread = threading.Thread(target=listen, name="mpipc-signals", daemon=True)
    handlers: dict[signal.Signals, Any] = {}
    try:
        told_before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        thread.start()
        for number in _HEARD:
            handlers[number] = signal.signal(number, _ignore)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if thread.ident is not None:
            signal.set_wakeup_fd(told_before)
            os.write(writing, bytes([_END]))
            thread.join()
        os.close(reading)
        os.close(writing)


def _ignore(number: int, frame: object) -> None:
    """Unlike SIG_IGN, not for the programs that are started meanwhile."""
