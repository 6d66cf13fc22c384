"""The chain of the example: regtest, with the rules of Bitcoin Core's."""

from __future__ import annotations

from typing import Final

from btclib.block.genesis import genesis_block
from btclib.consensus import CONSENSUS_PARAMS

NETWORK: Final = "regtest"
PARAMS: Final = CONSENSUS_PARAMS[NETWORK]
GENESIS: Final = genesis_block(NETWORK)
COIN: Final = 100_000_000
"""Satoshis of a bitcoin."""

NODE_RPC_PORT: Final = 18443
WALLET_RPC_PORT: Final = 18453
INDEX_RPC_PORT: Final = 18463
