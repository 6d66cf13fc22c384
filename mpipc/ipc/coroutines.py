"""Methods that are `async def` over connections that threads drive.

Those that are served run in one event loop, in a thread of its own, which is started when it is
first needed. Each call that is awaited blocks a thread meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mpipc.errors import Timeout
from mpipc.ipc import forks

if TYPE_CHECKING:
    import asyncio

R = TypeVar("R")

Started: TypeAlias = Callable[[Callable[[], object]], object]
"""Called in the event loop's thread with a function that may be called in any thread."""


def run(coroutine: Coroutine[Any, Any, R], started: Started | None = None) -> R:
    """Run a coroutine in the event loop, and wait for it. Raises what it raises. `started` is given
    a function that cancels it."""
    import asyncio

    loop = _threads.loop()

    async def cancellable(started: Started) -> R:
        task = asyncio.current_task()
        assert task is not None
        started(partial(loop.call_soon_threadsafe, task.cancel))
        return await coroutine

    running = coroutine if started is None else cancellable(started)
    future = asyncio.run_coroutine_threadsafe(running, loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # when the wait was interrupted
        raise


async def in_thread(work: Callable[[], R], give_up: Callable[[], object] | None = None) -> R:
    """Do work that blocks in a thread. Raises what it raises. `give_up` is called when nobody
    awaits it any more."""
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
    try:
        return await future
    finally:
        if give_up is not None and (future.cancelled() or not future.done()):
            give_up()


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
