"""Destinations, their addresses as people write them, and the scripts of outputs."""

from __future__ import annotations

import msgspec
from btclib.exceptions import BTClibException
from btclib.script.script_pub_key import type_and_payload

from examples.bitcoin.common import bitcoin
from interfaces.wallet import TxDestination, WitnessUnknown

_NAMES = {
    "p2pk": "pub_key",
    "p2pkh": "pk_hash",
    "p2sh": "script_hash",
    "p2wsh": "witness_v0_script_hash",
    "p2wpkh": "witness_v0_key_hash",
    "p2tr": "witness_v1_taproot",
}


class InvalidAddress(ValueError):
    """A text is no address of this network."""


def destination_of(script: bytes) -> TxDestination:
    """What an output pays to; an empty destination where its script has no address."""
    kind, payload = type_and_payload(script)
    if kind in _NAMES:
        return msgspec.structs.replace(TxDestination(), **{_NAMES[kind]: payload})
    if kind == "witness_unknown":
        version = script[0] and script[0] - 0x50
        return TxDestination(witness_unknown=WitnessUnknown(version, script[2:]))
    return TxDestination()


def script_of(destination: TxDestination) -> bytes:
    """The script that pays to a destination. Raises InvalidAddress for an empty one, and for one
    that cannot be."""
    sizes = {"pk_hash": 20, "script_hash": 20, "witness_v0_key_hash": 20}
    for name in _NAMES.values():
        value: bytes | None = getattr(destination, name)
        if value is not None and name != "pub_key" and len(value) != sizes.get(name, 32):
            raise InvalidAddress(f"{name} of {len(value)} bytes")
    if (key := destination.pub_key) is not None:
        return bytes([len(key)]) + key + b"\xac"
    if (hash := destination.pk_hash) is not None:
        return b"\x76\xa9\x14" + hash + b"\x88\xac"
    if (hash := destination.script_hash) is not None:
        return b"\xa9\x14" + hash + b"\x87"
    if (hash := destination.witness_v0_script_hash) is not None:
        return b"\x00\x20" + hash
    if (hash := destination.witness_v0_key_hash) is not None:
        return b"\x00\x14" + hash
    if (key := destination.witness_v1_taproot) is not None:
        return b"\x51\x20" + key
    if (unknown := destination.witness_unknown) is not None:
        if not (1 <= unknown.version <= 16 and 2 <= len(unknown.program) <= 40):
            raise InvalidAddress("a witness program that cannot be")
        return bytes([0x50 + unknown.version, len(unknown.program)]) + unknown.program
    raise InvalidAddress("there is no address")


def script_at(address: str) -> bytes:
    """The script that pays to an address. Raises InvalidAddress."""
    try:
        return bitcoin.script_of(address)
    except (BTClibException, ValueError) as error:
        raise InvalidAddress(f"no address: {error}") from None
