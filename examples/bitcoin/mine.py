"""Mines blocks, as a client of a node's Mining: python -m examples.bitcoin.mine [options]"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from btclib.block import BlockHeader
from btclib.block.mining import NONCE_SPACE
from btclib.block.mining import mine as grind
from btclib.hashes import hash256, merkle_root_from_branch
from btclib.tx import Tx, TxOut

import mpipc
from examples.bitcoin.common import console
from examples.bitcoin.common.bitcoin import (
    block_hash_of,
    parse_transaction,
    script_of,
    transaction_bytes,
    txid_of,
)
from examples.bitcoin.common.console import say
from examples.bitcoin.common.options import Options, Parser
from interfaces.init import Init
from interfaces.mining import BlockCreateOptions, BlockTemplate, Mining
from interfaces.values import BlockHash

ANYONE = b"\x51"
"""A script that anybody can spend."""


class NotMined(Exception):
    """The node has not taken a block: another one was faster, or it ends."""


def mine(mining: Mining, script: bytes = ANYONE) -> BlockHash:
    """Mine a block on the tip that pays to a script. Raises NotMined."""
    template = mining.create_new_block(BlockCreateOptions())
    if template is None:
        raise NotMined("the node ends")
    try:
        return solve(template, script)
    finally:
        mpipc.close(template)


def solve(template: BlockTemplate, script: bytes = ANYONE) -> BlockHash:
    """Find the nonce of a template whose coinbase pays to a script, and hand it in. Raises
    NotMined."""
    coinbase = _paying(parse_transaction(template.get_coinbase_tx()), script)
    path = template.get_coinbase_merkle_path()
    root = merkle_root_from_branch(txid_of(coinbase), path, 0, hash256)
    header = BlockHeader.parse(template.get_block_header())
    solved = grind(replace(header, merkle_root=root[::-1]), NONCE_SPACE)
    if solved is None:
        raise NotMined("no nonce gives this header proof of work")
    version, timestamp = solved.version % (1 << 32), int(solved.time.timestamp())
    if not template.submit_solution(
        version, timestamp, solved.nonce, transaction_bytes(coinbase)
    ):  # fmt: skip
        raise NotMined("the node has not accepted the block")
    return block_hash_of(solved)


def _paying(coinbase: Tx, script: bytes) -> Tx:
    """The same coinbase transaction with its reward for somebody else."""
    reward, *others = coinbase.vout
    outputs = [TxOut(reward.value, script), *others]
    return Tx(coinbase.version, coinbase.lock_time, coinbase.vin, outputs)


class MineOptions(Options):
    address: str | None
    blocks: int


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def main() -> None:
    parser = Parser("mpipc-mine", "Mine blocks on the chain of a regtest node.")
    parser.connects()
    parser.option("blocks", "N", "how many", 1, type=_count)
    parser.option("address", "ADDRESS", "who gets the reward; without it, whoever takes it")
    options = parser.parse_args(namespace=MineOptions())
    console.introduce("mine")
    try:
        script = script_of(options.address) if options.address else ANYONE
    except ValueError as error:
        sys.exit(f"mine: {options.address} is no address: {error}")
    try:
        with mpipc.connect(options.ipcconnect, Init, datadir=options.datadir) as init:
            mining = init.make_mining()
            for _ in range(options.blocks):
                say(f"mined block {mine(mining, script)}")
    except (mpipc.IpcError, NotMined) as error:
        sys.exit(f"mine: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
