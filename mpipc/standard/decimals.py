"""Decimal -> Text, as `str` writes it: every digit, the exponent and the sign of zero stay."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from mpipc import hooks

LONGEST = 4300
"""Characters; as many digits as Python makes an int of by default, for the same reason."""

_NUMBER = re.compile(
    r"-?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,19})?|Infinity|s?NaN[0-9]*)\Z"
)


def build_decimal(value: Decimal) -> str:
    if not isinstance(value, Decimal):
        raise TypeError("not a Decimal")
    text = str(value)
    if len(text) > LONGEST:
        raise ValueError(f"{len(text)} characters, where {LONGEST} may travel")
    return text


def read_decimal(text: str) -> Decimal:
    if len(text) > LONGEST or not _NUMBER.match(text):
        raise ValueError("no decimal number")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("the exponent is out of range") from None


hooks.register(Decimal, wire=str, build=build_decimal, read=read_decimal)
