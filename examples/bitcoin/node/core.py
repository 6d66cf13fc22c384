"""A node in front of a real bitcoin-node: what its Mining tells, as Chain and Mining.

The Init of Bitcoin Core v30.0 leads to Echo and Mining alone. Mining tells the tip, and no more of
the chain: no other hash, no header, no block. So this Chain knows the tip, and says of the rest
that it does not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from weakref import WeakSet

import mpipc
from examples.bitcoin.common.console import say
from examples.bitcoin.common.init import PartialInit
from examples.bitcoin.common.link import Link, RemoteLink
from examples.bitcoin.common.options import Options
from examples.bitcoin.common.process import Part, Shutdown
from examples.bitcoin.common.subscribers import Subscribers
from examples.bitcoin.common.unsupported import unsupported
from interfaces.chain import (
    Chain,
    ChainNotifications,
    FoundBlock,
    FoundBlockParam,
    FoundBlockResult,
)
from interfaces.common import BilingualStr, BlockRef
from interfaces.enums import BlockFilterType
from interfaces.handler import Handler
from interfaces.mining import (
    BlockCheckOptions,
    BlockCreateOptions,
    BlockTemplate,
    CheckedBlock,
    Mining,
)
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash

_CORE = "a node of Bitcoin Core v30.0"


class Core:
    """The real node, which may come and go."""

    def __init__(self, link: Link) -> None:
        self.notifications = Subscribers[ChainNotifications]("tips")
        self.tip: BlockRef | None = None
        self._mining: Mining | None = None
        self._link = link
        link.follow(self._on_connect, self._on_disconnect)

    def close(self) -> None:
        self._link.close()
        self.notifications.close()

    @property
    def mining(self) -> Mining:
        """Its Mining. Raises ConnectionError while it is not there."""
        found = self._mining
        if found is None:
            raise ConnectionError("the node of Bitcoin Core is not there")
        return found

    def _on_connect(self, root: ProposedInit) -> None:
        mining = root.make_mining()
        self._learn(mining.get_tip())
        self._mining = mining
        threading.Thread(target=self._follow, args=[mining], name="core-tips", daemon=True).start()

    def _on_disconnect(self) -> None:
        self._mining = None

    def _follow(self, mining: Mining) -> None:
        """Wait for one tip after the other, until the connection ends."""
        nothing = BlockHash(bytes(32))
        try:
            while True:
                known = self.tip.hash if self.tip else nothing
                tip = mining.wait_tip_changed(known, timedelta.max)
                if tip is None:
                    return  # it ends
                self._learn(tip)
        except mpipc.IpcError:
            return

    def _learn(self, tip: BlockRef | None) -> None:
        if tip is not None and tip != self.tip:
            self.tip = tip
            say(f"the tip is block {tip.height}, {tip.hash}")
            self.notifications.tell(lambda each: each.updated_block_tip())


class MiningOfCore(Mining):
    """The real node's Mining, whichever connection there is to it now."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def is_test_chain(self) -> bool:
        return self._core.mining.is_test_chain()

    def is_initial_block_download(self) -> bool:
        return self._core.mining.is_initial_block_download()

    def get_tip(self) -> BlockRef | None:
        return self._core.mining.get_tip()

    def wait_tip_changed(self, current_tip: BlockHash, timeout: timedelta) -> BlockRef | None:
        return self._core.mining.wait_tip_changed(current_tip, timeout)

    def create_new_block(self, options: BlockCreateOptions) -> BlockTemplate | None:
        return self._core.mining.create_new_block(options)

    def check_block(self, block: bytes, options: BlockCheckOptions) -> CheckedBlock:
        return self._core.mining.check_block(block, options)


class ChainOfCore(Chain):
    """What the tip says about the chain."""

    def __init__(self, core: Core, shutdown: Shutdown) -> None:
        self._core, self._shutdown = core, shutdown
        self._handlers = WeakSet[Handler]()

    def get_height(self) -> int | None:
        return self._core.tip.height if self._core.tip else None

    def get_block_hash(self, height: int) -> BlockHash:
        tip = self._core.tip
        if tip is None or not 0 <= height <= tip.height:
            raise LookupError(f"there is no block at height {height}")
        if height < tip.height:
            raise NotImplementedError(f"{_CORE} tells the hash of its tip alone")
        return tip.hash

    def have_block_on_disk(self, height: int) -> bool:
        return False  # none can be read

    def find_block(self, hash: BlockHash, block: FoundBlockParam) -> FoundBlock:
        tip = self._core.tip
        if tip is None or hash != tip.hash:
            raise NotImplementedError(f"{_CORE} tells about its tip alone")
        known = FoundBlockParam(
            want_hash=block.want_hash,
            want_height=block.want_height,
            want_in_active_chain=block.want_in_active_chain,
        )
        if block != known:
            raise NotImplementedError(f"{_CORE} tells hash and height of its tip, and no more")
        found = FoundBlockResult(
            hash=tip.hash if block.want_hash else None,
            height=tip.height if block.want_height else 0,
            in_active_chain=block.want_in_active_chain,
            found=True,
        )
        return FoundBlock(found, True)

    def guess_verification_progress(self, block_hash: BlockHash) -> float:
        tip = self._core.tip
        return 1.0 if tip is not None and tip.hash == block_hash else 0.0

    def has_block_filter_index(self, filter_type: BlockFilterType) -> bool:
        return False

    def block_filter_matches_any(
        self, filter_type: BlockFilterType, block_hash: BlockHash, filter_set: list[bytes]
    ) -> bool | None:
        return None

    def is_ready_to_broadcast(self) -> bool:
        return False  # it takes no transactions

    def is_initial_block_download(self) -> bool:
        return self._core.mining.is_initial_block_download()

    def has_assumed_valid_chain(self) -> bool:
        return False

    def shutdown_requested(self) -> bool:
        return self._shutdown.requested

    def init_message(self, message: str) -> None:
        say(message)

    def init_warning(self, message: BilingualStr) -> None:
        say(message.original)

    def init_error(self, message: BilingualStr) -> None:
        say(message.original)

    def show_progress(self, title: str, progress: int, resume_possible: bool) -> None:
        say(f"{title}: {progress} %")

    def handle_notifications(self, notifications: ChainNotifications) -> Handler:
        handler = self._core.notifications.add(notifications)
        self._handlers.add(handler)
        return handler

    def wait_for_notifications_if_tip_changed(self, old_tip: BlockHash) -> None:
        if self._core.tip is None or self._core.tip.hash != old_tip:
            self.wait_for_notifications()

    def wait_for_notifications(self) -> None:
        self._core.notifications.wait(list(self._handlers))

    def rpc_enable_deprecated(self, method: str) -> bool:
        return False

    find_locator_fork = unsupported(Chain.find_locator_fork, _CORE)
    find_first_block_with_time_and_height = unsupported(
        Chain.find_first_block_with_time_and_height, _CORE
    )
    find_ancestor_by_height = unsupported(Chain.find_ancestor_by_height, _CORE)
    find_ancestor_by_hash = unsupported(Chain.find_ancestor_by_hash, _CORE)
    find_common_ancestor = unsupported(Chain.find_common_ancestor, _CORE)
    find_coins = unsupported(Chain.find_coins, _CORE)
    has_blocks = unsupported(Chain.has_blocks, _CORE)
    is_rbf_opt_in = unsupported(Chain.is_rbf_opt_in, _CORE)
    is_in_mempool = unsupported(Chain.is_in_mempool, _CORE)
    has_descendants_in_mempool = unsupported(Chain.has_descendants_in_mempool, _CORE)
    broadcast_transaction = unsupported(Chain.broadcast_transaction, _CORE)
    get_transaction_ancestry = unsupported(Chain.get_transaction_ancestry, _CORE)
    calculate_individual_bump_fees = unsupported(Chain.calculate_individual_bump_fees, _CORE)
    calculate_combined_bump_fee = unsupported(Chain.calculate_combined_bump_fee, _CORE)
    get_package_limits = unsupported(Chain.get_package_limits, _CORE)
    check_chain_limits = unsupported(Chain.check_chain_limits, _CORE)
    estimate_smart_fee = unsupported(Chain.estimate_smart_fee, _CORE)
    estimate_max_blocks = unsupported(Chain.estimate_max_blocks, _CORE)
    mempool_min_fee = unsupported(Chain.mempool_min_fee, _CORE)
    relay_min_fee = unsupported(Chain.relay_min_fee, _CORE)
    relay_incremental_fee = unsupported(Chain.relay_incremental_fee, _CORE)
    relay_dust_fee = unsupported(Chain.relay_dust_fee, _CORE)
    have_pruned = unsupported(Chain.have_pruned, _CORE)
    get_prune_height = unsupported(Chain.get_prune_height, _CORE)
    handle_rpc = unsupported(Chain.handle_rpc, _CORE)
    get_setting = unsupported(Chain.get_setting, _CORE)
    get_settings_list = unsupported(Chain.get_settings_list, _CORE)
    get_rw_setting = unsupported(Chain.get_rw_setting, _CORE)
    update_rw_setting = unsupported(Chain.update_rw_setting, _CORE)
    overwrite_rw_setting = unsupported(Chain.overwrite_rw_setting, _CORE)
    delete_rw_settings = unsupported(Chain.delete_rw_settings, _CORE)
    request_mempool_transactions = unsupported(Chain.request_mempool_transactions, _CORE)


class InitOfCore(PartialInit):
    """What a connection starts with."""

    def __init__(self, core: Core, shutdown: Shutdown) -> None:
        self._core, self._shutdown = core, shutdown

    def make_mining(self) -> Mining:
        return MiningOfCore(self._core)

    def make_chain(self) -> Chain:
        return ChainOfCore(self._core, self._shutdown)


@contextmanager
def open_core(address: str, options: Options, shutdown: Shutdown) -> Iterator[Part]:
    """Serve what the bitcoin-node at an address has. It may come later."""
    link = RemoteLink(address, datadir=options.datadir, name="bitcoin-node")
    with closing(Core(link)) as core:
        init = InitOfCore(core, shutdown)
        offered = {"chain": init.make_chain(), "mining": init.make_mining()}
        yield Part(init, namespaces=offered)
