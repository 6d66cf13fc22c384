"""Making transactions: which coins, which fee, which change; and signing.

Coin selection, sizes, fees and signatures are the library's.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from btclib.exceptions import BTClibException
from btclib.fee import FeeRate, fee_from_vsize
from btclib.script.witness import Witness
from btclib.tx import Tx, TxIn, TxOut, input_weight
from btclib_wallet.coin_selection import Candidate, select_coins
from btclib_wallet.psbt.psbt import Psbt, extract_tx, finalize
from btclib_wallet.psbt.psbt_in import PsbtIn
from btclib_wallet.psbt_signer import SoftwareSigner
from btclib_wallet.tx_builder import FundedPsbt, build_psbt

from examples.bitcoin.common.bitcoin import library_out_point, spent_by
from examples.bitcoin.common.chainparams import COIN
from examples.bitcoin.wallet.ledger import Ledger, OwnCoin
from interfaces.values import OutPoint
from interfaces.wallet import CoinControl

FALLBACK_FEE_RATE = 2_000
"""Satoshis for 1000 virtual bytes, where the node has no estimate."""

MAX_FEE = COIN // 10
_LONG_TERM_FEE_RATE = FeeRate(sats_per_kvbyte=10_000)
_INPUT_WEIGHT = input_weight(b"", Witness([bytes(72), bytes(33)]))
_UNSUPPORTED = (
    "allow_watch_only",
    "avoid_partial_spends",
    "avoid_address_reuse",
    "max_tx_weight",
)
_REPLACEABLE, _FINAL = 0xFFFFFFFD, 0xFFFFFFFE


class CannotSpend(Exception):
    """A transaction cannot be made; the text says why."""


@dataclass(frozen=True)
class Payment:
    """Who gets how much."""

    script: bytes
    amount: int
    pays_fee: bool = False
    """Whether the fee is taken from the amount, or a share of it."""


@dataclass(frozen=True)
class Draft:
    """A transaction that is not signed."""

    psbt: Psbt
    fee: int
    change_index: int | None

    @property
    def tx(self) -> Tx:
        return self.psbt.tx


def draft(
    ledger: Ledger,
    payments: Sequence[Payment],
    change_script: bytes,
    per_kvbyte: int,
    control: CoinControl = CoinControl(),  # noqa: B008
    change_position: int | None = None,
    forced: Sequence[OwnCoin] = (),
) -> Draft:
    """Make a transaction at a fee rate, but do not sign it. `change_position` is the place of the
    change among the outputs; None: any. `forced` are coins that it spends in any case, though
    another transaction does, too. Raises CannotSpend."""
    if not payments:
        raise CannotSpend("nobody is paid")
    if any(payment.amount <= 0 for payment in payments):
        raise CannotSpend("an amount must be positive")
    try:
        rate = FeeRate(sats_per_kvbyte=per_kvbyte)
        coins = _choose(ledger, payments, change_script, rate, control, forced)
        inputs = [_input(ledger, coin, control) for coin in coins]
        funded = _build(inputs, payments, change_script, rate, control)
    except BTClibException as error:
        raise CannotSpend(str(error)) from None
    change = funded.change_index
    if change is not None:
        outputs = funded.psbt.outputs
        wanted = secrets.randbelow(len(outputs)) if change_position is None else change_position
        outputs.insert(min(wanted, len(outputs) - 1), outputs.pop(change))
        change = min(wanted, len(outputs) - 1)
    return Draft(funded.psbt, funded.fee, change)


def sign(psbt: Psbt, signer: SoftwareSigner) -> Tx:
    """Sign all inputs. Raises CannotSpend."""
    try:
        return extract_tx(finalize(signer.sign_psbt(psbt)))
    except BTClibException as error:
        raise CannotSpend(f"cannot sign: {error}") from None


def available(ledger: Ledger, control: CoinControl) -> list[OwnCoin]:
    """The coins that a transaction may spend."""
    _refuse_unsupported(control)
    selected = set(control.set_selected)
    return [
        coin
        for coin in ledger.coins()
        if coin.is_mature
        and (
            coin.outpoint in selected
            or (
                control.allow_other_inputs
                and not coin.is_locked
                and (coin.is_safe or (control.include_unsafe_inputs and coin.in_mempool))
                and control.min_depth <= coin.depth <= control.max_depth
            )
        )
    ]


def _refuse_unsupported(control: CoinControl) -> None:
    for name in _UNSUPPORTED:
        if getattr(control, name):
            raise CannotSpend(f"{name} is not offered")


def _choose(
    ledger: Ledger,
    payments: Sequence[Payment],
    change_script: bytes,
    rate: FeeRate,
    control: CoinControl,
    forced: Sequence[OwnCoin],
) -> list[OwnCoin]:
    coins = [*forced, *available(ledger, control)]
    wanted = {*control.set_selected, *(coin.outpoint for coin in forced)}
    selected = [coin for coin in coins if coin.outpoint in wanted]
    missing = wanted - {coin.outpoint for coin in selected}
    if missing:
        raise CannotSpend(f"{OutPoint(min(missing))} cannot be spent")
    # Where recipients pay the fee, the inputs need not be worth more than the outputs.
    selecting = FeeRate(sats_per_kvbyte=0) if any(each.pays_fee for each in payments) else rate
    have = sum(_candidate(coin).effective_value(selecting) for coin in selected)
    others = [coin for coin in coins if coin not in selected]
    confirmed = [coin for coin in others if coin.depth > 0]
    # What is not confirmed is only spent when there is no other way.
    for pool in (confirmed, others):
        try:
            found = _select(pool, have, payments, change_script, selecting)
            return selected + found
        except BTClibException:
            continue
    total = sum(coin.amount for coin in coins)
    raise CannotSpend(
        f"insufficient funds: {total} satoshis can be spent, and"
        f" {sum(each.amount for each in payments)} and the fee are needed"
    )


def _select(
    pool: list[OwnCoin],
    have: int,
    payments: Sequence[Payment],
    change_script: bytes,
    rate: FeeRate,
) -> list[OwnCoin]:
    """Coins for what is left to pay when `have` is there already. Raises BTClibException."""
    outputs = [TxOut(0, each.script) for each in payments]
    left = sum(each.amount for each in payments) - have
    # The change alone must not make more coins necessary: up to the size of the smallest
    # transaction nothing is missing.
    overhead = fee_from_vsize(11 + sum(9 + len(each.script) for each in payments), rate)
    if left + overhead <= 0:
        return []
    outputs[0] = TxOut(max(left, 0), payments[0].script)
    by_name = {library_out_point(coin.outpoint): coin for coin in pool}
    candidates = [_candidate(coin) for coin in pool]

    def run(*algorithms: str) -> list[OwnCoin]:
        result = select_coins(
            candidates, outputs, rate, _LONG_TERM_FEE_RATE, change_script, _INPUT_WEIGHT,
            algorithms=algorithms,
        )  # fmt: skip
        return [by_name[each.outpoint] for each in result.selected]

    try:
        return run("bnb", "srd")
    except BTClibException:
        return run("knapsack")  # slow, but content with less change than a random draw


def _candidate(coin: OwnCoin) -> Candidate:
    return Candidate(
        library_out_point(coin.outpoint), TxOut(coin.amount, coin.script), _INPUT_WEIGHT
    )


def _input(ledger: Ledger, coin: OwnCoin, control: CoinControl) -> PsbtIn:
    replaceable = control.signal_rbf is not False
    found = PsbtIn(
        previous_tx_id=library_out_point(coin.outpoint).tx_id,
        output_index=coin.outpoint.index,
        sequence=_REPLACEABLE if replaceable else _FINAL,
    )
    fill_input(ledger, found, coin.outpoint)
    return found


def fill_input(ledger: Ledger, psbt_in: PsbtIn, outpoint: OutPoint) -> bool:
    """Add what it takes to sign an input of the wallet. Returns whether it is one."""
    row, entry = ledger.own_output(outpoint), ledger.entry(outpoint.txid)
    position = None if row is None else ledger.position(row["script"])
    if entry is None or position is None:
        return False
    psbt_in.non_witness_utxo = entry.tx
    psbt_in.witness_utxo = entry.tx.vout[outpoint.index]
    psbt_in.hd_key_paths = {
        **psbt_in.hd_key_paths,
        ledger.account.public_key(position): ledger.account.origin(position),
    }
    return True


def unsigned_psbt(ledger: Ledger, tx: Tx) -> Psbt:
    """A transaction, without its signatures, for the wallet to sign."""
    inputs = [TxIn(each.prev_out, b"", each.sequence) for each in tx.vin]
    psbt = Psbt.from_tx(Tx(tx.version, tx.lock_time, inputs, tx.vout))
    for psbt_in, tx_in in zip(psbt.inputs, tx.vin, strict=True):
        fill_input(ledger, psbt_in, spent_by(tx_in))
    return psbt


def _build(
    inputs: list[PsbtIn],
    payments: Sequence[Payment],
    change_script: bytes,
    rate: FeeRate,
    control: CoinControl,
) -> FundedPsbt:
    def build(amounts: list[int], rate: FeeRate) -> FundedPsbt:
        outputs = [
            TxOut(amount, each.script) for each, amount in zip(payments, amounts, strict=True)
        ]
        return build_psbt(
            inputs, outputs, rate, change_script, max_fee=MAX_FEE,
            tx_version=2 if control.version is None else control.version,
            lock_time=control.lock_time or 0,
        )  # fmt: skip

    amounts = [each.amount for each in payments]
    payers = [number for number, each in enumerate(payments) if each.pays_fee]
    if not payers:
        return build(amounts, rate)
    # The change stays the same, whatever the recipients pay, and so does the size.
    fee = fee_from_vsize(build(amounts, FeeRate(sats_per_kvbyte=0)).psbt.vsize_estimate(), rate)
    share, rest = divmod(fee, len(payers))
    for number in payers:
        amounts[number] -= share
    amounts[payers[0]] -= rest
    if min(amounts) <= 0:
        raise CannotSpend(f"an amount is less than its share of the fee, which is {fee} satoshis")
    return build(amounts, rate)
