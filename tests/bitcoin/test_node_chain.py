"""Chains that replace each other, the mempool, and what is told about both."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import mpipc
from examples.bitcoin.common.bitcoin import parse_transaction, txid_of
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.mempool import MAX_CONNECTED
from examples.bitcoin.node.validation import Invalid
from interfaces.values import OutPoint
from tests.bitcoin.chains import (
    BOB,
    block_on,
    coins_of,
    extend,
    payment,
    reward,
    submit,
)
from tests.bitcoin.recorder import Recorder


def record(state: Chainstate) -> tuple[Recorder, object]:
    recorder = Recorder()
    return recorder, state.notifications.add(recorder)


def told(state: Chainstate, recording: tuple[Recorder, object]) -> list[tuple[object, ...]]:
    """What was told since the last time."""
    recorder, handler = recording
    state.notifications.wait([handler])  # type: ignore[list-item]
    found, recorder.told = recorder.told, []
    return found


def name(tx: bytes) -> str:
    return str(txid_of(parse_transaction(tx)))


def output(tx: bytes, index: int = 0) -> tuple[OutPoint, int]:
    parsed = parse_transaction(tx)
    return OutPoint.of(txid_of(parsed), index), parsed.vout[index].value


def chained(first: bytes, count: int) -> list[bytes]:
    """Bob pays himself again and again."""
    transactions = [first]
    for _ in range(count):
        coin = output(transactions[-1])
        transactions.append(BOB.pay([coin], [(BOB.script, coin[1] - 1000)]))
    return transactions


# ---------------------------------------------------------------------------------------- chains


def test_the_chain_with_more_work_wins_and_the_first_of_equals_stays(state: Chainstate) -> None:
    recording = record(state)
    base = state.tip
    first = extend(state, base, 2, nonce=1)
    assert told(state, recording) == [
        ("connected", 104), ("tip",), ("connected", 105), ("tip",),
    ]  # fmt: skip
    other = extend(state, base, 2, nonce=2)
    assert state.tip is first
    assert told(state, recording) == []
    other = extend(state, other, 1)
    assert state.tip is other
    assert told(state, recording) == [
        ("disconnected", 105), ("disconnected", 104),
        ("connected", 104), ("connected", 105), ("connected", 106), ("tip",),
    ]  # fmt: skip


def test_after_a_reorganisation_the_coins_are_those_of_the_new_chain(
    state: Chainstate, tmp_path: Path
) -> None:
    base = state.tip
    payments = chained(payment(state), 3)
    submit(state, block_on(base, payments[:2]))
    extend(state, state.tip, 1)
    side = submit(state, block_on(base, [payments[0]], nonce=1))
    side = submit(state, block_on(side, payments[1:]))
    side = extend(state, side, 1)
    assert state.tip is side
    (tmp_path / "fresh").mkdir()
    fresh = Chainstate(tmp_path / "fresh")
    for block in state.blocks.active[1:]:
        fresh.submit(state.block_data(block))
    assert coins_of(fresh) == coins_of(state)
    fresh.close()


def test_a_longer_chain_with_a_bad_block_leaves_everything_as_it_was(state: Chainstate) -> None:
    base = state.tip
    recording = record(state)
    good = submit(state, block_on(base, [payment(state)]))
    coins = coins_of(state)
    # Nothing of a side chain is spent before it has more work.
    side = submit(state, block_on(base, [payment(state), payment(state, fee=1)], nonce=1))
    with pytest.raises(Invalid, match="missingorspent"):
        extend(state, side, 2)
    assert (state.tip, coins_of(state)) == (good, coins)
    assert told(state, recording) == [("connected", 104), ("tip",)]
    with pytest.raises(Invalid, match="bad-prevblk"):
        submit(state, block_on(side, nonce=1))
    with pytest.raises(Invalid, match="duplicate-invalid"):
        submit(state, block_on(base, [payment(state), payment(state, fee=1)], nonce=1))
    extend(state, good, 1)


def test_of_a_bad_side_chain_the_good_part_is_used(state: Chainstate) -> None:
    base = state.tip
    extend(state, base, 1)
    good = extend(state, base, 1, nonce=1)
    with pytest.raises(Invalid, match="missingorspent"):
        submit(state, block_on(good, [payment(state), payment(state, fee=1)]))
    better = extend(state, good, 1)
    assert state.tip is better


def test_a_block_that_is_known_is_no_news(state: Chainstate) -> None:
    recording = record(state)
    block = block_on(state.tip)
    assert submit(state, block) is submit(state, block)
    assert told(state, recording) == [("connected", 104), ("tip",)]


def test_invalidating_and_reconsidering_lead_back(state: Chainstate) -> None:
    tip, coins = state.tip, coins_of(state)
    state.invalidate(state.blocks.active[100].hash)
    assert state.tip.height == 99
    with pytest.raises(LookupError):
        state.invalidate(state.blocks.active[0].hash)
    state.reconsider(next(b for b in state.blocks.known.values() if b.height == 100).hash)
    assert (state.tip, coins_of(state)) == (tip, coins)


def test_everything_is_there_after_a_restart(state: Chainstate, datadir: Path) -> None:
    extend(state, state.blocks.active[101], 1, nonce=7)  # a side chain
    submit(state, block_on(state.tip, [payment(state)]))
    waiting = payment(state, 2)
    state.accept(waiting)
    invalid = extend(state, state.tip, 1)
    state.invalidate(invalid.hash)
    before = state.tip, coins_of(state), [entry.txid for entry in state.mempool]
    known = {hash: block.invalid for hash, block in state.blocks.known.items()}
    state.close()

    again = Chainstate(datadir)
    after = again.tip, coins_of(again), [entry.txid for entry in again.mempool]
    assert after[0].hash == before[0].hash
    assert after[1:] == before[1:]
    assert {hash: block.invalid for hash, block in again.blocks.known.items()} == known
    extend(again, again.tip, 1, nonce=5)
    again.close()


# --------------------------------------------------------------------------------------- mempool


def test_a_payment_waits_until_a_block_has_it(state: Chainstate) -> None:
    recording = record(state)
    paid = payment(state)
    entry = state.accept(paid)
    assert entry.fee == 10_000
    assert len(state.mempool) == 1
    submit(state, block_on(state.tip, [paid]))
    assert len(state.mempool) == 0
    # As in Bitcoin Core, a block says itself what it has taken.
    assert told(state, recording) == [("added", name(paid)), ("connected", 104), ("tip",)]


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("bad-txns-inputs-missingorspent", {"height": 1, "spent": True}),
        ("bad-txns-premature-spend-of-coinbase", {"height": 50}),
        ("min relay fee not met", {"fee": 100}),
        ("non-final", {"lock_time": 1000}),
        ("bad-txns-in-belowout", {"fee": -1}),
    ],
)
def test_what_could_not_be_in_the_next_block_does_not_wait(
    reason: str, change: dict[str, int], state: Chainstate
) -> None:
    if change.pop("spent", False):
        submit(state, block_on(state.tip, [payment(state)]))
    with pytest.raises(Invalid) as caught:
        state.accept(payment(state, **change))
    assert caught.value.reason == reason


def test_a_signature_of_somebody_else_is_refused(state: Chainstate) -> None:
    with pytest.raises(Invalid, match="script-verify"):
        state.accept(BOB.pay([reward(state, 1)], [(BOB.script, 1000)]))


def test_a_coinbase_and_bytes_that_are_none_are_refused(state: Chainstate) -> None:
    coinbase = block_on(state.tip).transactions[0]
    for data in (coinbase.serialize(include_witness=True), b"", payment(state)[:-1]):
        with pytest.raises(Invalid):
            state.accept(data)


def test_more_than_the_highest_fee_is_refused(state: Chainstate) -> None:
    with pytest.raises(Invalid, match="max-fee-exceeded"):
        state.accept(payment(state, fee=1_000_000), 999_999)


def test_a_replacement_must_pay_for_all_that_it_replaces(state: Chainstate) -> None:
    first = payment(state, fee=10_000)
    child = chained(first, 1)[1]
    state.accept(first)
    state.accept(child)
    recording = record(state)
    for fee in (10_001, 11_000):
        with pytest.raises(Invalid, match="insufficient fee"):
            state.accept(payment(state, fee=fee))
    better = payment(state, fee=20_000)
    state.accept(better)
    assert [entry.txid for entry in state.mempool] == [txid_of(parse_transaction(better))]
    events = told(state, recording)
    assert sorted(events[:2]) == sorted(
        [("removed", name(each), "REPLACED") for each in (first, child)]
    )
    assert events[2:] == [("added", name(better))]


def test_a_payment_that_a_block_contradicts_goes(state: Chainstate) -> None:
    first = payment(state)
    child = chained(first, 1)[1]
    state.accept(first)
    state.accept(child)
    recording = record(state)
    submit(state, block_on(state.tip, [payment(state, fee=1)]))
    assert len(state.mempool) == 0
    assert {event[:3] for event in told(state, recording)} >= {
        ("removed", name(first), "CONFLICT"),
        ("removed", name(child), "CONFLICT"),
    }


def test_payments_of_a_block_that_is_left_wait_again(state: Chainstate) -> None:
    base = state.tip
    payments = chained(payment(state), 2)
    submit(state, block_on(base, payments[:2]))
    state.accept(payments[2])
    recording = record(state)
    extend(state, extend(state, base, 1, nonce=1), 1)
    assert [entry.data for entry in state.mempool] == payments
    assert told(state, recording) == [
        ("disconnected", 104), ("connected", 104), ("connected", 105),
        ("added", name(payments[0])), ("added", name(payments[1])), ("tip",),
    ]  # fmt: skip


def test_a_payment_of_an_immature_coin_goes_when_the_chain_gets_shorter(state: Chainstate) -> None:
    state.accept(payment(state, 4))  # its coin may be spent in block 104 and later
    recording = record(state)
    state.invalidate(state.tip.hash)
    assert len(state.mempool) == 0
    assert ("removed", name(payment(state, 4)), "REORG") in told(state, recording)


def test_a_row_of_unconfirmed_payments_ends_somewhere(state: Chainstate) -> None:
    payments = chained(payment(state), MAX_CONNECTED)
    for each in payments[:-1]:
        state.accept(each)
    with pytest.raises(Invalid, match="too-long-mempool-chain"):
        state.accept(payments[-1])


def test_the_mempool_keeps_the_order_of_parents_across_restarts(
    state: Chainstate, datadir: Path
) -> None:
    payments = chained(payment(state), 5)
    for each in payments:
        state.accept(each)
    state.close()
    again = Chainstate(datadir)
    assert [entry.data for entry in again.mempool] == payments
    again.close()


# --------------------------------------------------------------------------------- notifications


class Slow(Recorder):
    def __init__(self) -> None:
        super().__init__()
        self.waits, self.go_on = threading.Event(), threading.Event()

    def updated_block_tip(self) -> None:
        self.waits.set()
        assert self.go_on.wait(50)
        super().updated_block_tip()


class Lost(Recorder):
    def updated_block_tip(self) -> None:
        super().updated_block_tip()
        raise mpipc.Disconnected("gone")


class Failing(Recorder):
    def updated_block_tip(self) -> None:
        super().updated_block_tip()
        raise RuntimeError("a client's mistake")


def test_who_is_slow_lost_or_wrong_hinders_nobody(state: Chainstate) -> None:
    slow, lost, failing = Slow(), Lost(), Failing()
    handlers = [state.notifications.add(each) for each in (slow, lost, failing)]
    extend(state, state.tip, 3)
    state.notifications.wait(handlers[1:])
    tips = [("connected", 104), ("tip",), ("connected", 105), ("tip",), ("connected", 106)]
    assert failing.told == [*tips, ("tip",)]
    assert lost.told == tips[:2]
    assert slow.waits.wait(50)
    assert slow.told == tips[:1]
    slow.go_on.set()
    state.notifications.wait(handlers)
    assert slow.told == [*tips, ("tip",)]


@pytest.mark.parametrize("how", ["disconnect", "let go"])
def test_who_has_no_handler_any_more_is_told_nothing(how: str, state: Chainstate) -> None:
    recorder, other = Recorder(), Recorder()
    handler = state.notifications.add(recorder)
    kept = state.notifications.add(other)
    if how == "disconnect":
        handler.disconnect()
        handler.disconnect()  # a second time is harmless
    else:
        del handler
    extend(state, state.tip, 1)
    state.notifications.wait([kept])
    assert recorder.told == []
