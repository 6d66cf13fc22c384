"""Who is told what happens, each in its own thread and in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

import mpipc
from examples.bitcoin.common.console import say
from interfaces.handler import Handler

T = TypeVar("T")
MAX_BEHIND = 100_000
"""Events after which a subscriber that does not listen is given up."""


class Subscribers(Generic[T]):
    """Those who want to be told, such as callbacks: a slow one delays nobody else.

    tips = Subscribers[BlockTipCallback]("tips")
    handler = tips.add(callback)
    tips.tell(lambda callback: callback(state, tip, progress))
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = threading.Lock()
        self._all: set[_Subscriber[T]] = set()

    def add(self, target: T, first: Callable[[T], None] | None = None) -> Handler:
        """Tell `target` what happens from now on, and before that `first`. It ends with the
        handler: when it is disconnected, or nobody has it any more."""
        subscriber = _Subscriber(self._what, target, self._forget)
        if first is not None:
            subscriber.tell(first)
        with self._lock:
            self._all.add(subscriber)
        return _Subscription(subscriber)

    def tell(self, event: Callable[[T], None]) -> None:
        """Call `event` with everybody, soon; in the order of the calls of this method."""
        with self._lock:
            for each in self._all:
                each.tell(event)

    def wait(self, handlers: Iterable[Handler]) -> None:
        """Wait until those with these handlers have been told what there was to tell when this was
        called."""
        waiting = [each.reached() for each in handlers if isinstance(each, _Subscription)]
        for told in waiting:
            told.wait()

    def close(self) -> None:
        """Tell nobody any more."""
        with self._lock:
            everybody = list(self._all)
        for each in everybody:
            each.end()

    def _forget(self, subscriber: _Subscriber[T]) -> None:
        with self._lock:
            self._all.discard(subscriber)


class _Subscription(Handler):
    """What a client holds."""

    def __init__(self, subscriber: _Subscriber[T]) -> None:
        self.reached = subscriber.reached
        self._end = subscriber.end

    def disconnect(self) -> None:
        self._end()

    def __del__(self) -> None:
        self._end()


class _Subscriber(Generic[T]):
    """One of them, with its queue and its thread."""

    def __init__(self, what: str, target: T, forget: Callable[[_Subscriber[T]], None]) -> None:
        self._what, self._target, self._forget = what, target, forget
        self._events: SimpleQueue[Callable[[T], None] | threading.Event | None] = SimpleQueue()
        self._ended = False
        threading.Thread(target=self._run, name=f"tell-{what}", daemon=True).start()

    def tell(self, event: Callable[[T], None]) -> None:
        if self._events.qsize() >= MAX_BEHIND and not self._ended:
            say(f"somebody is {MAX_BEHIND} {self._what} behind, and is told no more")
            self.end()
        self._events.put(event)

    def reached(self) -> threading.Event:
        """Set once what is in the queue now has been told."""
        reached = threading.Event()
        self._events.put(reached)
        if self._ended:
            reached.set()  # the thread may have looked for the last time
        return reached

    def end(self) -> None:
        """Let the thread end once the current event has been told.

        It is called by `__del__` too, thus takes no lock; `SimpleQueue` is made for that.
        """
        self._ended = True
        self._events.put(None)

    def _run(self) -> None:
        while (event := self._events.get()) is not None and not self._ended:
            if isinstance(event, threading.Event):
                event.set()
                continue
            try:
                event(self._target)
            except mpipc.Disconnected:
                break
            except Exception as error:  # a client's mistake must not end what it asked for
                say(f"somebody who is told {self._what} failed: {error}")
        self._ended = True
        self._forget(self)
        with suppress(mpipc.IpcError):  # it may be gone
            mpipc.close(self._target)
        while not self._events.empty():
            rest = self._events.get()
            if isinstance(rest, threading.Event):
                rest.set()
