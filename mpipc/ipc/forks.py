"""What a forked child must leave alone.

It has copies of its parent's descriptors and memory, but none of its threads: a connection in it
can neither work nor be closed in order, which would end the parent's. So everything that owns
descriptors or threads is told, and lets go of its copies.
"""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class Owner(Protocol):
    """Owns descriptors, locks or threads."""

    def forked(self) -> None:
        """Let go of them, in a forked child. No other thread runs; any lock may be held."""


_owners: weakref.WeakSet[Owner] = weakref.WeakSet()


def tell(owner: Owner) -> None:
    """Have the owner told of forks for as long as it lives."""
    _owners.add(owner)


def _in_child() -> None:
    for owner in list(_owners):
        owner.forked()


os.register_at_fork(after_in_child=_in_child)
