"""What goes over a connection: how many bytes, and who else is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Tap: TypeAlias = Callable[[bytes], object]
"""Is passed what goes over a connection, in one direction, in chunks as they come."""


class Traffic:
    """Bytes that went over a connection. Each number is changed by one thread at a time."""

    __slots__ = ("received", "sent")

    def __init__(self) -> None:
        self.sent = self.received = 0
