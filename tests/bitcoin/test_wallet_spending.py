"""Transactions of wallets with any coins: they add up, they pay what was asked for, and the
signatures are good for whoever checks them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("btclib_wallet", reason="the wallet's library needs Python 3.11")

from btclib.fee import dust_threshold
from btclib.script.engine import verify_transaction
from btclib.tx import Tx, TxOut
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.bitcoin.common.bitcoin import fee_of, spent_by
from examples.bitcoin.wallet.keys import Branch, signer
from examples.bitcoin.wallet.ledger import Ledger
from examples.bitcoin.wallet.spending import CannotSpend, Draft, Payment, draft, sign
from interfaces.values import OutPoint
from interfaces.wallet import CoinControl
from tests.bitcoin.ledgers import new_ledger, receive

SOMEBODY = b"\x00\x14" + b"s" * 20
SOMEBODY_ELSE = b"\x51\x20" + b"e" * 32
DUST = dust_threshold(SOMEBODY)

amounts = st.integers(300, 10**10)
rates = st.integers(1_000, 200_000)


@contextmanager
def wallet_with(coins: list[int]) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory() as directory:
        ledger = new_ledger(Path(directory, "wallet.sqlite"))
        try:
            receive(ledger, coins)
            yield ledger
        finally:
            ledger.store.close()


def check(ledger: Ledger, made: Draft, payments: list[Payment], rate: int) -> Tx:
    """What has to be true of every transaction; returns it, signed."""
    tx = sign(made.psbt, signer(ledger.store.meta("seed")))
    coins = {coin.outpoint: coin for coin in ledger.coins()}
    spent = [coins[spent_by(tx_in)] for tx_in in tx.vin]
    assert len({coin.outpoint for coin in spent}) == len(spent)
    verify_transaction([TxOut(coin.amount, coin.script) for coin in spent], tx)
    paid = [(tx_out.script_pub_key.script, tx_out.value) for tx_out in tx.vout]
    assert sum(coin.amount for coin in spent) - sum(value for _, value in paid) == made.fee
    assert made.fee >= fee_of(rate, tx.vsize)
    # A signature may be shorter than was reckoned with, and what would be dust is no change.
    more = 0 if made.change_index is not None else DUST + fee_of(rate, 43)
    assert made.fee <= fee_of(rate, tx.vsize + len(spent)) + more
    if made.change_index is not None:
        script, value = paid.pop(made.change_index)
        position = ledger.position(script)
        assert position is not None and position.branch is Branch.CHANGE
        assert value >= dust_threshold(script)
    assert [script for script, _ in paid] == [each.script for each in payments]
    less = [each.amount - value for each, (_, value) in zip(payments, paid, strict=True)]
    for each, difference in zip(payments, less, strict=True):
        assert 0 < difference <= made.fee if each.pays_fee else difference == 0
    return tx


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_a_wallet_holds_it_pays_what_it_can(data: st.DataObject) -> None:
    coins = data.draw(st.lists(amounts, min_size=1, max_size=25))
    whole = sum(coins)
    first = data.draw(st.integers(DUST, max(DUST, whole)))
    payments = [Payment(SOMEBODY, first)]
    if data.draw(st.booleans()):
        least = dust_threshold(SOMEBODY_ELSE)  # more than DUST: it costs more to spend
        second = data.draw(st.integers(least, max(least, whole)))
        payments.append(Payment(SOMEBODY_ELSE, second))
    rate = data.draw(rates)
    with wallet_with(coins) as ledger:
        try:
            made = draft(ledger, payments, ledger.change_script(), rate)
        except CannotSpend as error:
            # Only where there really is not enough, each coin being worth what it costs to spend.
            worth = sum(max(0, coin - fee_of(rate, 69)) for coin in coins)
            needed = sum(each.amount for each in payments) + fee_of(rate, 100)
            assert worth < needed or "exceeds" in str(error), str(error)
        else:
            check(ledger, made, payments, rate)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(100_000, 10**9), min_size=1, max_size=12), rates, st.data())
def test_recipients_can_pay_the_fee_down_to_the_last_coin(
    coins: list[int], rate: int, data: st.DataObject
) -> None:
    amount = data.draw(st.one_of(st.just(sum(coins)), st.integers(50_000, sum(coins))))
    payments = [Payment(SOMEBODY, amount, pays_fee=True)]
    with wallet_with(coins) as ledger:
        try:
            made = draft(ledger, payments, ledger.change_script(), rate)
        except CannotSpend as error:
            assert any(word in str(error) for word in ("share", "dust", "exceeds")), str(error)
            return
        tx = check(ledger, made, payments, rate)
        if amount == sum(coins):
            assert made.change_index is None and len(tx.vin) == len(coins)


def test_locked_coins_are_left_alone(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "wallet.sqlite")
    receive(ledger, [1_000_000, 1_000_000])
    kept, other = (coin.outpoint for coin in ledger.coins())
    ledger.lock_coin(kept, keep=True)
    made = draft(ledger, [Payment(SOMEBODY, 900_000)], ledger.change_script(), 1_000)
    assert [spent_by(each) for each in made.tx.vin] == [other]
    with pytest.raises(CannotSpend, match="insufficient funds"):
        draft(ledger, [Payment(SOMEBODY, 1_500_000)], ledger.change_script(), 1_000)
    ledger.store.close()


def test_chosen_coins_are_spent_and_others_only_where_allowed(tmp_path: Path) -> None:
    ledger = new_ledger(tmp_path / "wallet.sqlite")
    receive(ledger, [100_000, 200_000, 5_000_000])
    chosen = {coin.outpoint for coin in ledger.coins() if coin.amount < 1_000_000}

    def spend(amount: int, *, others: bool) -> set[OutPoint]:
        control = CoinControl(set_selected=sorted(chosen), allow_other_inputs=others)
        made = draft(ledger, [Payment(SOMEBODY, amount)], ledger.change_script(), 1_000, control)
        check(ledger, made, [Payment(SOMEBODY, amount)], 1_000)
        return {spent_by(each) for each in made.tx.vin}

    assert spend(50_000, others=False) == chosen
    assert spend(50_000, others=True) == chosen
    assert spend(1_000_000, others=True) > chosen
    with pytest.raises(CannotSpend):
        spend(1_000_000, others=False)
    unknown = CoinControl(set_selected=[OutPoint.of(bytes(32), 7)])
    with pytest.raises(CannotSpend, match="cannot be spent"):
        draft(ledger, [Payment(SOMEBODY, 5_000)], ledger.change_script(), 1_000, unknown)
    ledger.store.close()


@pytest.mark.parametrize(
    ("payments", "rate", "why"),
    [
        ([], 1_000, "nobody"),
        ([Payment(SOMEBODY, 0)], 1_000, "positive"),
        ([Payment(SOMEBODY, -5)], 1_000, "positive"),
        ([Payment(SOMEBODY, DUST - 1)], 1_000, "dust"),
        ([Payment(SOMEBODY, 2**62)], 1_000, "."),
        ([Payment(SOMEBODY, 10_000)], 10**9, "."),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, payments: list[Payment], rate: int, why: str
) -> None:
    ledger = new_ledger(tmp_path / "wallet.sqlite")
    receive(ledger, [10**9])
    with pytest.raises(CannotSpend, match=why):
        draft(ledger, payments, ledger.change_script(), rate)
    ledger.store.close()
