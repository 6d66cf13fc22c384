"""All blocks that the node knows, as a tree of headers in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from btclib.block.header_context import MEDIAN_TIME_SPAN
from btclib.block.proof_of_work import block_work

from examples.bitcoin.common.bitcoin import locator_heights, pack_locator
from interfaces.common import BlockRef
from interfaces.values import BlockHash

_HEADER = struct.Struct("<i32s32sI4sI")


class KnownBlock:
    """A block, and its place in the tree.

    `work`      the work of the chain up to it
    `time_max`  the latest time in its header and in those before it
    `mtp`       the median of the times in its header and in the ten before it
    `invalid`   whether it, or one before it, breaks a rule
    """

    __slots__ = (
        "bits", "hash", "header", "height", "invalid", "mtp", "parent", "time", "time_max", "work",
    )  # fmt: skip

    height: int
    time: int
    bits: bytes
    work: int
    time_max: int
    mtp: int
    invalid: bool

    def __init__(self, hash: BlockHash, header: bytes, parent: KnownBlock | None) -> None:
        self.hash, self.header, self.parent = hash, header, parent
        self.time, bits = _HEADER.unpack(header)[3:5]
        self.bits = bits[::-1]
        self.height = parent.height + 1 if parent else 0
        self.work = block_work(self.bits) + (parent.work if parent else 0)
        self.time_max = max(self.time, parent.time_max if parent else 0)
        self.invalid = parent is not None and parent.invalid
        times = [self.time]
        while parent is not None and len(times) < MEDIAN_TIME_SPAN:
            times.append(parent.time)
            parent = parent.parent
        self.mtp = sorted(times)[len(times) // 2]

    @property
    def ref(self) -> BlockRef:
        return BlockRef(self.hash, self.height)

    def ancestor(self, height: int) -> KnownBlock | None:
        """The block at a height in the chain up to this one; None above it and below 0."""
        if not 0 <= height <= self.height:
            return None
        block: KnownBlock | None = self
        while block is not None and block.height > height:
            block = block.parent
        return block


def parent_hash(header: bytes) -> BlockHash:
    """The hash of the block that a header builds on."""
    return BlockHash(header[4:36])


class Blocks:
    """The tree, and the active chain in it. It has at least the genesis block."""

    def __init__(self) -> None:
        self.known: dict[bytes, KnownBlock] = {}
        self.active: list[KnownBlock] = []

    @property
    def tip(self) -> KnownBlock:
        return self.active[-1]

    def add(self, hash: BlockHash, header: bytes) -> KnownBlock:
        """Add a block whose parent is known, or the genesis block."""
        block = KnownBlock(hash, header, self.known.get(parent_hash(header)))
        self.known[hash] = block
        return block

    def is_active(self, block: KnownBlock) -> bool:
        """Whether it is in the active chain."""
        return block.height < len(self.active) and self.active[block.height] is block

    def next(self, block: KnownBlock) -> KnownBlock | None:
        """The block after it in the active chain."""
        if self.is_active(block) and block.height + 1 < len(self.active):
            return self.active[block.height + 1]
        return None

    def ancestor(self, block: KnownBlock, height: int) -> KnownBlock | None:
        """As `KnownBlock.ancestor`, without a walk where the block is in the active chain."""
        if self.is_active(block) and 0 <= height <= block.height:
            return self.active[height]
        return block.ancestor(height)

    def fork(self, one: KnownBlock, other: KnownBlock) -> KnownBlock:
        """The last block that two chains have in common."""
        height = min(one.height, other.height)
        a, b = self.ancestor(one, height), self.ancestor(other, height)
        while a is not b:
            assert a is not None and b is not None
            a, b = a.parent, b.parent
        assert a is not None
        return a

    def path(self, base: KnownBlock, top: KnownBlock) -> list[KnownBlock]:
        """The blocks after `base` up to `top`, its descendant, lowest first."""
        path = []
        while top is not base:
            path.append(top)
            assert top.parent is not None
            top = top.parent
        return path[::-1]

    def locator(self, block: KnownBlock) -> bytes:
        """A locator for the chain up to a block."""
        found = [self.ancestor(block, height) for height in locator_heights(block.height)]
        return pack_locator(each.hash for each in found if each is not None)

    def descendants(self, block: KnownBlock) -> Iterator[KnownBlock]:
        """A block, and all that build on it."""
        for each in self.known.values():
            if each.ancestor(block.height) is block:
                yield each

    def best(self) -> KnownBlock:
        """The block with the most work that breaks no rule; of several the one that is active, or
        that came first."""
        candidates = [block for block in self.known.values() if not block.invalid]
        return max(candidates, key=lambda block: (block.work, self.is_active(block)))
