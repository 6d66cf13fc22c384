"""The index: filters of all blocks, from a node that comes and goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from btclib.block.block_filter import BasicBlockFilter

import mpipc
from examples.bitcoin.common.bitcoin import parse_block, unpack_undo
from examples.bitcoin.common.link import LocalLink
from examples.bitcoin.common.options import Options
from examples.bitcoin.common.process import Shutdown
from examples.bitcoin.index.interfaces.filters import BlockFilters, IndexInit
from examples.bitcoin.index.main import open_index
from examples.bitcoin.mine import mine
from examples.bitcoin.node.chainstate import Chainstate
from examples.bitcoin.node.main import InitOfNode, NodeOptions, open_node
from interfaces.enums import BlockFilterType
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash
from tests.bitcoin.chains import ALICE, BOB, MATURE, block_on, extend, payment, submit
from tests.bitcoin.support import Program, Start

LATE = timedelta(seconds=50)
NOBODY = b"\x00\x14" + bytes(20)


def connect(datadir: Path, name: str) -> Any:
    root = ProposedInit if name == "node" else IndexInit
    return mpipc.connect("unix", root, datadir=datadir, name=name)


def start_program(start: Start, name: str, *arguments: str) -> Program:
    program = start(name, *arguments)
    program.wait_for("listening on")
    return program


def test_filters_are_those_of_bip_158(state: Chainstate, datadir: Path) -> None:
    """Made from what the blocks spend, which the index has to find out by itself."""
    submit(state, block_on(state.tip, [payment(state, 1), payment(state, 2)]))
    expected, header = [], bytes(32)
    for block in state.blocks.active:
        spent = unpack_undo(state.store.undo(block.hash))
        scripts = [coin.tx_out.script_pub_key.script for coins in spent for coin in coins]
        made = BasicBlockFilter.from_block(parse_block(state.block_data(block)), scripts)
        header = made.header(header[::-1])[::-1]
        expected.append((block.hash, made.serialize(), header))
    state.close()
    with open_node(NodeOptions(datadir=datadir), Shutdown()) as node:
        assert isinstance(node.init, InitOfNode)
        options = Options(datadir=datadir)
        with open_index(options, Shutdown(), LocalLink(node.init)) as part:
            assert isinstance(part.init, IndexInit)
            filters = part.init.make_block_filters()
            assert filters.wait_for(expected[-1][0], LATE)
            for hash, data, header in expected:
                found = filters.get_filter(hash)
                assert found is not None
                assert (found.data, found.header) == (data, header)
            tip = expected[-1][0]
            assert filters.matches_any(tip, [NOBODY, ALICE.script])  # whose coins it spends
            assert filters.matches_any(tip, [BOB.script])
            assert not filters.matches_any(tip, [NOBODY])
            assert filters.matches_any(BlockHash(bytes(32)), [NOBODY]) is None


def test_a_reorganisation_is_followed(state: Chainstate, datadir: Path) -> None:
    base = state.tip
    old = submit(state, block_on(base, [payment(state)]))
    state.close()
    with open_node(NodeOptions(datadir=datadir), Shutdown()) as node:
        assert isinstance(node.init, InitOfNode)
        running = node.init._node.state
        with open_index(Options(datadir=datadir), Shutdown(), LocalLink(node.init)) as part:
            assert isinstance(part.init, IndexInit)
            filters = part.init.make_block_filters()
            assert filters.wait_for(old.hash, LATE)
            base = running.blocks.active[-3]
            tip = extend(running, base, 4, nonce=1)
            assert filters.wait_for(tip.hash, LATE)
            assert filters.get_filter(old.hash) is None
            assert filters.get_tip() == tip.ref


def indexed(filters: BlockFilters, hash: BlockHash) -> bool:
    return filters.wait_for(hash, LATE)


def test_it_catches_up_after_whatever_happens_to_node_and_index(start: Start, mature: Path) -> None:
    index = start_program(start, "index", "-server", "-rpcport=0")
    index.wait_for("waiting for the node")
    node = start_program(start, "node")
    with connect(mature, "index") as init, connect(mature, "node") as root:
        filters, mining = init.make_block_filters(), root.make_mining()
        assert indexed(filters, root.make_chain().get_block_hash(MATURE))
        assert indexed(filters, mine(mining))
        node.kill()
        node = start_program(start, "node")
        with connect(mature, "node") as again:
            assert indexed(filters, mine(again.make_mining()))
            index.kill()
            hashes = [mine(again.make_mining()) for _ in range(3)]
    index = start_program(start, "index")
    with connect(mature, "index") as init:
        filters = init.make_block_filters()
        assert indexed(filters, hashes[-1])
        assert filters.get_tip().height == MATURE + 5
    assert node.terminate() == 0
    index.wait_for("lost the node")
    assert index.terminate() == 0
    assert "Traceback" not in index.output


def test_a_node_answers_with_the_filters_of_an_index(start: Start, mature: Path) -> None:
    node = start_program(start, "node", "-blockfilters")
    with connect(mature, "node") as root:
        chain = root.make_chain()
        tip = chain.get_block_hash(MATURE)
        basic = BlockFilterType.BASIC
        assert not chain.has_block_filter_index(basic)
        assert chain.block_filter_matches_any(basic, tip, [NOBODY]) is None
        start_program(start, "index")
        node.until(lambda: bool(chain.has_block_filter_index(basic)))
        node.until(lambda: chain.block_filter_matches_any(basic, tip, [NOBODY]) is False)
        assert chain.block_filter_matches_any(basic, tip, [ALICE.script]) is True
    assert node.terminate() == 0


@pytest.mark.parametrize("flag", ["-help", "--help"])
def test_help_lists_the_options(flag: str, start: Start) -> None:
    index = start("index", flag)
    assert index.wait() == 0
    assert "-ipcconnect=ADDR" in index.output
