"""Compact filters of blocks, which the process called index has."""

from __future__ import annotations

from typing import cast

import mpipc
from examples.bitcoin.common.link import Link
from examples.bitcoin.index.interfaces.filters import BlockFilters, IndexInit
from interfaces.proposed import ProposedInit
from interfaces.values import BlockHash

_SECONDS = 30.0
"""How long an index may take for an answer."""


class Filters:
    """An index, while it is there; None: there is none."""

    def __init__(self, index: Link | None) -> None:
        self._filters: BlockFilters | None = None
        self._link = index
        if index is not None:
            index.follow(self._on_connect, self._on_disconnect)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()

    @property
    def are_there(self) -> bool:
        return self._filters is not None

    def match_any(self, hash: BlockHash, scripts: list[bytes]) -> bool | None:
        """Whether a block may concern one of these scripts; None where that is not known."""
        filters = self._filters
        if filters is None:
            return None
        try:
            with mpipc.timeout(_SECONDS):
                return filters.matches_any(hash, scripts)
        except mpipc.IpcError:  # the index has just gone
            return None

    def _on_connect(self, index: ProposedInit) -> None:
        self._filters = cast(IndexInit, index).make_block_filters()

    def _on_disconnect(self) -> None:
        self._filters = None
