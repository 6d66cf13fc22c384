"""Mining: templates, solutions, and waiting for what changes."""

from __future__ import annotations

from datetime import timedelta

from btclib.exceptions import BTClibException

from examples.bitcoin.common.bitcoin import block_bytes, header_bytes, transaction_bytes
from examples.bitcoin.common.console import say, trace
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.templates import Template, build
from examples.bitcoin.node.validation import Invalid
from interfaces.common import BlockRef
from interfaces.mining import (
    MAX_MONEY,
    BlockCheckOptions,
    BlockCreateOptions,
    BlockTemplate,
    BlockWaitOptions,
    CheckedBlock,
    Mining,
)
from interfaces.values import BlockHash


class MiningOfNode(Mining):
    def __init__(self, state: Chainstate) -> None:
        self._state = state

    def is_test_chain(self) -> bool:
        return True

    def is_initial_block_download(self) -> bool:
        return False

    def get_tip(self) -> BlockRef | None:
        return self._state.tip.ref

    def wait_tip_changed(self, current_tip: BlockHash, timeout: timedelta) -> BlockRef | None:
        state = self._state
        running = state.wait(lambda: state.tip.hash != current_tip, timeout)
        return state.tip.ref if running else None

    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate | None:
        state = self._state
        with state.lock:
            if state.stopped:
                return None
            template = build(state.tip, state.mempool, options)
        trace(f"create_new_block() -> {len(template.entries)} transactions")
        return TemplateOfNode(state, template, options)

    def check_block(self, block: bytes, options: BlockCheckOptions) -> CheckedBlock:
        try:
            self._state.check(block, merkle_root=options.check_merkle_root, pow=options.check_pow)
        except Invalid as error:
            return CheckedBlock(error.reason, error.debug, False)
        return CheckedBlock("", "", True)


class TemplateOfNode(BlockTemplate):
    def __init__(self, state: Chainstate, template: Template, options: BlockCreateOptions) -> None:
        self._state, self._template, self._options = state, template, options

    def get_block_header(self) -> bytes:
        return header_bytes(self._template.block.header)

    def get_block(self) -> bytes:
        return block_bytes(self._template.block)

    def get_tx_fees(self) -> list[int]:
        return [entry.fee for entry in self._template.entries]

    def get_tx_sigops(self) -> list[int]:
        return [entry.sig_op_cost for entry in self._template.entries]

    def get_coinbase_tx(self) -> bytes:
        return transaction_bytes(self._template.block.transactions[0])

    def get_coinbase_commitment(self) -> bytes:
        index = self._template.commitment_index
        if index < 0:
            return b""
        return self._template.block.transactions[0].vout[index].script_pub_key.script

    def get_witness_commitment_index(self) -> int:
        return self._template.commitment_index

    def get_coinbase_merkle_path(self) -> list[bytes]:
        return self._template.merkle_path()

    def submit_solution(self, version: int, timestamp: int, nonce: int, coinbase: bytes) -> bool:
        try:
            block = self._template.solved(version, timestamp, nonce, coinbase)
            known = self._state.submit(block)
        except (Invalid, BTClibException) as error:
            say(f"refused a solution: {error}")
            return False
        trace(f"submit_solution() -> block {known.height}")
        return True

    def wait_next(self, options: BlockWaitOptions) -> BlockTemplate | None:
        state, old = self._state, self._template
        found: list[Template] = []
        looked = old.sequence

        def look() -> bool:
            nonlocal looked
            if state.tip is old.parent:
                if options.fee_threshold >= MAX_MONEY or state.mempool.sequence == looked:
                    return False
                looked = state.mempool.sequence
            new = build(state.tip, state.mempool, self._options)
            if new.parent is old.parent and new.fees - old.fees < options.fee_threshold:
                return False
            found.append(new)
            return True

        if not state.wait(look, options.timeout) or not found:
            return None
        return TemplateOfNode(state, found[-1], self._options)
