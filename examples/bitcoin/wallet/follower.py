"""Following a chain that belongs to another process.

Notifications are the quick way; whenever they do not fit to what the wallet has looked through, it
asks the node where the chains part, and goes on from there. So it makes no difference whether
blocks were mined, disconnected, or missed while one of the processes was not running.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from queue import Empty, SimpleQueue

import mpipc
from examples.bitcoin.common.bitcoin import block_hash_of, parse_block, parse_transaction, txid_of
from examples.bitcoin.common.console import say
from examples.bitcoin.wallet.ledger import Ledger
from examples.bitcoin.wallet.spending import MAX_FEE
from interfaces.chain import BlockInfo, Chain, ChainNotifications, ChainstateRole, FoundBlockParam
from interfaces.common import BlockRef
from interfaces.enums import MemPoolRemovalReason, TxBroadcast
from interfaces.values import BlockHash, BlockLocator, Txid

_log = logging.getLogger("examples.bitcoin.wallet")
_RETRY_SECONDS = 1.0
_RESUBMIT_SECONDS = 30.0
_CLOCKS_DIFFER = timedelta(hours=2)
"""By how much the time in a block may be before the time when a wallet was made."""

Changed = Callable[[list[Txid]], None]
Progress = Callable[[str, int], None]


class OtherChain(Exception):
    """The node has a chain that this wallet is not for."""


class Follower:
    """Keeps a wallet's ledger up to date, in a thread of its own.

    `changed` is told about transactions, `progress` how far looking through blocks is. A connection
    to a node begins with `attach` and ends with `detach`.
    """

    def __init__(self, name: str, ledger: Ledger, changed: Changed, progress: Progress) -> None:
        self._name = name
        self._ledger = ledger
        self._changed = changed
        self._said = ""
        self._progress = progress
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._session: _Session | None = None
        self._ended = False
        self.abort = threading.Event()
        """Set to stop a rescan."""
        self.is_synced = False
        self._thread = threading.Thread(target=self._run, name=f"wallet-{name}", daemon=True)
        self._thread.start()

    # ----------------------------------------------------------------- called by other threads

    @property
    def chain(self) -> Chain | None:
        """The node's chain, None while there is no node."""
        session = self._session
        return None if session is None else session.chain

    def attach(self, chain: Chain) -> None:
        """Follow this chain from now on."""
        session = _Session(chain, self)
        self._session = session
        self._work.put(session.begin)

    def detach(self) -> None:
        """The node is gone."""
        session, self._session = self._session, None
        self.is_synced = False
        if session is not None:
            self._work.put(session.end)

    def close(self) -> None:
        """Follow no more. Returns when the ledger is not used any more."""
        self.detach()
        self._ended = True
        self.abort.set()
        self._work.put(None)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def settle(self, timeout: float) -> bool:
        """Wait until the wallet knows what the node knew when this was called. Returns whether it
        does; it does not while there is no node."""
        session = self._session
        if session is None:
            return False
        reached = threading.Event()
        try:
            with mpipc.timeout(timeout):
                session.chain.wait_for_notifications()
        except mpipc.IpcError:
            return False
        self._work.put(reached.set)
        return reached.wait(timeout) and self.is_synced

    def submit(self, txid: Txid) -> str | None:
        """Hand a transaction to the node. Returns why the node did not take it; None where it did,
        and where there is none: it gets it when it comes back."""
        session, entry = self._session, self._ledger.entry(txid)
        if session is None or entry is None:
            return None
        try:
            answer = session.chain.broadcast_transaction(
                entry.raw, MAX_FEE, TxBroadcast.MEMPOOL_AND_BROADCAST_TO_ALL
            )
        except mpipc.IpcError as error:
            _log.info("%s: %s was not handed in yet: %s", self._name, txid, error)
            return None
        if not answer.result:
            return answer.error
        if self._session is session:
            self._ledger.entered_mempool(txid)
        return None

    def rescan(self, first: int) -> int | None:
        """Look through blocks again, from a height to the wallet's tip. Returns the height of the
        last one; None where there is no node. Raises IpcError where it goes away meanwhile."""
        chain = self.chain
        if chain is None:
            return None
        self.abort.clear()
        height, last = first, self._ledger.height
        self._progress("Rescanning", 0)
        try:
            while height <= self._ledger.height and not self.abort.is_set():
                hash = self._ledger.block_at(height) or chain.get_block_hash(height)
                data = chain.find_block(hash, FoundBlockParam(want_data=True)).block.data
                if data is None:
                    raise mpipc.IpcError(f"the node has no block {height} any more")
                block, changed = parse_block(data), []
                with self._ledger.store.lock:
                    # A block that was disconnected meanwhile is followed by notifications.
                    if self._ledger.block_at(height) in (hash, None):
                        changed = self._ledger.look_through(height, block)
                self._changed(changed)
                self._progress("Rescanning", _percent(height - first + 1, last - first + 1))
                height += 1
        finally:
            self._progress("Rescanning", 100)
        return height - 1

    # ------------------------------------------------------------------ called by its own thread

    def _run(self) -> None:
        while not self._ended:
            try:
                work = self._work.get(timeout=_RESUBMIT_SECONDS)
            except Empty:
                work = self._resubmit_now
            if work is not None:
                self._do(work)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            session = self._session
            if self._ended or session is None:
                return  # what failed was to be given up anyway
            gone = isinstance(error, mpipc.Disconnected)
            text = f"{type(error).__name__}: {error}"
            if not gone and text != self._said:
                self._said = text
                say(f"{self._name or 'the default wallet'}: {text}")
                _log.debug("following failed", exc_info=True)
            # While the connection lasts, begin anew: that mends whatever was missed.
            self.is_synced = False
            self._retry(session)

    def _retry(self, session: _Session) -> None:
        session.end()
        time.sleep(_RETRY_SECONDS)
        if self._session is session:
            self.attach(session.chain)

    def _resubmit_now(self) -> None:
        if self._session is not None:
            self._session.resubmit()


class _Session(ChainNotifications):
    """One connection to a node. What it is told is done by the follower's thread."""

    def __init__(self, chain: Chain, follower: Follower) -> None:
        self.chain = chain
        self._follower = follower
        self._ledger = follower._ledger
        self._handler: object = None

    # --------------------------------------------------------------------- told by the node

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        self._later(lambda: self._added(tx))

    def transaction_removed_from_mempool(self, tx: bytes, reason: MemPoolRemovalReason) -> None:
        self._later(lambda: self._removed(tx))

    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        if not role.historical:
            self._later(lambda: self._connected(block))

    def block_disconnected(self, block: BlockInfo) -> None:
        self._later(lambda: self._disconnected(block))

    def updated_block_tip(self) -> None:
        pass

    def chain_state_flushed(self, role: ChainstateRole, locator: BlockLocator) -> None:
        pass

    def _later(self, work: Callable[[], None]) -> None:
        self._follower._work.put(lambda: self._while_current(work))

    def _while_current(self, work: Callable[[], None]) -> None:
        if self._follower._session is self:
            work()

    # ----------------------------------------------------------- done by the follower's thread

    def begin(self) -> None:
        """Find out what was missed, and be told from now on."""
        if self._follower._session is not self:
            return
        self._handler = self.chain.handle_notifications(self)
        self._catch_up()
        mempool = _Mempool()
        self.chain.request_mempool_transactions(mempool)
        for raw in mempool.found.values():
            self._take_in(raw)
        self._ledger.set_mempool(set(mempool.found))
        self.resubmit()
        self._follower.is_synced = True
        self._follower._changed([])

    def end(self) -> None:
        """Be told no more."""
        handler, self._handler = self._handler, None
        if handler is not None:
            try:
                mpipc.close(handler)
            except mpipc.IpcError:
                pass  # the connection is gone, and the handler with it

    def resubmit(self) -> None:
        """Hand in again what the node has forgotten, or never got."""
        for entry in self._ledger.unconfirmed():
            if not self._ledger.in_mempool(entry.txid):
                why = self._follower.submit(entry.txid)
                if why is not None:
                    _log.info("%s is not accepted: %s", entry.txid, why)

    def _added(self, raw: bytes) -> None:
        txid = self._take_in(raw)
        self._ledger.entered_mempool(txid)
        if self._ledger.entry(txid) is not None:
            self._follower._changed([txid])

    def _take_in(self, raw: bytes) -> Txid:
        self._ledger.add(raw)
        return txid_of(parse_transaction(raw))

    def _removed(self, raw: bytes) -> None:
        txid = txid_of(parse_transaction(raw))
        self._ledger.left_mempool(txid)
        if self._ledger.entry(txid) is not None:
            self._follower._changed([txid])

    def _connected(self, info: BlockInfo) -> None:
        tip = self._ledger.tip
        if self._ledger.block_at(info.height) == info.hash:
            return  # it was caught up with
        fits = tip is not None and (info.prev_hash, info.height) == (tip.hash, tip.height + 1)
        if info.data is None or not fits:
            self._catch_up()
        else:
            changed = self._ledger.connect(info.height, info.hash, parse_block(info.data))
            self._follower._changed(changed)
        self.resubmit()

    def _disconnected(self, info: BlockInfo) -> None:
        tip = self._ledger.tip
        if tip is None or self._ledger.block_at(info.height) != info.hash:
            return  # it was caught up with
        if tip.hash == info.hash and self._ledger.block_at(info.height - 1) is not None:
            self._follower._changed(self._ledger.disconnect_above(info.height - 1))
        else:
            self._catch_up()

    def _catch_up(self) -> None:
        """Look through all blocks up to the node's tip. Raises IpcError, OtherChain."""
        if self._ledger.tip is None:
            self._begin_ledger()
        self._leave_fork()
        first = self._ledger.height + 1
        shown = -1
        while not self._follower._ended:
            height, last = self._ledger.height + 1, self.chain.get_height() or 0
            if height > last:
                break
            if not self._look_at(height):
                self._leave_fork()  # the chain has changed meanwhile
                continue
            percent = _percent(height - first + 1, last - first + 1)
            if last - first > 10 and percent != shown:
                shown = percent
                self._follower._progress("Catching up", percent)

    def _look_at(self, height: int) -> bool:
        """Take the block at a height in. Returns whether it follows the wallet's tip."""
        hash = self._hash_at(height)
        data = hash and self.chain.find_block(hash, FoundBlockParam(want_data=True)).block.data
        if not hash or data is None:
            return False
        block = parse_block(data)
        tip = self._ledger.tip
        assert tip is not None
        if (
            block.header.previous_block_hash[::-1] != tip.hash
            or block_hash_of(block.header) != hash
        ):
            return False
        self._follower._changed(self._ledger.connect(height, hash, block))
        return True

    def _hash_at(self, height: int) -> BlockHash | None:
        """None where the chain has become shorter meanwhile."""
        try:
            return self.chain.get_block_hash(height)
        except mpipc.Disconnected:
            raise
        except Exception:
            if (self.chain.get_height() or 0) >= height:
                raise
            return None

    def _begin_ledger(self) -> None:
        """Begin at the first block that is as young as the wallet."""
        born = datetime.fromtimestamp(self._ledger.store.meta("born"), timezone.utc)
        want = FoundBlockParam(want_height=True, want_hash=True)
        height = self.chain.get_height() or 0  # before the search: there may be a block after it
        found = self.chain.find_first_block_with_time_and_height(born - _CLOCKS_DIFFER, 0, want)
        before = max(found.block.height - 1, 0) if found.result else height
        self._ledger.begin(
            self.chain.get_block_hash(0), BlockRef(self.chain.get_block_hash(before), before)
        )

    def _leave_fork(self) -> None:
        """Forget what is not in the node's chain."""
        fork = self.chain.find_locator_fork(self._ledger.locator())
        if fork is None:
            raise OtherChain("the node has another chain than this wallet")
        if fork < self._ledger.height:
            self._follower._changed(self._ledger.disconnect_above(fork))


class _Mempool(ChainNotifications):
    """Collects what a node tells about its mempool."""

    def __init__(self) -> None:
        self.found: dict[Txid, bytes] = {}

    def transaction_added_to_mempool(self, tx: bytes) -> None:
        self.found[txid_of(parse_transaction(tx))] = tx

    def transaction_removed_from_mempool(self, tx: bytes, reason: MemPoolRemovalReason) -> None:
        pass

    def block_connected(self, role: ChainstateRole, block: BlockInfo) -> None:
        pass

    def block_disconnected(self, block: BlockInfo) -> None:
        pass

    def updated_block_tip(self) -> None:
        pass

    def chain_state_flushed(self, role: ChainstateRole, locator: BlockLocator) -> None:
        pass


def _percent(done: int, whole: int) -> int:
    return 100 if whole <= 0 else min(100, 100 * done // whole)
