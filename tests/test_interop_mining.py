"""Bitcoin Core's interfaces: pycapnp on the committed schemas, mpipc on the committed code."""

from __future__ import annotations

import datetime
from pathlib import Path

import mpipc
from interfaces.common import BlockRef
from interfaces.echo import Echo
from interfaces.init import Init
from interfaces.mining import (
    BlockCheckOptions,
    BlockCreateOptions,
    BlockTemplate,
    BlockWaitOptions,
    CheckedBlock,
    Mining,
)
from interfaces.values import BlockHash
from mpipc.schema import INCLUDE
from tests.interop.service import Foreign


class Repeater(Echo):
    def echo(self, echo: str) -> str:
        return echo


class Template(BlockTemplate):
    def get_block_header(self) -> bytes:
        return bytes(80)

    def get_block(self) -> bytes:
        return bytes(1_000_000)

    def get_tx_fees(self) -> list[int]:
        return [1, -1, 2**63 - 1]

    def get_tx_sigops(self) -> list[int]:
        return []

    def get_coinbase_tx(self) -> bytes:
        return b""

    def get_coinbase_commitment(self) -> bytes:
        return b""

    def get_witness_commitment_index(self) -> int:
        return -1

    def get_coinbase_merkle_path(self) -> list[bytes]:
        return [b"\1" * 32, b"\2" * 32]

    def submit_solution(self, version: int, timestamp: int, nonce: int, coinbase: bytes) -> bool:
        return (version, timestamp, nonce, coinbase) == (1, 2, 2**32 - 1, b"coinbase")

    def wait_next(self, options: BlockWaitOptions) -> BlockTemplate | None:
        return Template() if options.timeout == datetime.timedelta.max else None


class Miner(Mining):
    def is_test_chain(self) -> bool:
        return True

    def is_initial_block_download(self) -> bool:
        return False

    def get_tip(self) -> BlockRef | None:
        return BlockRef(BlockHash(b"\7" * 32), 840_000)

    def wait_tip_changed(self, current_tip: bytes, timeout: datetime.timedelta) -> BlockRef | None:
        return BlockRef(BlockHash(b""), 840_001) if timeout == datetime.timedelta.max else None

    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate | None:
        return Template() if options.block_reserved_weight == 8000 else None

    def check_block(self, block: bytes, options: BlockCheckOptions) -> CheckedBlock:
        assert len(block) == 1_000_000 and options == BlockCheckOptions(False, True)
        return CheckedBlock("high-hash", "proof of work", False)


class Node(Init):
    def make_echo(self) -> Echo:
        return Repeater()

    def make_mining(self) -> Mining:
        return Miner()


def test_a_foreign_miner(tmp_path: Path) -> None:
    with mpipc.serve(f"unix:{tmp_path}/s", Node()):
        Foreign("mining", str(INCLUDE), f"{tmp_path}/s", "client").output()


def test_a_foreign_node(tmp_path: Path) -> None:
    server = Foreign("mining", str(INCLUDE), f"{tmp_path}/s", "server")
    try:
        assert server.line() == "ready"
        with mpipc.connect(f"unix:{tmp_path}/s", Init) as init:
            talk(init)
    finally:
        server.kill()


TIP = BlockHash(b"tip")


def talk(init: Init) -> None:
    forever = datetime.timedelta.max
    assert init.make_echo().echo("hello") == "hello"
    mining = init.make_mining()
    assert mining.is_test_chain() is True
    assert mining.get_tip() == BlockRef(BlockHash(b"\7" * 32), 840_000)
    assert mining.wait_tip_changed(TIP, forever) == BlockRef(TIP, -1)
    assert mining.wait_tip_changed(TIP, datetime.timedelta(seconds=1)) is None
    checked = mining.check_block(bytes(1_000_000), BlockCheckOptions(check_merkle_root=False))
    assert checked == CheckedBlock("high-hash", "proof of work", False)
    template = mining.create_new_block(BlockCreateOptions())
    assert template is not None
    assert template.get_tx_fees() == [1, -1, 2**63 - 1]
    assert template.get_coinbase_merkle_path() == [b"\1" * 32, b"\2" * 32]
    assert template.wait_next(BlockWaitOptions(datetime.timedelta(0))) is None
    better = template.wait_next(BlockWaitOptions())
    assert better is not None
    assert better.submit_solution(1, 2, 2**32 - 1, b"coinbase") is True
    assert template.get_witness_commitment_index() == 0
    mpipc.close(better)
    assert template.get_witness_commitment_index() == -1
