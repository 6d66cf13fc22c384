"""The rules for blocks: each is broken by a block that keeps all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from btclib.block import Block
from btclib.block.build import build_coinbase
from btclib.tx import Tx, TxIn, TxOut

from examples.bitcoin.common.bitcoin import (
    block_bytes,
    library_out_point,
    parse_transaction,
    spent_by,
    transaction_bytes,
)
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.validation import Invalid
from interfaces.values import OutPoint
from tests.bitcoin.chains import (
    ALICE,
    BOB,
    MATURE,
    SUBSIDY,
    block_on,
    coins_of,
    payment,
    reward,
    solved,
    submit,
    with_transactions,
)

FEE = 10_000


def good(state: Chainstate) -> Block:
    """A block with a payment in it."""
    return block_on(state.tip, [payment(state, fee=FEE)], fees=FEE)


def changed_coinbase(block: Block, **fields: object) -> Block:
    coinbase = replace(block.transactions[0], **fields)  # type: ignore[arg-type]
    return with_transactions(block, [coinbase, *block.transactions[1:]])


def with_reward(block: Block, more: int) -> Block:
    first, *rest = block.transactions[0].vout
    vout = [TxOut(first.value + more, first.script_pub_key.script), *rest]
    return changed_coinbase(block, vout=vout)


def with_payment(state: Chainstate, payment: bytes, *more: bytes) -> Block:
    return block_on(state.tip, [payment, *more])


def unsolved(block: Block) -> Block:
    header = block.header
    while header.hash <= header.target:
        header = replace(header, nonce=header.nonce + 1)
    return Block(header, block.transactions, check_validity=False)


def with_other_witness(block: Block) -> Block:
    coinbase, paying = block.transactions
    signed = paying.vin[0].script_witness.stack
    forged = replace(paying.vin[0].script_witness, stack=(signed[0], BOB.public))
    vin = [TxIn(paying.vin[0].prev_out, b"", paying.vin[0].sequence, forged)]
    return Block(block.header, [coinbase, replace(paying, vin=vin)], check_validity=False)


def without_commitment(block: Block) -> Block:
    coinbase = block.transactions[0]
    bare = replace(
        coinbase,
        vin=[TxIn(coinbase.vin[0].prev_out, coinbase.vin[0].script_sig, 0xFFFFFFFF)],
        vout=coinbase.vout[:1],
    )
    return with_transactions(block, [bare, *block.transactions[1:]])


def forged(state: Chainstate) -> bytes:
    """A payment of Alice's coin that Bob has signed."""
    outpoint, amount = reward(state, 1)
    tx = parse_transaction(BOB.pay([(outpoint, amount)], [(BOB.script, amount)]))
    return transaction_bytes(tx)


def spending(state: Chainstate, name: OutPoint, amount: int) -> bytes:
    return ALICE.pay([(name, amount)], [(BOB.script, amount)])


def of_height(state: Chainstate, height: int) -> Block:
    block = block_on(state.tip)
    coinbase = build_coinbase(height, BOB.script, halving_interval=150, extra_nonce=b"1234")
    return with_transactions(block, [coinbase])


def mutated(block: Block) -> Block:
    """CVE-2012-2459: the same merkle root with a transaction twice."""
    three = [block.transactions[0], block.transactions[1], block.transactions[2]]
    odd = with_transactions(block, three)
    return Block(odd.header, [*three, three[2]], check_validity=False)


FUTURE = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=3)

BROKEN: dict[str, Callable[[Chainstate], Block]] = {
    "high-hash": lambda state: unsolved(good(state)),
    "bad-diffbits": lambda state: solved(good(state), bits=bytes.fromhex("207ffffe")),
    "time-too-old": lambda state: solved(
        good(state), time=datetime.fromtimestamp(state.tip.mtp, timezone.utc)
    ),
    "time-too-new": lambda state: solved(good(state), time=FUTURE),
    "bad-version": lambda state: solved(good(state), version=3),
    "prev-blk-not-found": lambda state: solved(good(state), previous_block_hash=bytes(32)),
    "bad-txnmrklroot": lambda state: solved(good(state), merkle_root=bytes(32)),
    "bad-blk-length": lambda state: Block(
        solved(good(state), merkle_root=bytes(32)).header, [], check_validity=False
    ),
    "bad-cb-missing": lambda state: with_transactions(good(state), good(state).transactions[1:]),
    "bad-cb-multiple": lambda state: with_transactions(
        good(state), [good(state).transactions[0], block_on(state.tip).transactions[0]]
    ),
    "bad-cb-height": lambda state: of_height(state, state.tip.height),
    "bad-cb-amount": lambda state: with_reward(good(state), 1),
    "bad-txns-inputs-missingorspent": lambda state: with_payment(
        state, payment(state), payment(state, fee=FEE + 1)
    ),
    "bad-txns-premature-spend-of-coinbase": lambda state: with_payment(
        state, payment(state, MATURE - 98)
    ),
    "bad-txns-in-belowout": lambda state: with_payment(state, payment(state, fee=-1)),
    "bad-txns-nonfinal": lambda state: with_payment(
        state, payment(state, lock_time=state.tip.height + 1)
    ),
    "mandatory-script-verify-flag-failed": lambda state: with_payment(state, forged(state)),
    "unexpected-witness": lambda state: without_commitment(good(state)),
    "bad-witness-merkle-match": lambda state: with_other_witness(good(state)),
}


def test_a_block_that_keeps_all_rules_is_taken(state: Chainstate) -> None:
    before = state.tip
    after = submit(state, good(state))
    assert state.tip is after
    assert after.parent is before
    block = good(state)
    assert state.coin(OutPoint.of(block.transactions[0].id[::-1], 0)) is None  # on the new tip
    assert state.coin(reward(state, 1)[0]) is None
    coin = state.coin(reward(state, after.height)[0])
    assert coin is not None
    assert (coin.tx_out.value, coin.height, coin.is_coinbase) == (SUBSIDY + FEE, MATURE + 1, True)


@pytest.mark.parametrize("reason", BROKEN)
def test_a_block_that_breaks_a_rule_is_refused_and_changes_nothing(
    reason: str, state: Chainstate
) -> None:
    coins, tip = coins_of(state), state.tip
    block = BROKEN[reason](state)
    with pytest.raises(Invalid) as caught:
        submit(state, block)
    assert caught.value.reason == reason
    assert (coins_of(state), state.tip) == (coins, tip)
    submit(state, good(state))  # and what it spent can still be spent


def test_the_same_transactions_twice_at_the_end_are_no_other_block(state: Chainstate) -> None:
    payments = [payment(state, 1), payment(state, 2)]
    with pytest.raises(Invalid, match="duplicate transaction"):
        submit(state, mutated(block_on(state.tip, payments)))


@pytest.mark.parametrize("data", [b"", bytes(80), b"\xff" * 200])
def test_bytes_that_are_no_block_are_refused(data: bytes, state: Chainstate) -> None:
    with pytest.raises(Invalid):
        state.submit(data)


def test_more_behind_a_block_is_refused(state: Chainstate) -> None:
    with pytest.raises(Invalid, match="bad-blk-length"):
        state.submit(block_bytes(good(state)) + b"\0")


def test_a_block_can_spend_what_it_makes(state: Chainstate) -> None:
    first = payment(state)
    tx = parse_transaction(first)
    name = OutPoint.of(tx.id[::-1], 0)
    second = BOB.pay([(name, tx.vout[0].value)], [(ALICE.script, tx.vout[0].value)])
    before = coins_of(state)
    known = submit(state, block_on(state.tip, [first, second], fees=10_000))
    assert state.coin(name) is None
    assert state.coin(OutPoint.of(parse_transaction(second).id[::-1], 0)) is not None
    with pytest.raises(Invalid, match="missingorspent"):  # but not before it was made
        submit(state, block_on(state.tip, [payment(state, 2), second]))
    state.invalidate(known.hash)
    assert coins_of(state) == before


def test_a_relative_lock_holds_for_as_many_blocks(state: Chainstate) -> None:
    paid = payment(state)
    submit(state, block_on(state.tip, [paid]))
    tx = parse_transaction(paid)
    coin = (OutPoint.of(tx.id[::-1], 0), tx.vout[0].value)
    locked = BOB.pay([coin], [(ALICE.script, coin[1])], sequence=3)
    for _ in range(2):
        with pytest.raises(Invalid, match="bad-txns-nonfinal"):
            submit(state, block_on(state.tip, [locked], nonce=1))
        submit(state, block_on(state.tip))
    submit(state, block_on(state.tip, [locked]))


def test_the_reward_halves(state: Chainstate) -> None:
    while state.tip.height < 149:
        submit(state, block_on(state.tip))
    block = block_on(state.tip)
    assert block.transactions[0].vout[0].value == SUBSIDY // 2
    with pytest.raises(Invalid, match="bad-cb-amount"):
        submit(state, with_reward(block, 1))
    submit(state, block)


def test_names_of_outputs_are_those_that_inputs_have(state: Chainstate) -> None:
    name = reward(state, 1)[0]
    tx: Tx = parse_transaction(payment(state))
    assert spent_by(tx.vin[0]) == name
    assert library_out_point(name) == tx.vin[0].prev_out
