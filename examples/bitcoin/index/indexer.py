"""Follows a node, and makes a filter of each of its blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from queue import Empty, SimpleQueue

import mpipc
from examples.bitcoin.common.console import say
from examples.bitcoin.index.store import FilterStore
from interfaces.chain import (
    BlockInfo,
    Chain,
    ChainNotifications,
    ChainstateRole,
    FoundBlockParam,
)
from interfaces.enums import MemPoolRemovalReason
from interfaces.handler import Handler
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash

Work = Callable[[], None]

_NEXT = FoundBlockParam(
    want_in_active_chain=True, next_block=FoundBlockParam(want_data=True, want_hash=True)
)
_SAY_EVERY = 1000
_AGAIN = 2.0
"""Seconds until what has failed is tried again."""


class Indexer:
    """One thread does all the work, in the order in which it comes: what the node tells, and
    catching up whenever that does not follow what there is."""

    def __init__(self, store: FilterStore) -> None:
        self.store = store
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._stopped = False
        self._chain: Chain | None = None
        self._handler: Handler | None = None
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the block that is being worked on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._work.put(None)
        self._thread.join()

    def on_connect(self, node: ProposedInit) -> None:
        """Follow a node that has come."""
        chain = node.make_chain()
        handler = chain.handle_notifications(_Listener(self))

        def begin() -> None:
            self._chain, self._handler = chain, handler
            self._catch_up()

        self._work.put(begin)

    def on_disconnect(self) -> None:
        """The node has gone."""

        def end() -> None:
            self._chain = self._handler = None

        self._work.put(end)

    def wait_for(self, hash: BlockHash, timeout: timedelta) -> bool:
        """Wait until there is a filter of a block, at most so long. Returns whether there is."""
        seconds = min(timeout.total_seconds(), threading.TIMEOUT_MAX)
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._has(hash), seconds)
            return not self._stopped and self._has(hash)

    def _has(self, hash: BlockHash) -> bool:
        return self.store.filter(hash) is not None

    def block_connected(self, block: BlockInfo) -> None:
        """The node tells about a block."""
        self._work.put(lambda: self._connected(block))

    def block_disconnected(self, block: BlockInfo) -> None:
        """The node tells about a block that is no longer part of its chain."""
        self._work.put(lambda: self._disconnected(block))

    # ---------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        failed = False
        while (work := self._next(_AGAIN if failed else None)) is not None and not self._stopped:
            try:
                work()
                failed = False
            except mpipc.IpcError as error:
                say(f"the node has gone in between: {error}")
            except Exception as error:
                if not failed:
                    say(f"cannot index a block: {type(error).__name__}: {error}")
                failed = True

    def _next(self, timeout: float | None) -> Work | None:
        """What is to be done; after so many seconds, what could not be done before."""
        try:
            return self._work.get(timeout=timeout)
        except Empty:
            return self._catch_up

    def _connected(self, block: BlockInfo) -> None:
        tip = self.store.tip()
        if tip is not None and block.prev_hash == tip.hash and block.data is not None:
            self._add(block.data)
        elif not self._has(block.hash):
            self._catch_up()

    def _disconnected(self, block: BlockInfo) -> None:
        tip = self.store.tip()
        if tip is not None and block.hash == tip.hash:
            self.store.remove(tip.height)

    def _catch_up(self) -> None:
        """Leave blocks that are not in the node's chain, then take the next ones until there is
        none."""
        chain = self._chain
        while chain is not None and not self._stopped:
            tip = self.store.tip()
            if tip is None:
                self._add_first(chain)
                continue
            found = chain.find_block(tip.hash, _NEXT).block
            if not found.in_active_chain:
                self.store.remove(tip.height)
            elif found.next_block is None or not found.next_block.data:
                return
            else:
                self._add(found.next_block.data)

    def _add_first(self, chain: Chain) -> None:
        found = chain.find_block(chain.get_block_hash(0), FoundBlockParam(want_data=True)).block
        if not found.data:
            raise ValueError("the node does not have its first block")
        self._add(found.data)

    def _add(self, data: bytes) -> None:
        added = self.store.add(data)
        if added.height % _SAY_EVERY == 0:
            say(f"there are filters up to block {added.height}")
        with self._changed:
            self._changed.notify_all()


class _Listener(ChainNotifications):
    """What the node tells that matters here."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        pass

    def transaction_removed_from_mempool(self, tx: bytes, reason: MemPoolRemovalReason) -> None:
        pass

    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        self._indexer.block_connected(block)

    def block_disconnected(self, block: BlockInfo) -> None:
        self._indexer.block_disconnected(block)

    def updated_block_tip(self) -> None:
        pass

    def chain_state_flushed(self, role: ChainstateRole, locator: bytes) -> None:
        pass
