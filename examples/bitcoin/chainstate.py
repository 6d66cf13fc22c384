"""The chain in a running node: threads that wait for tips, callbacks that are told about them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue

import mpipc
from examples.bitcoin.console import say
from examples.bitcoin.interfaces.chain import TipHandler
from examples.bitcoin.store import Store
from interfaces.common import BlockRef

TipCallback = Callable[[BlockRef], None]


class ChainState:
    """The stored chain, those who wait for another tip and those who are told about it."""

    def __init__(self, datadir: Path) -> None:
        self.store = Store(datadir)
        self._changed = threading.Condition()
        self._stopped = False
        self._subscriptions: set[Subscription] = set()

    def close(self) -> None:
        """Release everybody who waits, end the notifications, close the store."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            subscriptions = list(self._subscriptions)
        for subscription in subscriptions:
            subscription.end()
        self.store.close()

    def append(self, header: bytes) -> BlockRef:
        """Extend the chain and tell everybody. Raises InvalidHeader."""
        with self._changed:  # tips are announced in the order in which they were stored
            tip = self.store.append(header)
            for subscription in self._subscriptions:
                subscription.tips.put(tip)
            self._changed.notify_all()
        return tip

    def wait_for_tip_other_than(self, hash: bytes, timeout: timedelta) -> BlockRef | None:
        """The tip as soon as it is another one, or at the latest after `timeout`.

        None when the node stops.
        """
        # Locks cannot wait longer than this; "forever" is more.
        seconds = min(timeout.total_seconds(), threading.TIMEOUT_MAX)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self.store.tip().hash != hash, seconds)
            return None if self._stopped else self.store.tip()

    def subscribe(self, callback: TipCallback) -> Subscription:
        """Call back for every tip from now on, on a thread of its own."""
        subscription = Subscription(callback, self._forget)
        with self._changed:
            self._subscriptions.add(subscription)
        return subscription

    def _forget(self, subscription: Subscription) -> None:
        with self._changed:
            self._subscriptions.discard(subscription)


class Subscription:
    """A callback with a thread and a queue: a peer that is slow or gone delays nobody else."""

    def __init__(self, callback: TipCallback, forget: Callable[[Subscription], None]) -> None:
        self.tips: SimpleQueue[BlockRef | None] = SimpleQueue()
        self._callback = callback
        self._forget = forget
        self._ended = False
        threading.Thread(target=self._run, name="tip-notifier", daemon=True).start()

    def end(self) -> None:
        """Let the thread end once the current callback has returned.

        It is called by `__del__` too, thus takes no lock; `SimpleQueue` is made for that.
        """
        self._ended = True
        self.tips.put(None)

    def _run(self) -> None:
        while (tip := self.tips.get()) is not None and not self._ended:
            try:
                self._callback(tip)
            except mpipc.Disconnected:
                say("a peer that listened for tips is gone")
                break
            except Exception as error:  # a client's mistake must not end what it asked for
                say(f"a tip callback failed: {error}")
        self._forget(self)


class SubscriptionHandle(TipHandler):
    """What a client holds: when it lets go, or its connection ends, the subscription ends too."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def disconnect(self) -> None:
        self._subscription.end()

    def __del__(self) -> None:
        self._subscription.end()
