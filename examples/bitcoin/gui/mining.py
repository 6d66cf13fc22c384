"""Mining for a wallet: the node makes the block, and this process does the work."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from btclib.block import BlockHeader
from btclib.hashes import hash256
from btclib.script.script_pub_key import ScriptPubKey
from btclib.tx import Tx, TxOut

from examples.bitcoin.common.bitcoin import (
    block_hash_of,
    parse_transaction,
    transaction_bytes,
    txid_of,
)
from examples.bitcoin.common.chainparams import NETWORK
from examples.bitcoin.gui.peers import Peer
from examples.bitcoin.gui.refusals import NotRunning, Refused
from interfaces.mining import BlockCreateOptions, Mining
from interfaces.values import BlockHash

_NONCES = 1 << 32
_TRIES = 10
"""How often somebody else may be faster."""


async def mine(mining: Mining, peer: Peer, script: bytes) -> BlockHash:
    """Mine a block that pays to a script; returns its hash. Raises Refused, NotRunning."""
    for _ in range(_TRIES):
        template = await peer.call(mining.create_new_block, BlockCreateOptions())
        if template is None:
            raise NotRunning("The node is about to end")
        data, placeholder, path = await asyncio.gather(
            peer.call(template.get_block_header),
            peer.call(template.get_coinbase_tx),
            peer.call(template.get_coinbase_merkle_path),
        )
        coinbase = paying(parse_transaction(placeholder), script)
        root = merkle_root(txid_of(coinbase), path)
        header = await asyncio.to_thread(solved, data, root)
        if await peer.call(
            template.submit_solution, header.version & 0xFFFFFFFF, int(header.time.timestamp()),
            header.nonce, transaction_bytes(coinbase),
        ):  # fmt: skip
            return block_hash_of(header)
    raise Refused("Others were faster each time")


def paying(coinbase: Tx, script: bytes) -> Tx:
    """A coinbase transaction whose first output pays to a script."""
    first, *others = coinbase.vout
    paid = TxOut(first.value, ScriptPubKey(script, NETWORK))
    return dataclasses.replace(coinbase, vout=[paid, *others])


def merkle_root(txid: bytes, path: Sequence[bytes]) -> bytes:
    """The root of the tree that has this transaction first, by the hashes on its way up."""
    for other in path:
        txid = hash256(txid + other)
    return txid


def solved(template: bytes, root: bytes) -> BlockHeader:
    """The header with this merkle root, and the first nonce that gives it proof of work."""
    start = template[:36] + root + template[68:76]
    for nonce in range(_NONCES):
        header = BlockHeader.parse(start + nonce.to_bytes(4, "little"), check_validity=False)
        if int.from_bytes(header.hash, "big") <= int.from_bytes(header.target, "big"):
            return header
    raise Refused("No nonce gives this block proof of work")
