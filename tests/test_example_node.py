"""The example's node, called directly: in one process an interface call is a plain method call."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

import mpipc
from examples.bitcoin.chainstate import ChainState
from examples.bitcoin.headers import GENESIS, Header, double_sha256, grind
from examples.bitcoin.node import Node
from examples.bitcoin.wallet import mine
from interfaces.common import BlockRef
from interfaces.mining import (
    BlockCheckOptions,
    BlockCreateOptions,
    BlockTemplate,
    BlockWaitOptions,
)

SOON = timedelta(seconds=0.01)
LATE = timedelta(seconds=30)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ChainState]:
    state = ChainState(tmp_path)
    yield state
    state.close()


@pytest.fixture
def node(state: ChainState) -> Node:
    return Node(state)


def new_template(node: Node) -> BlockTemplate:
    template = node.make_mining().create_new_block(BlockCreateOptions())
    assert template is not None
    return template


def submit(template: BlockTemplate) -> bool:
    header = Header.unpack(grind(template.get_block_header()))
    return template.submit_solution(
        header.version, header.time, header.nonce, template.get_coinbase_tx()
    )


def full_block(template: BlockTemplate) -> bytes:
    block = template.get_block()
    return grind(block[:80]) + block[80:]


def test_a_wallet_mines_on_the_tip(node: Node) -> None:
    chain, mining = node.make_chain(), node.make_mining()
    assert chain.get_height() == 0
    assert chain.get_block_hash(0) == GENESIS.hash
    hashes = [mine(mining) for _ in range(15)]  # more than the span of the median time
    assert chain.get_height() == 15
    assert [chain.get_block_hash(height) for height in range(1, 16)] == hashes
    assert chain.get_tip() == mining.get_tip() == BlockRef(hashes[-1], 15)
    header = chain.get_block_header(hashes[-1])
    assert header is not None
    assert Header.unpack(header).prev_hash == hashes[-2]
    assert chain.get_block_header(bytes(32)) is None


@pytest.mark.parametrize("height", [-1, 1])
def test_a_height_without_a_block_is_an_error_that_names_it(node: Node, height: int) -> None:
    with pytest.raises(LookupError, match=f"height {height}"):
        node.make_chain().get_block_hash(height)


def test_a_template_is_a_block_that_lacks_only_proof_of_work(node: Node) -> None:
    template = new_template(node)
    block = template.get_block()
    header = Header.unpack(block[:80])
    assert block == template.get_block_header() + b"\x01" + template.get_coinbase_tx()
    assert header.prev_hash == GENESIS.hash
    assert header.merkle_root == double_sha256(template.get_coinbase_tx())
    assert template.get_coinbase_merkle_path() == []
    assert template.get_tx_fees() == template.get_tx_sigops() == []
    assert template.get_coinbase_commitment() == b""
    assert template.get_witness_commitment_index() == -1


def test_only_one_block_is_accepted_on_a_tip(node: Node) -> None:
    first, second = new_template(node), new_template(node)
    assert submit(first)
    assert not submit(second)
    assert node.make_chain().get_height() == 1


def test_a_solution_without_work_or_with_a_foreign_coinbase_is_refused(node: Node) -> None:
    template = new_template(node)
    start = Header.unpack(template.get_block_header())
    good = Header.unpack(grind(start.pack()))
    coinbase = template.get_coinbase_tx()
    assert not template.submit_solution(1, good.time, good.nonce, b"no coinbase")
    assert not template.submit_solution(good.version, GENESIS.time, good.nonce, coinbase)
    assert template.submit_solution(good.version, good.time, good.nonce, coinbase)


def test_the_version_of_a_solution_may_use_all_32_bits(node: Node) -> None:
    template = new_template(node)
    start = Header.unpack(template.get_block_header())
    header = Header(-1, *(getattr(start, name) for name in start.__struct_fields__[1:]))
    good = Header.unpack(grind(header.pack()))
    coinbase = template.get_coinbase_tx()
    assert template.submit_solution(0xFFFFFFFF, good.time, good.nonce, coinbase)


def test_check_block_says_what_is_wrong(node: Node) -> None:
    mining = node.make_mining()
    block = full_block(new_template(node))
    strict, lax = BlockCheckOptions(), BlockCheckOptions(check_merkle_root=False, check_pow=False)
    assert mining.check_block(block, strict).result
    assert mining.check_block(b"", strict).reason == "bad-blk-length"
    assert mining.check_block(block + b"\x00", strict).reason == "bad-txnmrklroot"
    assert mining.check_block(block + b"\x00", lax).result
    mine(mining)
    found = mining.check_block(block, strict)
    assert (found.result, found.reason) == (False, "inconclusive-not-best-prevblk")


def test_waiting_for_a_tip_ends_when_it_comes(node: Node) -> None:
    mining = node.make_mining()
    timer = threading.Timer(0.05, mine, [mining])
    timer.start()
    tip = mining.wait_tip_changed(GENESIS.hash, LATE)
    timer.join()
    assert tip is not None
    assert tip.height == 1
    assert mining.wait_tip_changed(GENESIS.hash, timedelta.max) == tip


def test_waiting_for_a_tip_ends_when_time_is_up(node: Node) -> None:
    mining = node.make_mining()
    assert mining.wait_tip_changed(GENESIS.hash, SOON) == BlockRef(GENESIS.hash, 0)


def test_waiting_for_a_tip_ends_when_the_node_stops(tmp_path: Path) -> None:
    state = ChainState(tmp_path)
    threading.Timer(0.05, state.close).start()
    assert Node(state).make_mining().wait_tip_changed(GENESIS.hash, timedelta.max) is None


def test_wait_next_makes_a_template_on_a_new_tip(node: Node) -> None:
    template = new_template(node)
    assert template.wait_next(BlockWaitOptions(timeout=SOON)) is None
    hash = mine(node.make_mining())
    following = template.wait_next(BlockWaitOptions(timeout=LATE))
    assert following is not None
    assert Header.unpack(following.get_block_header()).prev_hash == hash


def test_every_callback_hears_every_tip_in_order(node: Node) -> None:
    chain, mining = node.make_chain(), node.make_mining()
    heard: list[SimpleQueue[BlockRef]] = [SimpleQueue(), SimpleQueue()]
    handlers = [chain.handle_tips(queue.put) for queue in heard]
    hashes = [mine(mining) for _ in range(5)]
    for queue in heard:
        assert [queue.get(timeout=10).hash for _ in hashes] == hashes
    for handler in handlers:
        handler.disconnect()
        handler.disconnect()  # a second time is harmless


@pytest.mark.parametrize("how", ["disconnect", "let go"])
def test_a_handler_that_is_gone_hears_nothing(node: Node, how: str) -> None:
    heard: SimpleQueue[BlockRef] = SimpleQueue()
    handler = node.make_chain().handle_tips(heard.put)
    if how == "disconnect":
        handler.disconnect()
    else:
        del handler
        gc.collect()
    mine(node.make_mining())
    with pytest.raises(Empty):
        heard.get(timeout=0.1)


def test_a_lost_peer_is_dropped_and_a_slow_one_delays_nobody(node: Node) -> None:
    chain, mining = node.make_chain(), node.make_mining()
    release, calls = threading.Event(), SimpleQueue[BlockRef]()
    heard: SimpleQueue[BlockRef] = SimpleQueue()

    def lost(tip: BlockRef) -> None:
        calls.put(tip)
        raise mpipc.Disconnected("gone")

    def failing(tip: BlockRef) -> None:
        heard.put(tip)
        raise RuntimeError("a client's mistake")

    def slow(tip: BlockRef) -> None:
        assert release.wait(30)

    handlers = [chain.handle_tips(callback) for callback in (lost, slow, failing)]
    for _ in range(3):
        mine(mining)
    assert [heard.get(timeout=10).height for _ in range(3)] == [1, 2, 3]
    assert calls.get(timeout=10).height == 1
    assert calls.empty()
    release.set()
    for handler in handlers:
        handler.disconnect()
