"""Amounts as people write them: bitcoins, where the interfaces have satoshis."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_DIGITS = 8
_BITCOINS = 21_000_000


def parse_amount(text: str) -> int:
    """Satoshis of an amount in bitcoins. Raises ValueError, whose text is for people."""
    try:
        amount = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError("An amount is a number of bitcoins, such as 0.25") from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError("An amount is more than 0")
    if amount > _BITCOINS:
        raise ValueError("There are only 21 million bitcoins")
    satoshis = amount.scaleb(_DIGITS)
    if satoshis != satoshis.to_integral_value():
        raise ValueError(f"An amount has at most {_DIGITS} digits after the point")
    return int(satoshis)
