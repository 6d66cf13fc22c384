"""Mining and BlockTemplate of Bitcoin Core, for blocks that hold nothing but their coinbase."""

from __future__ import annotations

import time
from datetime import timedelta

from examples.bitcoin import coinbase
from examples.bitcoin.chainstate import ChainState
from examples.bitcoin.console import trace
from examples.bitcoin.headers import (
    HEADER_SIZE,
    REGTEST_BITS,
    Header,
    InvalidHeader,
    has_proof_of_work,
    show,
)
from interfaces.common import BlockRef
from interfaces.mining import (
    BlockCheckOptions,
    BlockCreateOptions,
    BlockTemplate,
    BlockWaitOptions,
    CheckedBlock,
    Mining,
)

_VERSION = 0x20000000
_NO_WITNESS_COMMITMENT = -1


class NodeMining(Mining):
    """Makes templates on the node's tip."""

    def __init__(self, chain: ChainState) -> None:
        self._chain = chain

    def is_test_chain(self) -> bool:
        return True

    def is_initial_block_download(self) -> bool:
        return False

    def get_tip(self) -> BlockRef | None:
        return self._chain.store.tip()

    def wait_tip_changed(self, current_tip: bytes, timeout: timedelta) -> BlockRef | None:
        return self._chain.wait_for_tip_other_than(current_tip, timeout)

    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate:
        template = NodeTemplate(self._chain)
        trace(f"create_new_block() -> a template for height {template.height}")
        return template

    def check_block(self, block: bytes, options: BlockCheckOptions) -> CheckedBlock:
        reason = self._objection(block, options)
        return CheckedBlock(reason, reason and f"rejected: {reason}", not reason)

    def _objection(self, block: bytes, options: BlockCheckOptions) -> str:
        """Why a block does not extend the tip; empty when it does."""
        if len(block) <= HEADER_SIZE or block[HEADER_SIZE] != 1:
            return "bad-blk-length"
        header, transaction = Header.unpack(block[:HEADER_SIZE]), block[HEADER_SIZE + 1 :]
        tip = self._chain.store.tip()
        if options.check_merkle_root and header.merkle_root != coinbase.merkle_root(transaction):
            return "bad-txnmrklroot"
        if options.check_pow and not has_proof_of_work(header.hash, header.bits):
            return "high-hash"
        if header.bits != REGTEST_BITS:
            return "bad-diffbits"
        if header.prev_hash != tip.hash:
            return "inconclusive-not-best-prevblk"
        if not coinbase.commits_to(transaction, tip.height + 1):
            return "bad-cb-height"
        return ""


class NodeTemplate(BlockTemplate):
    """A block on the tip of the moment, complete but for the proof of work."""

    def __init__(self, chain: ChainState) -> None:
        tip = chain.store.tip()
        self._chain = chain
        self.height = tip.height + 1
        self._coinbase = coinbase.build(self.height)
        self._header = Header(
            version=_VERSION,
            prev_hash=tip.hash,
            merkle_root=coinbase.merkle_root(self._coinbase),
            time=chain.store.next_time(int(time.time())),
            bits=REGTEST_BITS,
            nonce=0,
        )

    def get_block_header(self) -> bytes:
        return self._header.pack()

    def get_block(self) -> bytes:
        return self._header.pack() + b"\x01" + self._coinbase

    def get_tx_fees(self) -> list[int]:
        return []

    def get_tx_sigops(self) -> list[int]:
        return []

    def get_coinbase_tx(self) -> bytes:
        return self._coinbase

    def get_coinbase_commitment(self) -> bytes:
        return b""

    def get_witness_commitment_index(self) -> int:
        return _NO_WITNESS_COMMITMENT

    def get_coinbase_merkle_path(self) -> list[bytes]:
        return []

    def submit_solution(self, version: int, timestamp: int, nonce: int, coinbase: bytes) -> bool:
        try:
            tip = self._submit(version, timestamp, nonce, coinbase)
        except InvalidHeader as error:
            trace(f"submit_solution(nonce={nonce}) -> rejected: {error}")
            return False
        trace(f"submit_solution(nonce={nonce}) -> block {tip.height} {show(tip.hash)}")
        return True

    def _submit(self, version: int, timestamp: int, nonce: int, transaction: bytes) -> BlockRef:
        if not coinbase.commits_to(transaction, self.height):
            raise InvalidHeader("bad-cb-height")
        header = Header(
            # The header's version is signed, the parameter is not; both are the same 32 bits.
            version=version - (version >> 31 << 32),
            prev_hash=self._header.prev_hash,
            merkle_root=coinbase.merkle_root(transaction),
            time=timestamp,
            bits=self._header.bits,
            nonce=nonce,
        )
        return self._chain.append(header.pack())

    def wait_next(self, options: BlockWaitOptions) -> BlockTemplate | None:
        # There are no transactions whose fees could make a better block: only a new tip can.
        tip = self._chain.wait_for_tip_other_than(self._header.prev_hash, options.timeout)
        changed = tip is not None and tip.hash != self._header.prev_hash
        return NodeTemplate(self._chain) if changed else None
