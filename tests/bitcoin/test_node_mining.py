"""Mining, and the rest of what the node's interfaces answer; called directly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from btclib.block import BlockHeader
from btclib.hashes import hash256, merkle_root_from_branch

from examples.bitcoin.common.bitcoin import (
    SPENT_COIN,
    header_bytes,
    pack_fee_rate,
    pack_locator,
    parse_block,
    parse_transaction,
    txid_of,
    unpack_coin,
    unpack_fee_rate,
)
from examples.bitcoin.common.process import Shutdown
from examples.bitcoin.mine import NotMined, mine, solve
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.main import InitOfNode, NodeOptions, open_node
from examples.bitcoin.node.mining import MiningOfNode
from interfaces.chain import Chain, FoundBlockParam
from interfaces.common import BlockRef
from interfaces.enums import RBFTransactionState, SettingsAction, TxBroadcast
from interfaces.mining import BlockCheckOptions, BlockCreateOptions, BlockTemplate, BlockWaitOptions
from interfaces.values import BlockHash, OutPoint, Txid
from tests.bitcoin.chains import ALICE, BOB, MATURE, block_on, extend, payment, reward, submit

SOON = timedelta(seconds=0.01)
LATE = timedelta(seconds=50)
MAX_FEE = 10**8


@pytest.fixture
def mining(state: Chainstate) -> MiningOfNode:
    return MiningOfNode(state)


@pytest.fixture
def init(mature: Path) -> Iterator[InitOfNode]:
    options = NodeOptions(datadir=mature)
    with open_node(options, Shutdown()) as part:
        assert isinstance(part.init, InitOfNode)
        yield part.init


@pytest.fixture
def chain(init: InitOfNode) -> Chain:
    return init.make_chain()


def template(mining: MiningOfNode) -> BlockTemplate:
    found = mining.create_new_block(BlockCreateOptions())
    assert found is not None
    return found


# ---------------------------------------------------------------------------------------- mining


def test_a_template_is_a_block_that_lacks_only_proof_of_work(
    state: Chainstate, mining: MiningOfNode
) -> None:
    payments = [payment(state, 1, fee=1000), payment(state, 2, fee=3000)]
    for each in payments:
        state.accept(each)
    made = template(mining)
    block = parse_block(made.get_block())
    assert block.header == BlockHeader.parse(made.get_block_header())
    assert parse_transaction(made.get_coinbase_tx()) == block.transactions[0]
    assert made.get_tx_fees() == [3000, 1000]  # who pays more comes first
    assert made.get_tx_sigops() == [1, 1]
    index = made.get_witness_commitment_index()
    assert block.transactions[0].vout[index].script_pub_key.script == made.get_coinbase_commitment()
    path = made.get_coinbase_merkle_path()
    root = merkle_root_from_branch(txid_of(block.transactions[0]), path, 0, hash256)
    assert root[::-1] == block.header.merkle_root
    checked = mining.check_block(made.get_block(), BlockCheckOptions(check_pow=False))
    assert checked.result, checked
    assert state.blocks.known[solve(made, BOB.script)] is state.tip
    assert len(state.mempool) == 0


def test_a_template_without_the_mempool_is_empty(state: Chainstate, mining: MiningOfNode) -> None:
    state.accept(payment(state))
    made = mining.create_new_block(BlockCreateOptions(use_mempool=False))
    assert made is not None
    assert (made.get_tx_fees(), made.get_coinbase_merkle_path()) == ([], [])


def test_a_child_pays_for_its_parent(state: Chainstate, mining: MiningOfNode) -> None:
    poor = payment(state, 1, fee=200)
    rich_child = BOB.pay(
        [(OutPoint.of(txid_of(parse_transaction(poor)), 0), 50_0000_0000 - 200)],
        [(BOB.script, 49_9990_0000)],
    )
    other = payment(state, 2, fee=2000)
    for each in (poor, other, rich_child):
        state.accept(each)
    assert template(mining).get_tx_fees() == [200, 99_800, 2000]


def test_a_block_has_room_for_so_much(state: Chainstate, mining: MiningOfNode) -> None:
    for height in (1, 2, 3):
        state.accept(payment(state, height, fee=1000 * height))
    reserved = 4_000_000 - 2 * 500
    made = mining.create_new_block(BlockCreateOptions(block_reserved_weight=reserved))
    assert made is not None
    assert made.get_tx_fees() == [3000, 2000]


def test_a_solution_that_is_none_is_refused(state: Chainstate, mining: MiningOfNode) -> None:
    made = template(mining)
    coinbase = made.get_coinbase_tx()
    time = int(BlockHeader.parse(made.get_block_header()).time.timestamp())
    assert not made.submit_solution(1, time, 0, coinbase)
    assert not made.submit_solution(0x20000000, 0, 0, coinbase)
    assert not made.submit_solution(0x20000000, time, 0, b"no transaction")
    assert state.tip.height == MATURE


def test_of_two_solutions_on_a_tip_the_first_stays(state: Chainstate, mining: MiningOfNode) -> None:
    first, second = template(mining), template(mining)
    hash = solve(first, ALICE.script)
    solve(second, BOB.script)  # a good block, but not a better one
    assert state.tip.hash == hash


def test_the_version_of_a_solution_may_use_all_32_bits(
    state: Chainstate, mining: MiningOfNode
) -> None:
    made = template(mining)
    time = int(BlockHeader.parse(made.get_block_header()).time.timestamp())
    for nonce in range(100):
        if made.submit_solution(0x7FFFFFFF, time, nonce, made.get_coinbase_tx()):
            break
    assert BlockHeader.parse(state.tip.header).version == 0x7FFFFFFF


def test_check_block_says_what_is_wrong(state: Chainstate, mining: MiningOfNode) -> None:
    options = BlockCheckOptions(check_pow=False)
    block = block_on(state.tip, [payment(state)])
    data = block.serialize(check_validity=False)
    assert mining.check_block(data, BlockCheckOptions()).result
    assert mining.check_block(b"", options).reason == "bad-blk-length"
    wrong = data[:36] + bytes(32) + data[68:]
    assert mining.check_block(wrong, options).reason == "bad-txnmrklroot"
    lax = BlockCheckOptions(check_merkle_root=False, check_pow=False)
    assert mining.check_block(wrong, lax).result
    assert state.tip.height == MATURE
    submit(state, block)
    assert mining.check_block(data, options).reason == "inconclusive-not-best-prevblk"


def test_waiting_for_a_tip_ends_when_it_comes(state: Chainstate, mining: MiningOfNode) -> None:
    old = state.tip
    timer = threading.Timer(0.05, mine, [mining])
    timer.start()
    tip = mining.wait_tip_changed(old.hash, LATE)
    timer.join()
    assert tip == BlockRef(state.tip.hash, MATURE + 1)
    assert mining.wait_tip_changed(old.hash, timedelta.max) == tip
    assert mining.wait_tip_changed(state.tip.hash, SOON) == tip


def test_waiting_ends_when_the_node_stops(mature: Path) -> None:
    state = Chainstate(mature)
    mining = MiningOfNode(state)
    made = template(mining)
    threading.Timer(0.05, state.close).start()
    assert mining.wait_tip_changed(state.tip.hash, timedelta.max) is None
    assert made.wait_next(BlockWaitOptions()) is None
    assert mining.create_new_block(BlockCreateOptions()) is None
    with pytest.raises(NotMined):
        mine(mining)


def test_wait_next_makes_a_template_on_a_new_tip(state: Chainstate, mining: MiningOfNode) -> None:
    made = template(mining)
    assert made.wait_next(BlockWaitOptions(timeout=SOON)) is None
    hash = mine(mining)
    following = made.wait_next(BlockWaitOptions(timeout=LATE))
    assert following is not None
    assert BlockHeader.parse(following.get_block_header()).previous_block_hash == hash[::-1]


def test_wait_next_makes_a_template_with_higher_fees(
    state: Chainstate, mining: MiningOfNode
) -> None:
    made = template(mining)
    timer = threading.Timer(0.05, state.accept, [payment(state, fee=5000)])
    timer.start()
    following = made.wait_next(BlockWaitOptions(timeout=LATE, fee_threshold=5000))
    timer.join()
    assert following is not None
    assert following.get_tx_fees() == [5000]
    assert following.wait_next(BlockWaitOptions(timeout=SOON, fee_threshold=1)) is None


# ----------------------------------------------------------------------------------------- chain


EVERYTHING = FoundBlockParam(
    want_hash=True, want_height=True, want_time=True, want_max_time=True, want_mtp_time=True,
    want_in_active_chain=True, want_locator=True, want_data=True,
    next_block=FoundBlockParam(want_hash=True),
)  # fmt: skip


def test_a_block_is_found_with_all_that_is_wanted(init: InitOfNode, chain: Chain) -> None:
    hash = chain.get_block_hash(50)
    found = chain.find_block(hash, EVERYTHING)
    block = found.block
    assert found.result and block.found
    assert (block.hash, block.height, block.in_active_chain) == (hash, 50, True)
    assert block.data is not None
    header = parse_block(block.data).header
    assert block.time == header.time == block.max_time
    assert block.mtp_time == parse_block(
        chain.find_block(chain.get_block_hash(45), EVERYTHING).block.data or b""
    ).header.time  # fmt: skip
    assert block.next_block is not None
    assert block.next_block.hash == chain.get_block_hash(51)
    assert block.locator is not None
    assert chain.find_locator_fork(block.locator) == 50
    tip = chain.find_block(chain.get_block_hash(MATURE), EVERYTHING).block
    assert tip.next_block is not None and not tip.next_block.found
    assert not chain.find_block(BlockHash(bytes(32)), EVERYTHING).result


def test_heights_and_ancestors(init: InitOfNode, chain: Chain) -> None:
    assert chain.get_height() == MATURE
    tip, low = chain.get_block_hash(MATURE), chain.get_block_hash(7)
    want = FoundBlockParam(want_height=True, want_hash=True)
    assert chain.find_ancestor_by_height(tip, 7, want).ancestor.hash == low
    assert not chain.find_ancestor_by_height(low, 8, want).result
    assert chain.find_ancestor_by_hash(tip, low, want).ancestor.height == 7
    assert not chain.find_ancestor_by_hash(low, tip, want).result
    common = chain.find_common_ancestor(tip, low, want, want, want)
    assert (common.ancestor.height, common.block1.height, common.block2.height) == (7, MATURE, 7)
    assert common.result
    assert not chain.find_common_ancestor(tip, BlockHash(bytes(32)), want, want, want).result
    assert chain.has_blocks(tip) and chain.have_block_on_disk(MATURE)
    assert not chain.have_block_on_disk(MATURE + 1)
    for height in (-1, MATURE + 1):
        with pytest.raises(LookupError, match=f"height {height}"):
            chain.get_block_hash(height)
    assert chain.find_locator_fork(pack_locator([bytes(32), low])) == 7
    assert chain.find_locator_fork(pack_locator([])) == 0


def test_the_fork_of_a_side_chain_is_found(state: Chainstate, datadir: Path) -> None:
    base = state.blocks.active[90]
    side = extend(state, base, 2, nonce=1)
    locator = state.blocks.locator(side)
    state.close()
    with open_node(NodeOptions(datadir=datadir), Shutdown()) as part:
        assert isinstance(part.init, InitOfNode)
        chain = part.init.make_chain()
        assert chain.find_locator_fork(locator) == 90
        want = FoundBlockParam(want_height=True, want_in_active_chain=True, next_block=EVERYTHING)
        found = chain.find_block(side.hash, want).block
        assert (found.height, found.in_active_chain) == (92, False)
        assert found.next_block is not None and not found.next_block.found
        tip = chain.get_block_hash(MATURE)
        common = chain.find_common_ancestor(side.hash, tip, want, want, want)
        assert common.ancestor.height == 90


def test_the_first_block_that_is_late_and_high_enough(init: InitOfNode, chain: Chain) -> None:
    want = FoundBlockParam(want_height=True, want_time=True)
    at_50 = chain.find_block(chain.get_block_hash(50), want).block
    first = chain.find_first_block_with_time_and_height(at_50.time, 0, want).block
    assert first.time >= at_50.time and first.height <= 50
    assert chain.find_first_block_with_time_and_height(at_50.time, 60, want).block.height == 60
    late = at_50.time + timedelta(days=1)
    assert not chain.find_first_block_with_time_and_height(late, 0, want).result


def test_coins_are_found_in_the_chain_and_in_the_mempool(init: InitOfNode, chain: Chain) -> None:
    state = init._node.state
    paid = payment(state)
    assert chain.broadcast_transaction(paid, MAX_FEE, TxBroadcast(0)).result
    tx = parse_transaction(paid)
    waiting = OutPoint.of(txid_of(tx), 0)
    confirmed, nothing = reward(state, 2)[0], OutPoint.of(bytes(32), 0)
    found = chain.find_coins({waiting: b"", confirmed: b"", nothing: b"x"})
    assert found[nothing] == SPENT_COIN
    coin = unpack_coin(found[confirmed])
    assert coin is not None and (coin.height, coin.is_coinbase) == (2, True)
    coin = unpack_coin(found[waiting])
    assert coin is not None
    assert (coin.tx_out, coin.height) == (tx.vout[0], 0x7FFFFFFF)


def test_the_mempool_as_a_wallet_sees_it(init: InitOfNode, chain: Chain) -> None:
    state = init._node.state
    paid = payment(state, fee=1000)
    txid = txid_of(parse_transaction(paid))
    child = BOB.pay(
        [(OutPoint.of(txid, 0), 50_0000_0000 - 1000)], [(BOB.script, 1000)], sequence=0xFFFFFFFE
    )
    assert chain.is_rbf_opt_in(child) is RBFTransactionState.UNKNOWN
    assert not chain.broadcast_transaction(paid, 999, TxBroadcast(0)).result
    assert chain.broadcast_transaction(paid, 1000, TxBroadcast(0)).result
    assert chain.broadcast_transaction(paid, 1000, TxBroadcast(0)).result  # it is there
    assert not chain.has_descendants_in_mempool(txid)
    state.accept(child)
    assert chain.is_in_mempool(txid) and not chain.is_in_mempool(Txid(bytes(32)))
    assert chain.has_descendants_in_mempool(txid)
    assert chain.is_rbf_opt_in(child) is RBFTransactionState.REPLACEABLE_BIP125
    child_id = txid_of(parse_transaction(child))
    ancestry = chain.get_transaction_ancestry(child_id)
    assert (ancestry.ancestors, ancestry.descendants) == (2, 1)
    assert ancestry.ancestorfees == 50_0000_0000 - 1000
    rate = pack_fee_rate(100_000)
    vsize = parse_transaction(paid).vsize
    lacking = -(-100_000 * vsize // 1000) - 1000
    first = OutPoint.of(txid, 0)
    other = reward(state, 2)[0]
    bump = chain.calculate_individual_bump_fees([first, other], rate)
    assert bump == {first: lacking, other: 0}
    assert chain.calculate_combined_bump_fee([first, other], rate) == lacking
    assert chain.check_chain_limits(child).error is None


def test_fees_are_fixed(chain: Chain) -> None:
    estimate = chain.estimate_smart_fee(6, True)
    assert unpack_fee_rate(estimate.result) >= unpack_fee_rate(chain.relay_min_fee()) == 1000
    assert unpack_fee_rate(chain.mempool_min_fee()) == 1000
    assert unpack_fee_rate(pack_fee_rate(0)) == 0


def test_settings_are_kept(init: InitOfNode, chain: Chain, datadir: Path) -> None:
    assert chain.get_setting("wallet") == "null"
    assert chain.overwrite_rw_setting("wallet", '["a","b"]', SettingsAction.WRITE)
    assert chain.get_rw_setting("wallet") == '["a","b"]'
    assert chain.get_settings_list("wallet") == ['"a"', '"b"']
    assert not chain.overwrite_rw_setting("wallet", "no JSON", SettingsAction.WRITE)
    assert chain.get_setting("datadir") == f'"{datadir}"'
    again = InitOfNode(init._node).make_node()
    assert again.get_persistent_setting("wallet") == '["a","b"]'
    assert again.is_setting_ignored("datadir")
    again.force_setting("wallet", '"c"')
    assert chain.get_setting("wallet") == '"c"'
    again.reset_settings()
    assert chain.get_rw_setting("wallet") == "null"
    backup = json.loads((datadir / "settings.json.bak").read_text())
    assert backup == {"wallet": ["a", "b"]}


def test_the_header_of_the_tip(init: InitOfNode) -> None:
    node, state = init.make_node(), init._node.state
    assert node.get_num_blocks() == node.get_header_tip().height == MATURE
    assert node.get_best_block_hash() == state.tip.hash
    assert header_bytes(parse_block(state.block_data(state.tip)).header) == state.tip.header
    assert node.get_last_block_time() == node.get_header_tip().block_time
    assert node.app_init_main().tip_info.block_height == MATURE
    assert unpack_coin(node.get_unspent_output(reward(state, 1)[0]) or b"") is not None
    assert node.get_unspent_output(OutPoint.of(bytes(32), 0)) is None
