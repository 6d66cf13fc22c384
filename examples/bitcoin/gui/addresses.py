"""Addresses, as people write them."""

from __future__ import annotations

from btclib.exceptions import BTClibException
from btclib.script.script_pub_key import ScriptPubKey, type_and_payload

from examples.bitcoin.common.chainparams import NETWORK
from interfaces.wallet import TxDestination


def address_of_script(script: bytes) -> str:
    try:
        return ScriptPubKey(script, NETWORK).address
    except BTClibException:
        return ""


def parse_address(text: str) -> TxDestination:
    try:
        spk = ScriptPubKey.from_address(text)
    except BTClibException as error:
        raise ValueError(f"That is no address: {error}") from None
    if spk.network != NETWORK:
        raise ValueError("That is an address of another network")
    return TxDestination(witness_v0_key_hash=type_and_payload(spk.script)[1])


def address_of(dest: TxDestination) -> str:
    return address_of_script(b"\0\x14" + (dest.witness_v0_key_hash or bytes(20)))


def script_of(dest: TxDestination) -> bytes:
    return b"\0\x14" + (dest.witness_v0_key_hash or bytes(20))
