"""SIGTERM and SIGINT as something that happens, rather than as exceptions at any place."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def listening(on_signal: Callable[[int], object]) -> Iterator[None]:
    """Meanwhile, have SIGTERM and SIGINT call a function with how often they came, on a thread of
    its own. Raises ValueError elsewhere than on the main thread.

    An exception in the main thread, which is what Ctrl-C is otherwise, may come while that holds a
    lock, or between two steps that belong together.
    """
    come, over = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE), False

    def listen() -> None:
        count = 0
        while True:
            os.eventfd_read(come)
            if over:
                return
            count += 1
            on_signal(count)

    def tell(number: int, frame: object) -> None:
        os.eventfd_write(come, 1)

    thread = threading.Thread(target=listen, name="mpipc-signals", daemon=True)
    thread.start()
    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, tell)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        over = True
        os.eventfd_write(come, 1)
        thread.join()
        os.close(come)
