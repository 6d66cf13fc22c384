"""Methods that are `async def` over connections that threads drive.

Those that are served run in one event loop, in a thread of its own, which is started when it is
first needed. Each call that is awaited blocks a thread meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from mpipc.errors import Timeout
from mpipc.ipc import forks

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")


def run(coroutine: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine in the event loop, and wait for it. Raises what it raises."""
    import asyncio

    future = asyncio.run_coroutine_threadsafe(coroutine, _threads.loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()  # when the wait was interrupted
        raise


async def in_thread(work: Callable[[], R]) -> R:
    """Do work that blocks in a thread. Raises what it raises."""
    import asyncio

    loop = asyncio.get_running_loop()
    future: asyncio.Future[R] = loop.create_future()

    def settle(result: R | None, error: BaseException | None) -> None:
        if future.done():
            return  # nobody waits any more
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def task() -> bool:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            pass  # the loop is closed
        # What was not waited for still runs, and would hold up the next call of this thread.
        return not isinstance(error, Timeout)

    _threads.post(task)
    return await future


class _Threads:
    """The loop's thread, and those that block; these are used again. They end with the process."""

    def __init__(self) -> None:
        self.forked()
        forks.tell(self)

    def forked(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[SimpleQueue[Callable[[], bool]]] = []

    def loop(self) -> asyncio.AbstractEventLoop:
        import asyncio

        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._start("mpipc-asyncio", self._loop.run_forever)
            return self._loop

    def post(self, task: Callable[[], bool]) -> None:
        """Run a task; it returns whether its thread can be used again."""
        with self._lock:
            tasks = self._idle.pop() if self._idle else None
        if tasks is None:
            tasks = SimpleQueue()
            self._start("mpipc-await", self._work, tasks)
        tasks.put(task)

    def _work(self, tasks: SimpleQueue[Callable[[], bool]]) -> None:
        while tasks.get()():
            with self._lock:
                self._idle.append(tasks)

    def _start(self, name: str, target: Callable[..., object], *args: object) -> None:
        threading.Thread(target=target, args=args, name=name, daemon=True).start()


_threads = _Threads()
