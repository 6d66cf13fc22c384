"""The chain and the mempool of a running node: what changes them, and who is told."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from btclib.block import Block
from btclib.tx import Tx
from btclib.tx.coin import Coin

from examples.bitcoin.common.bitcoin import (
    block_bytes,
    block_hash_of,
    header_bytes,
    parse_block,
    parse_transaction,
    txid_of,
    unpack_coin,
)
from examples.bitcoin.common.chainparams import GENESIS
from examples.bitcoin.common.console import say
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.node.blocks import Blocks, KnownBlock, parent_hash
from examples.bitcoin.node.mempool import Entry, Mempool
from examples.bitcoin.node.store import Store
from examples.bitcoin.node.validation import (
    Invalid,
    Scripts,
    check_block,
    check_header,
    connect_block,
    disconnect_block,
    read_block,
)
from interfaces.chain import BlockInfo, ChainNotifications, ChainstateRole
from interfaces.enums import MemPoolRemovalReason
from interfaces.values import BlockHash, OutPoint

ROLE = ChainstateRole(validated=True, historical=False)
Event = Callable[[ChainNotifications], None]


@dataclass
class _Step:
    """What a change of the chain does, to be told once it is on disk."""

    connected: list[tuple[KnownBlock, Block]] = field(default_factory=list)
    disconnected: list[tuple[KnownBlock, Block]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class _Broken(Exception):
    """A block that had been taken for good cannot be connected."""

    def __init__(self, block: KnownBlock, error: Invalid) -> None:
        super().__init__(str(error))
        self.block, self.error = block, error


class NotWritten(Exception):
    """A block, or a transaction, cannot be kept: the disk is full, or broken."""

    code = -20


class Chainstate:
    """All of it, behind one lock.

    What is on disk when a method returns stays there, whatever happens to the process.
    """

    def __init__(
        self, datadir: Path, on_failure: Callable[[str], object] = lambda why: None
    ) -> None:
        self._on_failure = on_failure
        self.lock = threading.RLock()
        self.blocks = Blocks()
        self.store = Store(datadir)
        self.notifications = Subscribers[ChainNotifications]("the chain's changes")
        self.tips = Subscribers[Callable[[KnownBlock], None]]("tips")
        self.stopped = False
        self._scripts = Scripts()
        self.mempool = Mempool(self._scripts)
        self._changed = threading.Condition(self.lock)
        self._load()

    def close(self) -> None:
        """Release everybody who waits, tell nobody any more, close the store."""
        with self.lock:
            self.stopped = True
            self._changed.notify_all()
        self.notifications.close()
        self.tips.close()
        with self.lock:
            self.store.close()

    # --------------------------------------------------------------------------------- reading

    @property
    def tip(self) -> KnownBlock:
        return self.blocks.tip

    def block_data(self, block: KnownBlock) -> bytes:
        """The block's bytes."""
        with self.lock:
            return self.store.block(block.hash)

    def block_info(self, block: KnownBlock) -> BlockInfo:
        """A block as those hear of it who are told what happens."""
        with self.lock:
            data, undo = self.store.block(block.hash), self.store.undo(block.hash)
        return BlockInfo(
            hash=block.hash,
            prev_hash=block.parent.hash if block.parent else None,
            height=block.height,
            data=data,
            undo_data=undo or None,
            chain_time_max=block.time_max,
        )

    def coin(self, outpoint: OutPoint) -> Coin | None:
        """An unspent output of the chain."""
        with self.lock:
            packed = self.store.coin(outpoint)
        return None if packed is None else unpack_coin(packed)

    def wait(self, condition: Callable[[], bool], timeout: timedelta) -> bool:
        """Wait until the condition holds, at most this long. It is looked at when the chain or the
        mempool has changed. Returns False when the node stops."""
        # Locks cannot wait longer than this; "forever" is more.
        seconds = min(timeout.total_seconds(), threading.TIMEOUT_MAX)
        with self.lock:
            self._changed.wait_for(lambda: self.stopped or condition(), seconds)
            return not self.stopped

    # ---------------------------------------------------------------------------------- blocks

    def submit(self, data: bytes) -> KnownBlock:
        """Take a block. Raises Invalid, also where it turns out only later in a chain of blocks
        that one breaks a rule. A block that is known already is no error."""
        block = read_block(data)
        hash = block_hash_of(block.header)
        with self.lock:
            known = self.blocks.known.get(hash)
            if known is not None:
                if known.invalid:
                    raise Invalid("duplicate-invalid")
                return known
            header = header_bytes(block.header)
            parent = self.blocks.known.get(parent_hash(header))
            if parent is None:
                raise Invalid("prev-blk-not-found")
            if parent.invalid:
                raise Invalid("bad-prevblk")
            check_header(block.header, parent)
            check_block(block, parent)
            step = _Step()
            known = KnownBlock(hash, header, parent)
            self.blocks.known[hash] = known
            with self._durably():
                self.store.add_block(hash, header, data)
                error = self._activate(known, step)
            self._announce(step)
            if error is not None and known.invalid:
                raise error
            return known

    def check(self, data: bytes, *, merkle_root: bool, pow: bool) -> None:
        """Check a block on top of the tip as if it were submitted. Raises Invalid."""
        block = read_block(data)
        with self.lock:
            tip = self.tip
            if parent_hash(header_bytes(block.header)) != tip.hash:
                raise Invalid("inconclusive-not-best-prevblk")
            check_header(block.header, tip, check_pow=pow)
            check_block(block, tip, check_merkle_root=merkle_root)
            try:
                with self.store.transaction():
                    connect_block(self.store, block, tip, self._scripts)
                    raise _Undo
            except _Undo:
                pass

    def invalidate(self, hash: BlockHash) -> None:
        """Treat a block as if it broke a rule, and leave it. Raises LookupError."""
        self._reconsider(hash, invalid=True)

    def reconsider(self, hash: BlockHash) -> None:
        """Undo `invalidate`. Raises LookupError."""
        self._reconsider(hash, invalid=False)

    @contextmanager
    def _durably(self) -> Iterator[None]:
        """A transaction of the store. When it fails, what is in memory may be ahead of the disk,
        and the node has to end. Raises NotWritten."""
        try:
            with self.store.transaction():
                yield
        except sqlite3.Error as error:
            self.stopped = True
            why = f"cannot write to the disk: {error}"
            self._on_failure(why)
            raise NotWritten(why) from error

    def _reconsider(self, hash: BlockHash, *, invalid: bool) -> None:
        with self.lock:
            block = self.blocks.known.get(hash)
            if block is None or block.parent is None:
                raise LookupError(f"there is no such block: {hash}")
            step = _Step()
            with self._durably():
                self._mark(block, invalid)
                self._activate(self.blocks.best(), step)
            self._announce(step)

    def _mark(self, block: KnownBlock, invalid: bool) -> None:
        concerned = {block, *self.blocks.descendants(block)}
        for each in concerned:
            each.invalid = invalid
        self.store.set_invalid((each.hash for each in concerned), invalid)

    def _activate(self, best: KnownBlock, step: _Step) -> Invalid | None:
        """Make the chain up to `best` the active one if it has more work, or the present one is
        invalid. Returns what was wrong with the last block that turned out to be invalid."""
        error = None
        while best.work > self.tip.work or self.tip.invalid:
            try:
                with self.store.transaction():
                    self._switch(best, step)
            except _Broken as broken:
                say(f"block {broken.block.hash} is invalid: {broken.error}")
                error = broken.error
                self._mark(broken.block, invalid=True)
                best = self.blocks.best()
            else:
                self._update_mempool(step)
        return error

    def _switch(self, best: KnownBlock, step: _Step) -> None:
        """Disconnect blocks back to the fork, then connect those up to `best`. Raises _Broken, and
        nothing has changed then."""
        fork = self.blocks.fork(self.tip, best)
        disconnected, connected = [], []
        for known in reversed(self.blocks.active[fork.height + 1 :]):
            block = parse_block(self.store.block(known.hash))
            disconnect_block(self.store, block, self.store.undo(known.hash), known.height)
            self.store.disconnect(known.height)
            disconnected.append((known, block))
        for known in self.blocks.path(fork, best):
            block = parse_block(self.store.block(known.hash))
            assert known.parent is not None
            try:
                undo = connect_block(self.store, block, known.parent, self._scripts)
            except Invalid as error:
                raise _Broken(known, error) from None
            self.store.connect(known.hash, known.height, undo)
            connected.append((known, block))
        step.disconnected, step.connected = disconnected, connected
        self.blocks.active[fork.height + 1 :] = [known for known, _ in connected]

    def _announce(self, step: _Step) -> None:
        for event in step.events:
            self.notifications.tell(event)
        if step.connected or step.disconnected:
            tip = self.tip
            self.notifications.tell(lambda each: each.updated_block_tip())
            locator = self.blocks.locator(tip)
            self.notifications.tell(lambda each: each.chain_state_flushed(ROLE, locator))
            self.tips.tell(lambda callback: callback(tip))
            self._changed.notify_all()

    # --------------------------------------------------------------------------------- mempool

    def accept(self, data: bytes, max_fee: int | None = None) -> Entry:
        """Take a transaction into the mempool. Raises Invalid."""
        try:
            tx = parse_transaction(data)
        except ValueError as error:
            raise Invalid("bad-txns", str(error)) from None
        with self.lock:
            entry, replaced = self.mempool.check(tx, self.coin, self.tip)
            if max_fee is not None and entry.fee > max_fee:
                raise Invalid("max-fee-exceeded", f"{entry.fee}, more than {max_fee}")
            with self._durably():
                self.store.remove_from_mempool(each.txid for each in replaced)
                self.store.add_to_mempool([(entry.txid, entry.data)])
            self.mempool.remove(replaced)
            self.mempool.add(entry)
            for each in replaced:
                self.notifications.tell(_removed(each, MemPoolRemovalReason.REPLACED))
            self.notifications.tell(_added(entry))
            self._changed.notify_all()
            return entry

    def _update_mempool(self, step: _Step) -> None:
        """After another chain has become active, and still in the same transaction of the store."""
        gone: set[Entry] = set()
        for _, block in step.connected:
            for tx in block.transactions[1:]:
                gone |= self.mempool.conflicts(tx)
        for entry in gone:
            step.events.append(_removed(entry, MemPoolRemovalReason.CONFLICT))
        mined = {txid_of(tx) for _, block in step.connected for tx in block.transactions}
        gone |= {self.mempool.entries[txid] for txid in mined if txid in self.mempool.entries}
        self.mempool.remove(gone)
        self.store.remove_from_mempool(entry.txid for entry in gone)
        step.events += [_disconnected(self, known) for known, _ in step.disconnected]
        step.events += [_connected(self, known) for known, _ in step.connected]
        if step.disconnected:
            returned = [
                tx
                for _, block in reversed(step.disconnected)
                for tx in block.transactions[1:]
                if txid_of(tx) not in mined
            ]
            self._rebuild_mempool(returned, step)

    def _rebuild_mempool(self, returned: list[Tx], step: _Step) -> None:
        """Take the transactions of disconnected blocks back, and let go of those that cannot be in
        the next block any more."""
        before = list(self.mempool)
        self.mempool.remove(before)
        for tx in returned:
            entry = self._try(tx)
            if entry is not None:
                self.store.add_to_mempool([(entry.txid, entry.data)])
                step.events.append(_added(entry))
        for old in before:
            if self._try(old.tx) is None:
                self.store.remove_from_mempool([old.txid])
                step.events.append(_removed(old, MemPoolRemovalReason.REORG))

    def _try(self, tx: Tx) -> Entry | None:
        try:
            entry, replaced = self.mempool.check(tx, self.coin, self.tip)
        except Invalid:
            return None
        if replaced:
            return None
        self.mempool.add(entry)
        return entry

    # --------------------------------------------------------------------------------- opening

    def _load(self) -> None:
        for hash, header, invalid in self.store.headers():
            self.blocks.add(hash, header).invalid |= invalid
        self.blocks.active = [self.blocks.known[hash] for hash in self.store.chain()]
        if not self.blocks.active:
            hash, header = block_hash_of(GENESIS.header), header_bytes(GENESIS.header)
            with self.store.transaction():
                self.store.add_block(hash, header, block_bytes(GENESIS))
                # Nobody can spend what the genesis block makes.
                self.store.connect(hash, 0, b"\x00")
            self.blocks.active = [self.blocks.add(hash, header)]
        with self.store.transaction():
            for data in self.store.mempool():
                tx = parse_transaction(data)
                if self._try(tx) is None:
                    self.store.remove_from_mempool([txid_of(tx)])


class _Undo(Exception):
    """Leaves a transaction of the store without a trace."""


def _added(entry: Entry) -> Event:
    return lambda each: each.transaction_added_to_mempool(entry.data)


def _removed(entry: Entry, reason: MemPoolRemovalReason) -> Event:
    return lambda each: each.transaction_removed_from_mempool(entry.data, reason)


# The block is read when somebody is told about it, so that those who are behind cost no memory.


def _connected(state: Chainstate, block: KnownBlock) -> Event:
    return lambda each: each.block_connected(ROLE, state.block_info(block))


def _disconnected(state: Chainstate, block: KnownBlock) -> Event:
    return lambda each: each.block_disconnected(state.block_info(block))
