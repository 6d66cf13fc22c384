"""A node in front of one that has only what Bitcoin Core v30.0 has.

The stand-in is the example's own node, of which clients see the Init of v30.0 alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import mpipc
from examples.bitcoin.common.process import Shutdown
from examples.bitcoin.mine import mine
from examples.bitcoin.node.main import InitOfNode, NodeOptions, open_node
from interfaces.chain import FoundBlockParam
from interfaces.echo import Echo
from interfaces.init import Init
from interfaces.mining import BlockCheckOptions, BlockCreateOptions, BlockWaitOptions, Mining
from interfaces.proposed import ProposedInit
from tests.bitcoin.chains import MATURE
from tests.bitcoin.recorder import Recorder
from tests.bitcoin.support import Program, Start

LATE = timedelta(seconds=50)
HEIGHT = FoundBlockParam(want_height=True, want_hash=True, want_in_active_chain=True)


class InitOfV30(Init):
    def __init__(self, node: InitOfNode) -> None:
        self._node = node

    def make_echo(self) -> Echo:
        return self._node.make_echo()

    def make_mining(self) -> Mining:
        return self._node.make_mining()


@pytest.fixture
def core(mature: Path) -> Iterator[InitOfV30]:
    with open_node(NodeOptions(datadir=mature), Shutdown()) as part:
        assert isinstance(part.init, InitOfNode)
        yield InitOfV30(part.init)


def serve(core: InitOfV30, datadir: Path) -> mpipc.Server:
    return mpipc.serve("unix:core.sock", core, datadir=datadir)


def connect(datadir: Path) -> Any:
    return mpipc.connect("unix", ProposedInit, datadir=datadir, name="node")


def start_node(start: Start) -> Program:
    node = start("node", "-connect-core=unix:core.sock")
    node.wait_for("listening on")
    return node


def test_mining_passes_through(core: InitOfV30, datadir: Path, start: Start) -> None:
    with serve(core, datadir):
        node = start_node(start)
        node.wait_for(f"the tip is block {MATURE}")
        with connect(datadir) as init:
            mining = init.make_mining()
            assert mining.is_test_chain() and not mining.is_initial_block_download()
            template = mining.create_new_block(BlockCreateOptions())
            checked = mining.check_block(template.get_block(), BlockCheckOptions(check_pow=False))
            assert checked.result
            hash = mine(mining)
            assert mining.get_tip().hash == hash
            assert template.wait_next(BlockWaitOptions(timeout=LATE)) is not None
            assert mining.wait_tip_changed(bytes(32), LATE).hash == hash
        assert node.terminate() == 0
    assert "Traceback" not in node.output


def test_the_chain_knows_the_tip(core: InitOfV30, datadir: Path, start: Start) -> None:
    with serve(core, datadir):
        node = start_node(start)
        node.wait_for(f"the tip is block {MATURE}")
        with connect(datadir) as init:
            chain, recorder = init.make_chain(), Recorder()
            handler = chain.handle_notifications(recorder)
            hash = mine(core.make_mining())
            node.wait_for(f"the tip is block {MATURE + 1}")
            chain.wait_for_notifications()
            assert recorder.told == [("tip",)]
            assert chain.get_height() == MATURE + 1
            assert chain.get_block_hash(MATURE + 1) == hash
            found = chain.find_block(hash, HEIGHT).block
            assert (found.hash, found.height, found.in_active_chain) == (hash, MATURE + 1, True)
            handler.disconnect()


def test_what_v30_does_not_tell_is_an_error_that_says_so(
    core: InitOfV30, datadir: Path, start: Start
) -> None:
    with serve(core, datadir):
        node = start_node(start)
        node.wait_for(f"the tip is block {MATURE}")
        with connect(datadir) as init:
            chain = init.make_chain()
            tip = chain.get_block_hash(MATURE)
            calls: list[Callable[[], object]] = [
                lambda: chain.get_block_hash(1),
                lambda: chain.find_block(tip, FoundBlockParam(want_data=True)),
                lambda: chain.find_coins({}),
                lambda: chain.get_setting("wallet"),
            ]
            for call in calls:
                with pytest.raises(mpipc.RemoteError, match=r"Bitcoin Core v30\.0") as caught:
                    call()
                assert caught.value.type == "NotImplementedError"


def test_the_real_node_may_come_and_go(core: InitOfV30, datadir: Path, start: Start) -> None:
    node = start_node(start)
    with connect(datadir) as init:
        mining = init.make_mining()
        with pytest.raises(mpipc.RemoteError, match="not there"):
            mining.get_tip()
        assert init.make_chain().get_height() is None
        for height in (MATURE, MATURE + 1):
            with serve(core, datadir):
                node.wait_for(f"the tip is block {height}")
                node.until(lambda: is_there(mining))
                assert mining.get_tip().height == height
                mine(core.make_mining())
            node.until(lambda: not is_there(mining))
    assert "Traceback" not in node.output


def is_there(mining: Mining) -> bool:
    try:
        mining.get_tip()
    except mpipc.RemoteError:
        return False
    return True
